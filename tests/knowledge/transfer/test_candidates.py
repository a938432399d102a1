"""Settings and predicted logs from similar data sets, with the packaged knowledge."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.cards.data_card import DataCard
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.cards.profile import profile_table
from automl_agent.experts.search_space import complete_settings, starting_points
from automl_agent.knowledge.advisor import Advisor, Question
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.knowledge import open_knowledge
from automl_agent.knowledge.prediction.forecast import combine_logs
from automl_agent.knowledge.records.record import CurvePoint, Record, fingerprint_card
from automl_agent.knowledge.transfer.candidates import (
    MIN_SIMILARITY,
    choose_portfolio,
    transfer_settings,
)
from automl_agent.knowledge.transfer.neighbourhood import find_neighbourhood
from automl_agent.training.dataset import write_dataset
from automl_agent.training.landmarks import add_landmarks
from automl_agent.training.scoring import chance_score

PLUGINS = load_all_plugins()
MODEL = PLUGINS.experts["xgboost"].card
LOG_LOSS = PLUGINS.metrics["log_loss"]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> DataCard:
    """Of scikit-learn's wine table, which is not among the packaged ones, with landmarks."""
    from sklearn.datasets import load_wine

    frame = load_wine(as_frame=True).frame
    measured = profile_table(frame, target="target", name="wine", description="Chemistry of wines.")
    folder = tmp_path_factory.mktemp("wine")
    return add_landmarks(measured, write_dataset(frame, measured, folder, seed=0))


@pytest.fixture
def advisor(tmp_path: Path) -> Advisor:
    """With the packaged knowledge, and no encoder."""
    return Advisor(open_knowledge(tmp_path), TextSpace(None))


def ask(card: DataCard) -> Question:
    chance = chance_score(LOG_LOSS, card)
    assert chance is not None
    return Question(card, MODEL, LOG_LOSS, chance)


def test_proposed_settings_are_allowed_complete_and_distinct(
    advisor: Advisor, card: DataCard
) -> None:
    transfer = advisor.propose(ask(card))
    assert transfer.is_transferred
    settings = [candidate.settings for candidate in transfer.candidates]
    assert all(complete_settings(MODEL, one) == one for one in settings)
    assert all(settings.count(one) == 1 for one in settings)
    assert all(c.low <= c.expected <= c.high for c in transfer.candidates)


def test_proposals_are_expected_to_be_better_than_most_settings(
    advisor: Advisor, card: DataCard
) -> None:
    question = ask(card)
    expected = [candidate.expected for candidate in advisor.propose(question).candidates[:4]]
    everything = [
        candidate.expected for candidate in advisor.propose(question, n_candidates=64).candidates
    ]
    assert np.mean(expected) < np.median(everything)


def test_the_default_is_among_them_as_it_is_and_others_are_scaled(
    advisor: Advisor, card: DataCard
) -> None:
    space = tuple(
        replace(p, scales_with={"rows": 0.5} if p.name == "min_child_weight" else {})
        for p in MODEL.search_space
    )
    plain = advisor.propose(ask(card)).candidates
    scaling = replace(ask(card), model=replace(MODEL, name="xgboost", search_space=space))
    found = Advisor(advisor.knowledge, advisor.texts).propose(scaling).candidates
    default = complete_settings(MODEL, {})
    assert [c.settings == default for c in found] == [c.settings == default for c in plain]
    assert default in [c.settings for c in found]
    # The wine table is small.
    for one, scaled in zip(plain, found, strict=True):
        if one.settings != default:
            before, after = (float(c.settings["min_child_weight"]) for c in (one, scaled))
            assert after < before
            assert "min_child_weight from" in scaled.why
            assert (scaled.sources, one.why) == (one.sources, scaled.why.partition(";")[0])


@pytest.mark.parametrize(
    ("weights", "chosen"),
    [
        pytest.param([1.0, 1.0, 1.0], [2, 1], id="all count alike"),
        pytest.param([1.0, 0.0, 0.0], [0, 2], id="only the first counts"),
        pytest.param([0.0, 1.0, 1.0], [1, 2], id="the others count"),
    ],
)
def test_the_portfolio_has_something_for_each_data_set_that_counts(
    weights: list[float], chosen: list[int]
) -> None:
    ranks = np.array([[0.0, 1.0, 0.3, 0.7], [1.0, 0.0, 0.3, 0.7], [1.0, 0.1, 0.3, 0.7]])
    assert choose_portfolio(ranks, np.array(weights), 2) == chosen


def test_settings_of_few_data_sets_need_more_than_one_lucky_rank() -> None:
    nan = math.nan
    ranks = np.array([[0.0, 0.1, nan], [nan, 0.1, nan], [nan, 0.1, nan]])
    assert choose_portfolio(ranks, np.full(3, 0.01), 3) == [1, 0, 2]
    # On a data set that is nearly the same, one good rank is enough.
    assert choose_portfolio(ranks, np.array([0.7, 0.01, 0.01]), 3) == [0, 1, 2]


def test_the_reason_names_the_similar_data_sets(advisor: Advisor, card: DataCard) -> None:
    transfer = advisor.propose(ask(card))
    assert transfer.neighbours[0].known.card.name in transfer.reason


def test_nothing_is_transferred_from_data_sets_that_are_too_far_away(
    advisor: Advisor, card: DataCard
) -> None:
    question = ask(card)
    found = find_neighbourhood(
        card, MODEL, LOG_LOSS, chance=question.chance, knowledge=advisor.knowledge,
        texts=advisor.texts,
    )  # fmt: skip
    assert found is not None
    far = tuple(replace(one, similarity=MIN_SIMILARITY / 2) for one in found.similar)
    transfer = transfer_settings(replace(found, similar=far), MODEL, n_candidates=4)
    assert not transfer.is_transferred
    assert "too far away" in transfer.reason
    assert [c.settings for c in transfer.candidates] == starting_points(MODEL)


def test_without_any_knowledge_the_defaults_are_proposed() -> None:
    transfer = transfer_settings(None, MODEL, n_candidates=4)
    assert not transfer.is_transferred
    assert [c.settings for c in transfer.candidates] == starting_points(MODEL)


def test_a_kind_of_data_that_nobody_has_trained_gets_the_card_alone(
    advisor: Advisor, card: DataCard
) -> None:
    images = replace(card, input_type="image")
    assert not advisor.propose(ask(images)).is_transferred
    forecast = advisor.predict(ask(images), {})
    assert [part.predictor for part in forecast.parts] == ["model card"]


def test_a_stated_card_without_statistics_is_answered(advisor: Advisor, card: DataCard) -> None:
    bare = replace(card, statistics=None, columns=None, n_rows=None, n_features=None)
    settings = advisor.propose(ask(bare)).candidates[0].settings
    vague, sharp = (advisor.predict(ask(one), settings).parts[0].final for one in (bare, card))
    assert math.isfinite(vague.median)
    # Who knows less is less sure.
    assert vague.high - vague.low > 1.5 * (sharp.high - sharp.low)


def test_a_predicted_log_improves_from_step_to_step_and_says_what_it_takes(
    advisor: Advisor, card: DataCard
) -> None:
    question = ask(card)
    log = advisor.predict(question, advisor.propose(question).candidates[0].settings).combined
    medians = [point.median for point in log.points]
    assert medians == sorted(medians, reverse=True)
    assert all(point.low <= point.median <= point.high for point in log.points)
    assert log.seconds > 0
    assert log.memory_mib > 0
    assert PredictedLog.from_json(json.loads(json.dumps(log.to_json()))) == log


def test_a_lower_learning_rate_is_expected_to_take_more_rounds(
    advisor: Advisor, card: DataCard
) -> None:
    slow, fast = (
        advisor.predict(ask(card), complete_settings(MODEL, {"learning_rate": rate})).parts[0]
        for rate in (0.02, 0.25)
    )
    assert slow.final.step > 2 * fast.final.step


def test_trials_of_the_run_itself_narrow_the_interval(advisor: Advisor, card: DataCard) -> None:
    question, settings = ask(card), complete_settings(MODEL, {})
    own = Record(
        fingerprint_card(card), "xgboost", settings, "log_loss", {"log_loss": 0.4}, (), 60, 1.0, 200
    )
    before = advisor.predict(question, settings).parts[0].final
    after = advisor.predict(question, settings, own=[own]).parts[0].final
    assert abs(after.median - 0.4) < abs(before.median - 0.4)
    assert after.high - after.low < before.high - before.low


def test_a_running_curve_is_extrapolated_to_an_end_that_is_no_worse(
    advisor: Advisor, card: DataCard
) -> None:
    question, settings = ask(card), complete_settings(MODEL, {})
    extrapolator = advisor.watch(question, settings)
    assert extrapolator is not None
    prior = advisor.predict(question, settings).combined
    points = [CurvePoint(step, 1.09 * 0.93**step + 0.05, 0.01 * step) for step in range(1, 16)]
    final = extrapolator.extrapolate(points, prior)
    assert final.low <= final.median <= final.high <= points[-1].score + 1e-9
    assert final.median < points[-1].score


def test_combined_logs_lie_between_their_parts_by_their_weights() -> None:
    def make(predictor: str, score: float) -> PredictedLog:
        points = (
            PredictedPoint(1, 0.6, 0.5, 0.7),
            PredictedPoint(10, score, 0.9 * score, 1.1 * score),
        )
        return PredictedLog(predictor, "log_loss", points, 1.0, 100.0)

    logs = [make("a", 0.2), make("b", 0.4)]
    even = combine_logs(logs, {"a": 1, "b": 1}, LOG_LOSS, 0.69).combined.final.median
    one_sided = combine_logs(logs, {"a": 9, "b": 1}, LOG_LOSS, 0.69).combined.final.median
    assert 0.2 < one_sided < even < 0.4
    only = combine_logs(logs, {"a": 1, "b": 0}, LOG_LOSS, 0.69).combined.final.median
    assert only == pytest.approx(0.2, rel=1e-4)
