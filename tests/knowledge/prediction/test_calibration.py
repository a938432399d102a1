"""Calibration: errors, ranks and coverage of what was predicted; weights that follow from them."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from automl_agent.cards.predicted_log import PredictedPoint
from automl_agent.knowledge.prediction.calibration import (
    calibrate,
    observed_coverage,
    rank_correlation,
    weights_from,
    wilson_interval,
)
from automl_agent.knowledge.prediction.ledger import Entry, Prediction, Subject


def make_entry(
    predicted: float,
    real: float | None,
    *,
    predictor: str = "model card",
    expert: str = "xgboost",
    trial: str = "a-1",
    card: str = "iris",
    half_width: float = 0.1,
    seen: int = 0,
    **fields: Any,
) -> Entry:
    """An entry of a metric with chance 0 and ideal 1."""
    subject = Subject(trial, "a", expert, card, card, chance=0.0, ideal=1.0)
    final = PredictedPoint(10, predicted, predicted - half_width, predicted + half_width)
    prediction = Prediction(predictor, "r2", (final,), 2.0, 100.0, seen)
    outcome = {"state": "censored"} if real is None else score_fields(final, real)
    return Entry("run", trial, subject, prediction, 1.0, **{**outcome, **fields})


def score_fields(final: PredictedPoint, real: float) -> dict[str, Any]:
    return {
        "state": "scored",
        "score": real,
        "error": real - final.median,
        "is_inside": final.low <= real <= final.high,
        "seconds": 4.0,
        "memory_mib": 50.0,
    }


def test_errors_bias_coverage_and_costs_are_those_of_the_scored_entries() -> None:
    entries = [
        make_entry(0.5, 0.6, trial="a-1"),
        make_entry(0.5, 0.3, trial="a-2"),
        make_entry(0.5, 0.55, trial="a-3"),
        make_entry(0.5, None, trial="a-4"),
    ]
    of_all, of_expert = calibrate(entries)
    assert (of_all.expert, of_expert.expert) == (None, "xgboost")
    assert (of_all.n_scored, of_all.n_censored, of_all.n_trials) == (3, 1, 3)
    assert of_all.median_error == pytest.approx(0.1)
    assert of_all.bias == pytest.approx((0.1 - 0.2 + 0.05) / 3)
    assert of_all.coverage == wilson_interval(2, 3)
    assert (of_all.seconds_ratio, of_all.memory_ratio) == (2.0, 0.5)
    assert of_all.seconds_factor == of_all.memory_factor == pytest.approx(2.0)
    assert of_all.ranking is None  # a constant prediction ranks nothing


def test_ranks_are_compared_within_a_data_set() -> None:
    entries = [
        *(make_entry(p, p + 0.01, trial=f"a-{p}", card="easy") for p in (0.7, 0.8, 0.9)),
        *(make_entry(p, 0.5 - p, trial=f"b-{p}", card="hard") for p in (0.1, 0.2, 0.3)),
        *(make_entry(p, p, trial=f"c-{p}", card="few") for p in (0.1, 0.2)),
    ]
    ranking = calibrate(entries)[0].ranking
    assert ranking is not None
    # 1 in one data set and -1 in the other; over all trials together it would be near 1.
    assert (ranking.n_data_sets, ranking.mean) == (2, pytest.approx(0.0))


def test_a_trial_that_was_predicted_many_times_counts_once_for_coverage() -> None:
    entries = [
        make_entry(0.5, 0.5, predictor="extrapolation", seen=n, trial="a-1") for n in range(1, 9)
    ]
    entries.append(make_entry(0.5, 0.9, predictor="extrapolation", seen=8, trial="a-2"))
    (found, _) = calibrate(entries)
    assert found.kind == "during training"
    assert (found.n_scored, found.n_trials) == (9, 2)
    assert found.coverage == wilson_interval(1, 2)


def test_predictors_come_apart_and_what_nobody_scored_is_none() -> None:
    entries = [make_entry(0.5, None), make_entry(0.5, 0.5, predictor="neighbours")]
    card, _, neighbours, _ = calibrate(entries)
    assert (card.predictor, card.median_error, card.coverage) == ("model card", None, None)
    assert neighbours.median_error == 0.0
    assert calibrate([]) == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20))
def test_the_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    first, second = (list(map(float, one)) for one in zip(*pairs, strict=True))
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(float(spearmanr(first, second).statistic), abs=1e-9)


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe (1998), table I, method 3: 81 of 263, and 0 of 20.
    found = wilson_interval(81, 263)
    assert (found.low, found.high) == (
        pytest.approx(0.2553, abs=1e-4),
        pytest.approx(0.3662, abs=1e-4),
    )
    none = wilson_interval(0, 20)
    assert (none.low, none.high) == (0.0, pytest.approx(0.1611, abs=1e-4))


def test_intervals_of_a_normal_error_hold_as_often_as_they_say() -> None:
    noise = random.Random(0)
    # Of the standard normal distribution 80 % lie within 1.2816.
    entries = [
        make_entry(0.0, noise.gauss(0, 1), half_width=1.2816, trial=str(n)) for n in range(4000)
    ]
    for nominal, observed in observed_coverage(entries):
        # Three standard deviations of a share of 4000.
        assert observed == pytest.approx(nominal, abs=0.025)
    assert observed_coverage([make_entry(0.5, None)]) == []


def test_an_interval_without_width_holds_only_its_own_score() -> None:
    hit, miss = make_entry(0.5, 0.5, half_width=0.0), make_entry(0.5, 0.6, half_width=0.0)
    assert {observed for _, observed in observed_coverage([hit, miss])} == {0.5}


PRIOR = {"model card": 0.25, "neighbours": 0.75}


def make_history(n_data_sets: int, card_error: float, neighbours_error: float) -> list[Entry]:
    errors = {"model card": card_error, "neighbours": neighbours_error}
    return [
        make_entry(0.5, 0.5 + error, predictor=name, card=str(number), trial=f"{trial}")
        for number in range(n_data_sets)
        for name, error in errors.items()
        for trial in range(3)
    ]


def test_without_history_the_prior_weights_come_back() -> None:
    assert weights_from([], PRIOR) == pytest.approx(PRIOR)
    assert weights_from([], {"a": 2.0, "b": 2.0}) == pytest.approx({"a": 0.5, "b": 0.5})


def test_with_much_history_the_weights_are_the_inverse_squared_errors() -> None:
    found = weights_from(make_history(2000, 0.1, 0.2), PRIOR)
    # 1 / 0.01 and 1 / 0.04; ten data sets of the prior are left in it.
    assert found["model card"] == pytest.approx(0.8, abs=0.01)
    assert sum(found.values()) == pytest.approx(1)


def test_a_little_history_moves_the_weights_a_little() -> None:
    weights = [weights_from(make_history(n, 0.1, 0.2), PRIOR)["model card"] for n in (0, 1, 5, 50)]
    assert weights == sorted(weights)
    assert weights[1] < 0.35


def test_many_trials_of_one_data_set_count_as_one() -> None:
    one = make_history(1, 0.1, 0.2)
    assert weights_from(one * 50, PRIOR) == pytest.approx(weights_from(one, PRIOR))


def test_a_predictor_that_was_never_wrong_and_one_without_weight() -> None:
    found = weights_from(make_history(50, 0.0, 0.2), {**PRIOR, "language model": 0.0})
    assert found["language model"] == 0.0
    assert 0.8 < found["model card"] < 1
    with pytest.raises(ValueError, match="no prior weight"):
        weights_from([], {"a": 0.0})
