import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.errors import CardError

LOG = PredictedLog(
    predictor="model card",
    metric="log_loss",
    points=(PredictedPoint(10, 0.5, 0.4, 0.6), PredictedPoint(20, 0.3, 0.3, 0.3)),
    seconds=12.5,
    memory_mib=300,
)


@given(st.from_type(PredictedLog))
def test_a_log_is_the_same_after_a_way_through_json(log: PredictedLog) -> None:
    assert PredictedLog.from_json(json.loads(json.dumps(log.to_json()))) == log


def test_the_last_point_is_the_expected_end() -> None:
    assert LOG.final == PredictedPoint(20, 0.3, 0.3, 0.3)


def test_two_points_may_have_one_step() -> None:
    # A training of few steps has more points than steps.
    points = [point | {"step": 1} for point in LOG.to_json()["points"]]
    log = PredictedLog.from_json(LOG.to_json() | {"points": points})
    assert [point.step for point in log.points] == [1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": None}, "at /seconds: null must be a number."),
        ({"seconds": -1}, "at /seconds: -1 is not allowed; allowed: at least 0."),
        ({"memory_mib": float("nan")}, "at /memory_mib: NaN must be a number."),
        ({"points": []}, "at /points: [] is not allowed; allowed: 1 or more items."),
        ({"points": {}}, "at /points: {} must be a list."),
        ({"points": [3]}, "at /points/0: 3 must be an object."),
        ({"points": [{"step": 1}]}, "at /points/0: the field 'median' is missing."),
        ({"second": 1}, "at /: the field 'second' is unknown. Did you mean 'seconds'?"),
    ],
    ids=["null", "negative", "NaN", "no point", "object", "number", "missing", "unknown"],
)
def test_a_field_that_does_not_fit_the_schema_is_told(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CardError) as caught:
        PredictedLog.from_json(LOG.to_json() | changes)
    assert str(caught.value) == f"predicted log: {message}"


@pytest.mark.parametrize("document", [None, [], "log"], ids=["null", "list", "text"])
def test_what_is_no_object_is_no_log(document: object) -> None:
    with pytest.raises(CardError, match="must be an object"):
        PredictedLog.from_json(document)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"median": 0.7}, "/points/1: the median 0.7 is not between low 0.3 and high 0.3."),
        ({"low": 0.4}, "/points/1: the median 0.3 is not between low 0.4 and high 0.3."),
        ({"step": 9}, "/points/1/step: 9 is below the step before, 10."),
    ],
    ids=["median", "bounds", "steps"],
)
def test_a_curve_that_contradicts_itself_is_told(changes: dict[str, Any], message: str) -> None:
    document = LOG.to_json()
    document["points"][1] |= changes
    with pytest.raises(CardError) as caught:
        PredictedLog.from_json(document, source="log.json")
    assert str(caught.value) == f"log.json: at {message}"
