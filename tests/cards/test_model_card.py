import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import (
    Condition,
    Expectation,
    ModelCard,
    Parameter,
    Requirement,
    is_same,
    read_model_card,
    value_problem,
)
from automl_agent.errors import CardError

DEPTH = Parameter("depth", "int", default=4, low=2, high=8)
RATE = Parameter("rate", "float", default=0.1, low=0.01, high=1)
POLICY = Parameter("policy", "choice", default="a", choices=("a", 1, True, 2.5))


def test_a_document_becomes_a_card_with_every_field(model_document: dict[str, Any]) -> None:
    expectation = Expectation((0.1, 0.5, 0.9), 100, 2.5, 350)
    assert ModelCard.from_json(model_document) == ModelCard(
        name="trees",
        structure="Decision trees",
        description="Trees for tables.",
        architecture={"booster": "gbtree", "max_rounds": 3000, "is_deep": False},
        tasks=("binary_classification", "regression"),
        input_types=("tabular",),
        search_space=(
            Parameter("policy", "choice", default="depth", choices=("depth", "loss")),
            Parameter(
                "depth", "int", default=4, low=2, high=8, condition=Condition("policy", ("depth",))
            ),
            Parameter("rate", "float", default=0.1, low=0.01, high=1, log=True),
        ),
        requirements=(Requirement("trees", ">=3,<4", ("trees",)),),
        expectations={"binary_classification": expectation, "regression": expectation},
        starting_points=({"depth": 3, "rate": 0.3},),
        limits={"max_rows": 1000, "max_columns": 20, "max_classes": 10},
        document=model_document,
    )


@given(st.from_type(ModelCard))
def test_a_card_is_the_same_after_a_way_through_json(card: ModelCard) -> None:
    assert ModelCard.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_fields_that_may_be_left_out_are_empty(model_document: dict[str, Any]) -> None:
    for field in ("starting_points", "limits", "source"):
        del model_document[field]
    card = ModelCard.from_json(model_document)
    assert (card.starting_points, card.limits) == ((), {})


def test_a_card_is_read_from_a_file(tmp_path: Path, model_document: dict[str, Any]) -> None:
    path = tmp_path / "model_card.json"
    path.write_text(json.dumps(model_document), encoding="utf-8")
    assert read_model_card(path) == ModelCard.from_json(model_document)


@pytest.mark.parametrize(
    ("index", "changes", "message"),
    [
        (1, {"name": "policy"}, "/search_space/1: the parameter 'policy' is there twice."),
        (
            1,
            {"default": 9},
            "/search_space/1/default: 9 is not allowed; allowed: a whole number from 2 to 8.",
        ),
        (
            2,
            {"default": 2},
            "/search_space/2/default: 2 is not allowed; allowed: a number from 0.01 to 1.",
        ),
        (
            0,
            {"default": "leaf"},
            "/search_space/0/default: 'leaf' is not allowed; allowed: 'depth', 'loss'.",
        ),
        (1, {"low": 2.5}, "/search_space/1/low: 2.5 must be a whole number, as the type is int."),
        (
            0,
            {"drives": "size"},
            "/search_space/0/drives: a choice has no greater values; leave it out.",
        ),
        (
            0,
            {"scales_with": {"rows": 0.5}},
            "/search_space/0/scales_with: a choice has no greater values; leave it out.",
        ),
        (2, {"low": 0}, "/search_space/2/low: 0 must be above 0, as the scale is log."),
        (
            1,
            {"condition": {"parameter": "rate", "values": [0.1]}},
            "/search_space/1/condition: 'rate' is not a parameter above; allowed: policy.",
        ),
        (
            0,
            {"condition": {"parameter": "policy", "values": ["loss"]}},
            "/search_space/0/condition: 'policy' is not a parameter above; allowed: none.",
        ),
        (
            1,
            {"condition": {"parameter": "policy", "values": ["depth", "lss"]}},
            "/search_space/1/condition/values/1: 'lss' is not allowed; allowed: 'depth', 'loss'.",
        ),
    ],
    ids=[
        "a name twice",
        "a default that is too great",
        "a default of a number",
        "a default that is no choice",
        "a bound that is not whole",
        "a choice that drives the size",
        "a choice that scales",
        "a log scale from zero",
        "a condition on what follows",
        "a condition on itself",
        "a condition that never holds",
    ],
)
def test_a_search_space_that_contradicts_itself_is_refused(
    model_document: dict[str, Any], index: int, changes: dict[str, Any], message: str
) -> None:
    model_document["search_space"][index] |= changes
    with pytest.raises(CardError) as caught:
        ModelCard.from_json(model_document, source="card.json")
    assert str(caught.value) == f"card.json: at {message}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dpth": 3}, "/1: 'dpth' is not in the search space. Did you mean 'depth'?"),
        ({"depth": 3.5}, "/1/depth: 3.5 is not allowed; allowed: a whole number from 2 to 8."),
    ],
    ids=["unknown", "not allowed"],
)
def test_a_starting_point_outside_the_search_space_is_refused(
    model_document: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    model_document["starting_points"].append(settings)
    with pytest.raises(CardError) as caught:
        ModelCard.from_json(model_document, source="card.json")
    assert str(caught.value) == f"card.json: at /starting_points{message}"


def test_a_task_without_an_expectation_is_refused(model_document: dict[str, Any]) -> None:
    del model_document["expectations"]["regression"]
    with pytest.raises(CardError) as caught:
        ModelCard.from_json(model_document)
    assert str(caught.value) == "model card: at /expectations: the task 'regression' is missing."


def test_gains_that_do_not_ascend_are_refused(model_document: dict[str, Any]) -> None:
    model_document["expectations"]["regression"] = {
        **model_document["expectations"]["regression"],
        "gain": [0.5, 0.1, 0.9],
    }
    with pytest.raises(CardError, match=re.escape("at /expectations/regression/gain: the values")):
        ModelCard.from_json(model_document)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"n_rows": 1000, "n_features": 20}, None),
        ({"n_rows": None, "n_features": None}, None),
        ({"n_rows": 1001}, "its max_rows is 1000 and the data set has 1001"),
        ({"n_features": 21}, "its max_columns is 20 and the data set has 21"),
        ({"input_type": "image"}, "it does not read image data"),
    ],
    ids=["fits", "at the limits", "unknown sizes", "rows", "columns", "input type"],
)
def test_the_reason_why_an_expert_does_not_fit(
    model_document: dict[str, Any],
    data_document: dict[str, Any],
    changes: dict[str, Any],
    reason: str | None,
) -> None:
    known = {key: value for key, value in (data_document | changes).items() if value is not None}
    card = ModelCard.from_json(model_document)
    assert card.unfit_reason(DataCard.from_json(known)) == reason


def test_the_number_of_classes_and_the_task_count_too(
    model_document: dict[str, Any], data_document: dict[str, Any]
) -> None:
    data_document["task"] = "multiclass_classification"
    data_document["label_space"] = {"kind": "classes", "classes": [str(i) for i in range(11)]}
    data = DataCard.from_json(data_document)
    reason = ModelCard.from_json(model_document).unfit_reason(data)
    assert reason == "it does not do multiclass_classification"
    expectation = model_document["expectations"]["regression"]
    model_document["tasks"].append("multiclass_classification")
    model_document["expectations"]["multiclass_classification"] = expectation
    reason = ModelCard.from_json(model_document).unfit_reason(data)
    assert reason == "its max_classes is 10 and the data set has 11"


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (DEPTH, 2),
        (DEPTH, 8),
        (DEPTH, 4.0),
        (RATE, 0.01),
        (RATE, 1),
        (POLICY, "a"),
        (POLICY, True),
        (POLICY, 1.0),
        (POLICY, 2.5),
    ],
    ids=repr,
)
def test_a_value_within_the_bounds_or_among_the_choices_is_allowed(
    parameter: Parameter, value: object
) -> None:
    assert value_problem(parameter, value) is None


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *((DEPTH, value) for value in (1, 9, 4.5, True, "4", None, float("nan"), float("inf"))),
        *((RATE, value) for value in (0, 1.01, False, "0.1", float("nan"), [0.1], {})),
        *((POLICY, value) for value in ("A", 0, False, 2, None, ["a"], float("nan"))),
    ],
    ids=repr,
)
def test_any_other_value_is_told_with_what_is_allowed(parameter: Parameter, value: object) -> None:
    allowed = {
        "depth": "a whole number from 2 to 8",
        "rate": "a number from 0.01 to 1",
        "policy": "'a', 1, True, 2.5",
    }
    problem = value_problem(parameter, value)
    assert problem == f"{value!r} is not allowed; allowed: {allowed[parameter.name]}."


@pytest.mark.parametrize(
    ("value", "choice", "expected"),
    [(1, True, False), (True, True, True), (1.0, 1, True), ("1", 1, False), (0, False, False)],
    ids=repr,
)
def test_a_boolean_is_the_same_only_as_a_boolean(
    value: object, choice: str | float | bool, expected: bool
) -> None:
    assert is_same(value, choice) is expected
