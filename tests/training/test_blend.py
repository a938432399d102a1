"""Blending: never worse than the best member on the rows that chose it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.cards.metric import Metric
from automl_agent.training.blend import blend_predictions, choose_weights
from automl_agent.training.scoring import BUILTIN_METRICS, score_predictions

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
members = st.integers(1, 6)
seeds = st.integers(0, 10_000)


def make_probabilities(labels: np.ndarray, seed: int, n_members: int) -> dict[str, np.ndarray]:
    """Members of different strength, from nearly perfect to worse than nothing."""
    random = np.random.default_rng(seed)
    predictions = {}
    for number in range(n_members):
        logits = random.normal(size=(len(labels), 3))
        logits[np.arange(len(labels)), labels] += random.uniform(-1, 3)
        weights = np.exp(logits)
        predictions[f"t{number}"] = weights / weights.sum(axis=1, keepdims=True)
    return predictions


def best_of(metric: Metric, labels: np.ndarray, predictions: dict[str, np.ndarray]) -> float:
    """The smallest loss of a single member."""
    return min(metric.loss(score_predictions(metric, labels, p)) for p in predictions.values())


@pytest.mark.parametrize("name", ["log_loss", "brier", "roc_auc", "accuracy", "f1_macro"])
@settings(max_examples=10)  # one takes up to half a second in scikit-learn
@given(n_members=members, seed=seeds)
def test_a_blend_of_classifiers_is_never_worse_than_the_best_member(
    name: str, n_members: int, seed: int
) -> None:
    metric = METRICS[name]
    labels = np.arange(60) % 3
    predictions = make_probabilities(labels, seed, n_members)
    weights = choose_weights(metric, labels, predictions)
    blend = blend_predictions(weights, predictions)
    # Adding up in another order changes the last digit.
    assert metric.loss(score_predictions(metric, labels, blend)) <= (
        best_of(metric, labels, predictions) + 1e-12
    )
    assert sum(weights.values()) == pytest.approx(1)
    assert set(weights) <= set(predictions)
    assert min(weights.values()) > 0
    np.testing.assert_allclose(blend.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["rmse", "mae", "r2"])
@settings(max_examples=10)
@given(n_members=members, seed=seeds)
def test_a_blend_of_regressions_is_never_worse_than_the_best_member(
    name: str, n_members: int, seed: int
) -> None:
    metric = METRICS[name]
    random = np.random.default_rng(seed)
    labels = random.normal(size=50)
    predictions = {
        f"t{number}": labels + random.normal(scale=random.uniform(0.1, 2), size=50)
        for number in range(n_members)
    }
    weights = choose_weights(metric, labels, predictions)
    blend = blend_predictions(weights, predictions)
    assert metric.loss(score_predictions(metric, labels, blend)) <= (
        best_of(metric, labels, predictions) + 1e-12
    )
    assert sum(weights.values()) == pytest.approx(1)


def test_errors_that_cancel_out_are_blended_half_and_half() -> None:
    labels = np.zeros(4)
    high, low = np.array([1.0, 1.0, 1.0, 1.0]), np.array([-1.0, -1.0, -1.0, -1.0])
    weights = choose_weights(METRICS["rmse"], labels, {"high": high, "low": low})
    assert weights == {"high": 0.5, "low": 0.5}
    assert blend_predictions(weights, {"high": high, "low": low}).tolist() == [0, 0, 0, 0]


def test_of_identical_members_the_first_is_enough() -> None:
    labels = np.arange(60) % 3
    (probabilities,) = make_probabilities(labels, 0, 1).values()
    same = {name: probabilities.copy() for name in ("a", "b", "c")}
    assert choose_weights(METRICS["log_loss"], labels, same) == {"a": 1.0}


def test_one_member_is_its_own_blend() -> None:
    labels = np.arange(60) % 3
    predictions = make_probabilities(labels, 0, 1)
    assert choose_weights(METRICS["accuracy"], labels, predictions) == {"t0": 1.0}


def test_a_member_that_only_harms_is_left_out() -> None:
    labels = np.array([0.0, 1.0, 2.0, 3.0])
    predictions = {"wrong": labels + 10, "right": labels}
    assert choose_weights(METRICS["mae"], labels, predictions) == {"right": 1.0}


def test_weights_need_not_sum_to_one() -> None:
    predictions = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 6.0]), "c": np.array([9.0, 9.0])}
    assert blend_predictions({"a": 3, "b": 1}, predictions).tolist() == [1.5, 3.0]
