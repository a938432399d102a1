"""Recommendations from a card alone: what fits, what it will reach, how sure, what was assumed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.cards.data_card import Classes, Continuous, DataCard
from automl_agent.cards.documents import check_document
from automl_agent.cards.metric import Task
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.paragraph import parse_paragraph
from automl_agent.cards.profile import profile_table
from automl_agent.cards.stated_card import parse_stated_card
from automl_agent.controllers.recommendation import Recommendation, recommend
from automl_agent.errors import InputError, UnknownNameError
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.registry import Registry
from automl_agent.experts.search_space import complete_settings, default_settings
from automl_agent.knowledge import knowledge
from automl_agent.knowledge.advisor import open_advisor
from automl_agent.knowledge.prediction.card_predictor import predict_from_card
from automl_agent.plugins import Plugins
from automl_agent.testing.tables import TARGET, load_example
from automl_agent.training.scoring import chance_score

RESOURCES = Resources(cpus=4, memory_mib=16_000)
TABULAR = ("extra-trees", "hist-gradient-boosting", "linear", "xgboost")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_all_plugins()


def ask(plugins: Plugins, card: DataCard, **options: Any) -> Recommendation:
    options = {"names": TABULAR, "limit": 9, **options}
    return recommend(card, plugins.experts, plugins.metrics, resources=RESOURCES, **options)


def measure_card(task: Task = "binary_classification", metric: str | None = None) -> DataCard:
    return profile_table(load_example(task), target=TARGET, name="x", task=task, metric=metric)


def state_card(metric: str, classes: tuple[str, ...] = (), **fields: Any) -> DataCard:
    """A card that a person wrote by hand."""
    space = {"kind": "classes", "classes": list(classes)} if classes else {"kind": "continuous"}
    headline = {"name": "x", "input_type": "tabular", "label_space": space, "metric": metric}
    return parse_stated_card({**headline, **fields})


@pytest.mark.parametrize(
    "task", ["binary_classification", "multiclass_classification", "regression"]
)
def test_a_measured_card_is_predicted_without_any_assumption(plugins: Plugins, task: Task) -> None:
    card = measure_card(task)
    recommended = ask(plugins, card)
    check_document(recommended.to_json(), "recommendation", source="recommendation")
    assert recommended.assumptions == ()
    assert {advice.plan.expert for advice in recommended.advice} == set(TABULAR)
    metric = plugins.metrics[card.metric]
    chance = chance_score(metric, card)
    assert chance is not None
    losses = []
    for advice in recommended.advice:
        model = advice.plan.model_card
        log = predict_from_card(card, model, metric, chance=chance)
        assert advice.plan.predicted_log == log
        assert advice.plan.settings == default_settings(model)
        assert advice.seconds == log.seconds
        low, _, high = model.expectations[task].gain
        # All but 1 % of the way to the end of the curve.
        assert advice.width == pytest.approx(0.99 * (high - low), abs=1e-3)
        losses.append(metric.loss(log.final.median))
    assert losses == sorted(losses)


def test_the_paragraph_carries_the_plan_and_the_card_as_it_was_given(plugins: Plugins) -> None:
    card = state_card("roc_auc", ("no", "yes"))
    first = ask(plugins, card).advice[0]
    paragraph = parse_paragraph(first.to_json()["paragraph"])
    assert paragraph == first.plan.to_paragraph()
    assert paragraph.data_card == card
    assert paragraph.predicted_log == first.plan.predicted_log
    assert paragraph.data_processing
    assert paragraph.model_architecture


def test_without_shares_the_classes_count_as_equally_frequent_and_that_is_said(
    plugins: Plugins,
) -> None:
    card = state_card("accuracy", ("a", "b", "c", "d"))
    recommended = ask(plugins, card)
    check_document(recommended.to_json(), "recommendation", source="recommendation")
    assert any("equally frequent ones are assumed" in text for text in recommended.assumptions)
    log = recommended.advice[0].plan.predicted_log
    assert log is not None
    # Guessing is right in a quarter of the rows.
    gain = recommended.advice[0].plan.model_card.expectations["multiclass_classification"].gain
    assert log.final.median == pytest.approx(0.25 + 0.75 * 0.99 * gain[1], rel=1e-4)
    shares = Classes(("a", "b", "c", "d"), shares=(0.7, 0.1, 0.1, 0.1))
    known = ask(plugins, replace(card, label_space=shares))
    assert not any("frequent" in text for text in known.assumptions)
    known_log = known.advice[0].plan.predicted_log
    assert known_log is not None
    assert known_log.final.median > log.final.median


def test_without_quantiles_the_explained_variance_is_predicted_and_that_is_said(
    plugins: Plugins,
) -> None:
    recommended = ask(plugins, state_card("rmse"))
    check_document(recommended.to_json(), "recommendation", source="recommendation")
    assert any("no rmse can be predicted; r2 is" in text for text in recommended.assumptions)
    logs = [advice.plan.predicted_log for advice in recommended.advice]
    assert all(log is not None and log.metric == "r2" and 0 < log.final.median < 1 for log in logs)
    quantiles = Continuous((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    known = ask(plugins, replace(state_card("rmse"), label_space=quantiles))
    assert [a.plan.predicted_log and a.plan.predicted_log.metric for a in known.advice] == [
        "rmse"
    ] * len(TABULAR)


def test_the_explained_variance_itself_needs_no_quantiles(plugins: Plugins) -> None:
    recommended = ask(plugins, state_card("r2"))
    assert not any("quantiles" in text for text in recommended.assumptions)
    log = recommended.advice[0].plan.predicted_log
    assert log is not None
    assert log.metric == "r2"


def test_where_nothing_can_be_predicted_the_hyperparameters_still_are_recommended(
    plugins: Plugins,
) -> None:
    metrics = {name: m for name, m in plugins.metrics.items() if name != "r2"}
    recommended = recommend(
        state_card("rmse"), plugins.experts, metrics, resources=RESOURCES, names=TABULAR
    )
    check_document(recommended.to_json(), "recommendation", source="recommendation")
    assert any("nothing is predicted" in text for text in recommended.assumptions)
    first = recommended.advice[0]
    assert (first.plan.predicted_log, first.width, first.seconds) == (None, None, None)
    assert first.plan.settings
    assert first.describe_certainty().startswith("Nothing is predicted.")
    assert parse_paragraph(first.to_json()["paragraph"]).predicted_log is None


def test_without_a_size_no_time_is_predicted_and_that_is_said(plugins: Plugins) -> None:
    card = state_card("accuracy", ("a", "b"))
    recommended = ask(plugins, card)
    assert any("no time is predicted" in text for text in recommended.assumptions)
    assert [advice.seconds for advice in recommended.advice] == [None] * len(TABULAR)
    known = ask(plugins, replace(card, n_rows=10_000, n_features=10))
    assert all(advice.seconds for advice in known.advice)
    assert not any("time" in text for text in known.assumptions)


def test_what_does_not_fit_has_its_reason_and_the_rest_its_number(plugins: Plugins) -> None:
    card = replace(state_card("accuracy", ("a", "b")), n_rows=1_000_000, n_features=10)
    recommended = ask(plugins, card, limit=1)
    assert recommended.unfit == {
        "extra-trees": "its max_rows is 500000 and the data set has 1000000"
    }
    assert (len(recommended.advice), recommended.n_more) == (1, 2)
    only = ask(plugins, card, names=("linear",))
    assert [advice.plan.expert for advice in only.advice] == ["linear"]
    assert (only.unfit, only.n_more) == ({}, 0)


@pytest.mark.parametrize(
    ("card", "options", "error", "message"),
    [
        pytest.param(
            state_card("accuracy", ("a", "b"), input_type="image"),
            {"names": ()},
            InputError,
            r"No expert here reads image data; install a plugin.*they read: .*tabular",
            id="input",
        ),
        pytest.param(
            replace(state_card("accuracy", ("a", "b")), n_rows=10**9),
            {},
            InputError,
            r"No expert fits x; install a plugin.*linear: its max_rows is",
            id="limits",
        ),
        pytest.param(
            state_card("rmse", ("a", "b")), {}, InputError, "does not fit binary", id="metric"
        ),
        pytest.param(
            state_card("acuracy", ("a", "b")), {}, UnknownNameError, "'accuracy'", id="no metric"
        ),
        pytest.param(
            state_card("accuracy", ("a", "b")),
            {"names": ("xgbost",)},
            UnknownNameError,
            "'xgboost'",
            id="no expert",
        ),
    ],
)
def test_where_nothing_can_be_recommended_the_reason_is_told(
    plugins: Plugins, card: DataCard, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(plugins, card, **options)


class BrokenExpert:
    """An expert that cannot write its scripts."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def write_scripts(self, plan: Plan) -> dict[str, str]:
        raise ZeroDivisionError("of a plugin")


def test_an_expert_that_cannot_write_its_scripts_is_left_out_and_named(plugins: Plugins) -> None:
    experts: Registry[Any] = Registry("expert")
    broken = BrokenExpert(plugins.experts["xgboost"].card)
    experts.add("xgboost", broken, distribution="automl-agent-xgboost")
    card = state_card("accuracy", ("a", "b"))
    with pytest.raises(InputError, match=r"No expert fits x.*ZeroDivisionError.*of a plugin"):
        recommend(card, experts, plugins.metrics, resources=RESOURCES)
    experts.add("linear", plugins.experts["linear"], distribution="automl-agent-sklearn")
    recommended = recommend(card, experts, plugins.metrics, resources=RESOURCES)
    assert [advice.plan.expert for advice in recommended.advice] == ["linear"]
    assert "of a plugin" in recommended.unfit["xgboost"]


def test_an_advisor_gives_settings_of_similar_data_sets(plugins: Plugins, tmp_path: Path) -> None:
    advisor = open_advisor(tmp_path, None)
    card = state_card("log_loss", ("a", "b"))
    recommended = ask(plugins, card, names=("xgboost",), advisor=advisor)
    check_document(recommended.to_json(), "recommendation", source="recommendation")
    (advice,) = recommended.advice
    model = advice.plan.model_card
    assert advice.plan.settings == complete_settings(model, advice.plan.settings)
    assert advice.plan.neighbours
    assert advice.plan.neighbours[0].name in advice.describe_certainty()
    assert advice.others
    paragraph = parse_paragraph(advice.to_json()["paragraph"])
    assert paragraph.neighbours == advice.plan.neighbours


def test_an_advisor_without_anything_near_leaves_the_defaults(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge, "find_base", lambda _version: [])
    advisor = open_advisor(tmp_path, None)
    card = state_card("log_loss", ("a", "b"))
    (advice,) = ask(plugins, card, names=("xgboost",), advisor=advisor).advice
    assert advice.plan.settings == default_settings(advice.plan.model_card)
    assert not advice.plan.neighbours
    assert "defaults" in advice.describe_certainty()
