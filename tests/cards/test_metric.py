import pytest

from automl_agent.cards.metric import Metric

NAN = float("nan")


def make_metric(*, greater_is_better: bool) -> Metric:
    return Metric(
        name="share",
        tasks=("binary_classification",),
        greater_is_better=greater_is_better,
        needs="classes",
        ideal=1.0,
        compute=lambda labels, predictions: float((labels == predictions).mean()),
    )


@pytest.mark.parametrize(
    ("greater_is_better", "loss"), [(True, -0.25), (False, 0.25)], ids=["a gain", "a loss"]
)
def test_a_loss_is_smaller_where_a_score_is_better(greater_is_better: bool, loss: float) -> None:
    assert make_metric(greater_is_better=greater_is_better).loss(0.25) == loss


@pytest.mark.parametrize(
    ("score", "than", "is_better"),
    [
        (0.9, 0.8, True),
        (0.8, 0.9, False),
        (0.8, 0.8, False),
        (0.8, NAN, True),
        (NAN, 0.8, False),
        (NAN, NAN, False),
        (float("inf"), 0.8, True),
    ],
    ids=["above", "below", "equal", "above NaN", "NaN", "NaN above NaN", "infinite"],
)
def test_a_score_beats_another_in_the_metrics_direction(
    score: float, than: float, is_better: bool
) -> None:
    assert make_metric(greater_is_better=True).is_better(score, than) is is_better
    assert make_metric(greater_is_better=False).is_better(-score, -than) is is_better
