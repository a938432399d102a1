"""The metrics against values worked out by hand, and the score of predicting nothing but shares."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from automl_agent.cards.data_card import Classes, Continuous, DataCard
from automl_agent.cards.metric import Metric, Task
from automl_agent.cards.profile import profile_table
from automl_agent.cards.tables import encode_labels
from automl_agent.errors import InputError, UnknownNameError
from automl_agent.testing.tables import TARGET, load_example
from automl_agent.training.scoring import (
    BUILTIN_METRICS,
    COMPANIONS,
    chance_score,
    find_metric,
    score_predictions,
)

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
TASKS: tuple[Task, ...] = ("binary_classification", "multiclass_classification", "regression")

LABELS = [0, 0, 1, 1]
# Classes predicted: 0, 1, 1, 1.
BINARY = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5 + 1e-9]]
THREE_LABELS = [0, 1, 2, 2]
# Classes predicted: 0, 0, 2, 1.
THREE = [[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]]
VALUES = [1.0, 2.0, 3.0, 6.0]
GUESSES = [1.0, 3.0, 3.0, 3.0]

BY_HAND = {
    "log_loss": (LABELS, BINARY, -sum(map(math.log, (0.9, 0.4, 0.8, 0.5))) / 4),
    # For two classes: the mean of the squared errors of the second class's probability.
    "brier": (LABELS, BINARY, (0.1**2 + 0.6**2 + 0.2**2 + 0.5**2) / 4),
    # Of the four pairs of a negative and a positive, 0.6 over 0.5 alone is in the wrong order.
    "roc_auc": (LABELS, BINARY, 3 / 4),
    # In the order 0.8 (1), 0.6 (0), 0.5 (1), 0.1 (0): precision 1 at the first half of the
    # positives, 2/3 at the second.
    "average_precision": (LABELS, BINARY, (1 + 2 / 3) / 2),
    "accuracy": (LABELS, BINARY, 3 / 4),
    # Recalls 1/2 and 1.
    "balanced_accuracy": (LABELS, BINARY, 3 / 4),
    # F1 of 0: precision 1, recall 1/2; of 1: precision 2/3, recall 1.
    "f1_macro": (LABELS, BINARY, (2 / 3 + 4 / 5) / 2),
    "log_loss of three": (THREE_LABELS, THREE, -sum(map(math.log, (0.8, 0.4, 0.7, 0.3))) / 4),
    # Half the mean of the squared distances from the corners (1, 0, 0), (0, 1, 0), (0, 0, 1).
    "brier of three": (THREE_LABELS, THREE, (0.06 + 0.62 + 0.14 + 0.78) / 8),
    # One against the rest: class 0 in 3 of 3 pairs, 1 in 2 of 3, 2 in 4 of 4.
    "roc_auc of three": (THREE_LABELS, THREE, (1 + 2 / 3 + 1) / 3),
    "accuracy of three": (THREE_LABELS, THREE, 2 / 4),
    # Recalls 1, 0 and 1/2.
    "balanced_accuracy of three": (THREE_LABELS, THREE, 1 / 2),
    # F1 of 0: precision 1/2, recall 1; of 1: 0; of 2: precision 1, recall 1/2.
    "f1_macro of three": (THREE_LABELS, THREE, (2 / 3 + 0 + 2 / 3) / 3),
    "rmse": (VALUES, GUESSES, math.sqrt((0 + 1 + 0 + 9) / 4)),
    "mae": (VALUES, GUESSES, 1.0),
    # The values' mean is 3; their squared distances from it are 4, 1, 0 and 9.
    "r2": (VALUES, GUESSES, 1 - 10 / 14),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_metric_is_what_it_is_by_hand(name: str) -> None:
    labels, predictions, expected = BY_HAND[name]
    metric = METRICS[name.partition(" ")[0]]
    score = score_predictions(metric, np.array(labels), np.array(predictions))
    assert score == pytest.approx(expected, abs=1e-8)  # the 1e-9 that breaks a tie above


def test_every_metric_is_worked_out_by_hand() -> None:
    assert {name.partition(" ")[0] for name in BY_HAND} == set(METRICS)


@pytest.mark.parametrize("metric", BUILTIN_METRICS, ids=METRICS)
def test_a_perfect_prediction_has_the_ideal_score_and_beats_a_poor_one(metric: Metric) -> None:
    if metric.needs == "values":
        labels, perfect, poor = np.array(VALUES), np.array(VALUES), np.array(GUESSES)
    else:
        labels, perfect, poor = np.array(LABELS), np.eye(2)[LABELS], np.array(BINARY)
    best = score_predictions(metric, labels, perfect)
    # log_loss keeps probabilities away from 0 by the smallest float.
    assert best == pytest.approx(metric.ideal, abs=1e-12)
    assert metric.is_better(best, score_predictions(metric, labels, poor))
    assert metric.loss(best) < metric.loss(score_predictions(metric, labels, poor))


def test_the_directions_are_these() -> None:
    assert {name for name, metric in METRICS.items() if metric.greater_is_better} == {
        "roc_auc",
        "average_precision",
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
        "r2",
    }


@given(st.integers(0, 10_000))
def test_the_log_loss_is_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, 20)
    probabilities = random.dirichlet([0.01] * 3, 20)  # so sharp that many are 0 and 1
    expected = log_loss(labels, probabilities, labels=range(3))
    assert score_predictions(METRICS["log_loss"], labels, probabilities) == pytest.approx(expected)


def test_what_is_shown_beside_a_metric_exists_and_fits_the_task() -> None:
    assert set(COMPANIONS) == set(TASKS)
    for task, names in COMPANIONS.items():
        for name in names:
            assert find_metric(METRICS, name, task) is METRICS[name]


def test_a_class_that_no_row_has_does_not_count_in_the_auc() -> None:
    # Rows of a time or a group may lack a class. Without class 1: 0 and 2 are told apart.
    labels, probabilities = np.array([0, 2, 2]), np.array(THREE)[[0, 2, 3]]
    assert score_predictions(METRICS["roc_auc"], labels, probabilities) == 1.0


def test_a_class_that_is_predicted_but_no_row_has_does_not_count_in_the_balanced_accuracy() -> None:
    labels, probabilities = np.array([0, 2, 2]), np.array(THREE)[[0, 2, 3]]
    # Recalls 1 and 1/2; the prediction of class 1 has cost class 2 its recall already.
    assert score_predictions(METRICS["balanced_accuracy"], labels, probabilities) == 0.75


IMPOSSIBLE = {
    "an AUC of one class": ("roc_auc", [1, 1], [[0.5, 0.5], [0.2, 0.8]], "all rows are of one"),
    "a precision without positives": (
        "average_precision",
        [0, 0],
        [[0.5, 0.5], [0.2, 0.8]],
        "no row is of the second class",
    ),
    "the variance of one row": ("r2", [1.0], [1.0], "one row has no variance"),
}


@pytest.mark.parametrize(
    ("name", "labels", "predictions", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE
)
def test_what_cannot_be_computed_is_an_input_error_that_says_why(
    name: str, labels: list[float], predictions: list[object], message: str
) -> None:
    with pytest.raises(InputError, match=f"The metric '{name}' cannot be computed: .*{message}"):
        score_predictions(METRICS[name], np.array(labels), np.array(predictions))


def mean_cost(labels: np.ndarray, classes: np.ndarray) -> float:
    """A plugin's metric: a missed second class costs 10, a false one 1."""
    return float(np.where(labels > classes, 10, np.where(labels < classes, 1, 0)).mean())


COST = Metric("cost", ("binary_classification",), False, "classes", 0.0, mean_cost)


def test_a_plugins_metric_is_scored_like_a_built_in_one() -> None:
    assert score_predictions(COST, np.array(LABELS), np.array(BINARY)) == 1 / 4
    assert find_metric({**METRICS, "cost": COST}, "cost", "binary_classification") is COST
    frame = load_example("binary_classification")
    card = profile_table(frame, target=TARGET, name="example")
    # Most tumours are benign; to say so always misses the others.
    expected = 10 * (frame[TARGET] == "malignant").mean()
    assert chance_score(COST, card) == pytest.approx(expected, abs=1e-2)  # the card's digits


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        pytest.param(lambda _l, _p: 1 / 0, "cannot be computed: division by zero", id="raises"),
        pytest.param(lambda _l, _p: None, "cannot be computed", id="returns nothing"),
        pytest.param(lambda _l, _p: math.nan, "is nan, which is no finite", id="is NaN"),
        pytest.param(lambda _l, _p: math.inf, "is inf, which is no finite", id="is infinite"),
    ],
)
def test_a_plugins_metric_that_fails_is_named(compute: object, message: str) -> None:
    metric = Metric("odd", ("regression",), False, "values", 0.0, compute)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"The metric 'odd' {message}"):
        score_predictions(metric, np.array(VALUES), np.array(GUESSES))


def fitting(task: Task) -> list[str]:
    return [name for name, metric in METRICS.items() if task in metric.tasks]


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task in TASKS for name in fitting(task)]
)
def test_chance_is_the_score_of_a_constant_prediction_on_the_real_labels(
    task: Task, name: str
) -> None:
    frame = load_example(task)
    card = profile_table(frame, target=TARGET, name="example", task=task)
    labels = encode_labels(frame[TARGET], card)
    if card.n_classes:
        shares = np.bincount(labels) / len(labels)
        constant = np.tile(shares, (len(labels), 1))
        tolerance = 1e-3  # 10,000 imagined rows have the shares to four digits
    else:
        constant = np.full(len(labels), labels.mean())
        # Between the seven quantiles of the card the labels are imagined as evenly spread.
        tolerance = 0.03 * labels.std()
    expected = score_predictions(METRICS[name], labels, constant)
    assert chance_score(METRICS[name], card) == pytest.approx(expected, abs=tolerance)


def make_card(space: Classes | Continuous, task: Task) -> DataCard:
    return DataCard("x", "", "tabular", task, space, "log_loss", {})


def test_chance_without_statistics_is_unknown() -> None:
    classes = make_card(Classes(("a", "b")), "binary_classification")
    values = make_card(Continuous(), "regression")
    assert chance_score(METRICS["log_loss"], classes) is None
    assert chance_score(METRICS["rmse"], values) is None


def test_chance_knows_a_class_with_a_very_small_share() -> None:
    shares = (0.999999, 0.000001)
    card = make_card(Classes(("a", "b"), shares), "binary_classification")
    assert chance_score(METRICS["roc_auc"], card) == 0.5
    assert chance_score(METRICS["accuracy"], card) == pytest.approx(0.9999)


def test_chance_of_values_on_any_scale_is_on_that_scale() -> None:
    labels = pd.Series(np.random.default_rng(0).normal(size=500))
    scores = []
    for scale in (1e-9, 1.0, 1e9):
        frame = pd.DataFrame({"x": range(500), "y": labels * scale}).assign(x=lambda f: f.x % 7)
        card = profile_table(frame, target="y", name="scaled")
        scores.append(chance_score(METRICS["rmse"], card))
    assert [score / scale for score, scale in zip(scores, (1e-9, 1.0, 1e9), strict=True)] == (
        pytest.approx([scores[1]] * 3)
    )


def test_a_metric_that_is_not_there_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_metric(METRICS, "logloss", "binary_classification")
    assert str(caught.value) == "There is no metric 'logloss'. Did you mean 'log_loss'?"


def test_a_metric_for_another_task_is_refused_with_those_that_fit() -> None:
    with pytest.raises(InputError) as caught:
        find_metric(METRICS, "roc_auc", "regression")
    assert str(caught.value) == "The metric 'roc_auc' does not fit regression; use rmse, mae, r2."
