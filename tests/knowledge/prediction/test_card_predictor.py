"""The log that is predicted from a card alone: from chance towards the ideal, as the card says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.cards.data_card import Classes, DataCard
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.cards.profile import profile_table
from automl_agent.knowledge.prediction.card_predictor import predict_from_card
from automl_agent.testing.tables import TARGET, load_example
from automl_agent.training.scoring import BUILTIN_METRICS, chance_score

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}

gains = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)
# The score of a constant prediction, worse than the ideal one.
CHANCES = {"log_loss": 0.69, "rmse": 70.0, "roc_auc": 0.5, "accuracy": 0.6, "r2": 0.0}


def make_data_card(n_rows: int | None = 1000, n_features: int | None = 50) -> DataCard:
    return DataCard(
        name="rows",
        description="",
        input_type="tabular",
        task="binary_classification",
        label_space=Classes(("a", "b")),
        metric="log_loss",
        provenance={},
        n_rows=n_rows,
        n_features=n_features,
    )


def make_model_card(**expectation: Any) -> ModelCard:
    expected = {
        "gain": [0.2, 0.5, 0.9],
        "n_steps": 240,
        "seconds_per_million_cells": 4.0,
        "memory_mib": 350,
    }
    return ModelCard.from_json(
        {
            "name": "trees",
            "structure": "Trees",
            "description": "Trees of a test",
            "architecture": {},
            "tasks": ["binary_classification"],
            "input_types": ["tabular"],
            "search_space": [
                {"name": "rate", "type": "float", "low": 0.0, "high": 1.0, "default": 0.5}
            ],
            "requirements": [{"package": "numpy", "version": "", "imports": ["numpy"]}],
            "expectations": {"binary_classification": expected | expectation},
        }
    )


def predict(metric: Metric, chance: float, **expectation: Any) -> PredictedLog:
    return predict_from_card(
        make_data_card(), make_model_card(**expectation), metric, chance=chance
    )


def test_the_log_is_what_the_card_expects() -> None:
    log = predict(METRICS["roc_auc"], 0.5)
    assert (log.predictor, log.metric) == ("model card", "roc_auc")
    assert [point.step for point in log.points] == list(range(20, 241, 20))
    # 50,000 cells at 4 s a million.
    assert (log.seconds, log.memory_mib) == (0.2, 350)
    # At the end all but 1 % of the way is done: of 0.5 up to 1, half, 20 % and 90 %.
    assert log.final.median == pytest.approx(0.5 + 0.5 * 0.99 * 0.5)
    assert log.final.low == pytest.approx(0.5 + 0.2 * 0.99 * 0.5)
    assert log.final.high == pytest.approx(0.5 + 0.9 * 0.99 * 0.5)


def test_for_a_loss_the_bounds_are_still_in_order() -> None:
    log = predict(METRICS["log_loss"], 0.7)
    assert log.final.median == pytest.approx(0.7 * (1 - 0.5 * 0.99))
    assert log.final.low == pytest.approx(0.7 * (1 - 0.9 * 0.99))
    assert log.final.high == pytest.approx(0.7 * (1 - 0.2 * 0.99))


@pytest.mark.parametrize("name", CHANCES)
@settings(deadline=None)  # the machine may be busy
@given(gain=gains, n_steps=st.integers(1, 5000))
def test_the_curve_goes_from_chance_towards_the_ideal_and_never_back(
    name: str, gain: list[float], n_steps: int
) -> None:
    metric, chance = METRICS[name], CHANCES[name]
    log = predict(metric, chance, gain=gain, n_steps=n_steps)
    losses = [metric.loss(point.median) for point in log.points]
    assert losses == sorted(losses, reverse=True)
    # Six digits are kept, of 70 four behind the point.
    assert metric.loss(chance) + 1e-4 >= losses[0]
    assert losses[-1] >= metric.loss(metric.ideal) - 1e-4
    assert all(point.low <= point.median <= point.high for point in log.points)


@settings(deadline=None)
@given(n_steps=st.integers(1, 5000))
def test_the_steps_go_up_to_the_last_each_once(n_steps: int) -> None:
    steps = [point.step for point in predict(METRICS["rmse"], 1.0, n_steps=n_steps).points]
    assert steps == sorted(set(steps))
    assert steps[0] >= 1
    assert steps[-1] == n_steps
    assert len(steps) == min(12, n_steps)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_scale_of_a_target_does_not_matter(scale: float) -> None:
    log = predict(METRICS["rmse"], 3 * scale)
    assert log.final.median / scale == pytest.approx(3 * (1 - 0.5 * 0.99), rel=1e-5)
    assert 0 < log.final.low < log.final.median < log.final.high


def test_without_a_size_no_time_is_predicted() -> None:
    log = predict_from_card(
        make_data_card(None, None), make_model_card(), METRICS["log_loss"], chance=0.7
    )
    assert log.seconds == 0.0


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("binary_classification", "log_loss"),
        ("binary_classification", "roc_auc"),
        ("multiclass_classification", "accuracy"),
        ("regression", "rmse"),
        ("regression", "r2"),
    ],
)
def test_a_real_table_is_expected_to_be_learnt(task: Any, name: str) -> None:
    metric = METRICS[name]
    data = profile_table(load_example(task), target=TARGET, name="x", task=task, metric=name)
    document = make_model_card().to_json()
    expectation = document["expectations"]["binary_classification"]
    model = ModelCard.from_json({**document, "tasks": [task], "expectations": {task: expectation}})
    chance = chance_score(metric, data)
    assert chance is not None
    log = predict_from_card(data, model, metric, chance=chance)
    assert metric.is_better(log.final.median, chance)
    assert not metric.is_better(log.final.median, metric.ideal)
    assert PredictedLog.from_json(log.to_json()) == log


def test_a_task_that_the_expert_does_not_do_has_no_prediction() -> None:
    data = make_data_card()
    document = make_model_card().to_json() | {"tasks": ["regression"]}
    expectation = document["expectations"]["binary_classification"]
    model = ModelCard.from_json({**document, "expectations": {"regression": expectation}})
    with pytest.raises(KeyError, match="binary_classification"):
        predict_from_card(data, model, METRICS["log_loss"], chance=0.7)
