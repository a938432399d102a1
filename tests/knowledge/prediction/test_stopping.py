"""What cannot win: decided from a curve while it runs, and from a prediction before it begins."""

import pytest

from automl_agent.cards.predicted_log import PredictedPoint
from automl_agent.knowledge.prediction.stopping import (
    MARGIN,
    MIN_RECORDS,
    Standard,
    choose_candidates,
    decide_stop,
    estimate_saved_s,
)
from automl_agent.knowledge.records.record import CurvePoint
from automl_agent.training.scoring import BUILTIN_METRICS

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
LOSS = Standard(METRICS["log_loss"], best=0.27, way=0.69)
AUC = Standard(METRICS["roc_auc"], best=0.90, way=0.5)


def make_curve(score: float, n_records: int = MIN_RECORDS) -> list[CurvePoint]:
    """A curve whose best score is this one, in steps of 5 that take a second each."""
    return [
        CurvePoint(5 * n, score + 0.001 * (n_records - n), 5.0 * n) for n in range(1, n_records + 1)
    ]


def make_end(median: float, low: float, high: float, step: int = 100) -> PredictedPoint:
    return PredictedPoint(step, median, low, high)


def test_a_trial_that_cannot_win_is_stopped_and_told_so() -> None:
    decision = decide_stop(make_curve(0.4), make_end(0.31, 0.30, 0.33), LOSS)
    assert decision.is_stop
    assert decision.reason == (
        "stopped after step 40: predicted log loss 0.31 (80 %: 0.3 to 0.33) cannot beat 0.27"
    )


@pytest.mark.parametrize(
    ("points", "final", "standard", "reason"),
    [
        pytest.param(
            make_curve(0.4), make_end(0.31, 0.26, 0.33), LOSS, "may still beat", id="hope"
        ),
        pytest.param(
            make_curve(0.4),
            make_end(0.28, 0.27 + MARGIN * 0.6, 0.3),
            LOSS,
            "may still beat",
            id="margin",
        ),
        pytest.param(
            make_curve(0.26), make_end(0.4, 0.35, 0.5), LOSS, "may still beat", id="reached already"
        ),
        pytest.param(
            make_curve(0.9, MIN_RECORDS - 1), make_end(0.9, 0.8, 1.0), LOSS, "too few", id="early"
        ),
        pytest.param(
            make_curve(0.9),
            make_end(0.9, 0.8, 1.0),
            Standard(METRICS["log_loss"], None, 0.69),
            "no finished trial",
            id="first",
        ),
        pytest.param(
            make_curve(0.9),
            make_end(float("nan"), 0.8, 1.0),
            LOSS,
            "cannot be predicted",
            id="not a number",
        ),
        pytest.param(
            make_curve(0.6),
            make_end(0.85, 0.8, 0.93),
            AUC,
            "may still beat",
            id="greater is better",
        ),
    ],
)
def test_a_trial_that_may_win_goes_on(
    points: list[CurvePoint], final: PredictedPoint, standard: Standard, reason: str
) -> None:
    decision = decide_stop(points, final, standard)
    assert not decision.is_stop
    assert reason in decision.reason


def test_where_greater_is_better_the_upper_bound_is_the_hope() -> None:
    assert decide_stop(make_curve(0.6), make_end(0.8, 0.7, 0.85), AUC).is_stop


def test_what_is_saved_is_the_rest_at_the_same_pace() -> None:
    assert estimate_saved_s(make_curve(0.4), make_end(0.3, 0.2, 0.4, step=100)) == 60.0
    assert estimate_saved_s(make_curve(0.4), make_end(0.3, 0.2, 0.4, step=40)) == 0.0


def test_the_better_half_is_trained_and_each_other_has_its_reason() -> None:
    medians = [0.5, 0.2, 0.29, 0.3]
    forecasts = [make_end(m, m - 0.1, m + 0.1) for m in medians]
    choice = choose_candidates(forecasts, 4, LOSS)
    assert choice.kept == (1, 2)
    reasons = {one.index: one.reason for one in choice.skipped}
    assert reasons[3].endswith("is in the worse half of 4")
    assert reasons[0] == "predicted log loss 0.5 (80 %: 0.4 to 0.6) cannot beat 0.27"


def test_no_more_than_are_left_are_trained() -> None:
    choice = choose_candidates([make_end(0.2, 0.1, 0.3)] * 4, 2, LOSS)
    assert choice.kept == (0, 1)
    reasons = [one.reason.partition(" ranks ")[2] for one in choice.skipped]
    assert reasons == [f"{place} of 4; no trial is left for it" for place in (3, 4)]


def test_predictions_that_tell_no_candidate_from_another_skip_none() -> None:
    assert choose_candidates([make_end(0.2, 0.1, 0.3)] * 4, 9, LOSS).kept == (0, 1, 2, 3)


def test_one_is_trained_however_bad_the_predictions_are() -> None:
    choice = choose_candidates([make_end(0.6, 0.5, 0.7), make_end(0.5, 0.45, 0.6)], 5, LOSS)
    assert choice.kept == (1,)
    assert choose_candidates([], 5, LOSS).kept == ()
