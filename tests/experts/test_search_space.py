import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.model_card import ModelCard, Parameter, Settings, Value, value_problem
from automl_agent.errors import ToolError
from automl_agent.experts.search_space import (
    check_settings,
    complete_settings,
    default_settings,
    is_in_force,
    starting_points,
)

DEFAULTS = {"policy": "depth", "depth": 4, "rate": 0.1, "bins": 256, "is_fair": False}


def test_the_defaults_are_those_of_parameters_in_force(card: ModelCard) -> None:
    assert default_settings(card) == DEFAULTS


@pytest.mark.parametrize(
    ("settings", "changes", "left_out"),
    [
        ({}, {}, set()),
        ({"rate": 0.5}, {"rate": 0.5}, set()),
        ({"rate": 1}, {"rate": 1}, set()),
        ({"policy": "loss"}, {"policy": "loss"}, set()),
        ({"policy": "none"}, {"policy": "none"}, {"depth"}),
        ({"policy": "none", "depth": 7}, {"policy": "none"}, {"depth"}),
        ({"depth": 7}, {"depth": 7, "leaves": 16}, set()),
        ({"depth": 7, "leaves": 20}, {"depth": 7, "leaves": 20}, set()),
        ({"leaves": 20}, {}, set()),
        ({"policy": "none", "depth": 8, "leaves": 20}, {"policy": "none"}, {"depth"}),
        ({"is_fair": True}, {"is_fair": True, "weight": 1}, set()),
        ({"is_fair": False, "weight": 2}, {}, set()),
    ],
    ids=[
        "nothing",
        "a number",
        "an int for a float",
        "a choice",
        "a choice that switches one off",
        "a value that is switched off",
        "a value that switches one on",
        "both",
        "a value that is not in force",
        "a chain",
        "a boolean that switches one on",
        "a boolean that switches one off",
    ],
)
def test_settings_are_completed_by_the_defaults_of_what_is_in_force(
    card: ModelCard, settings: Settings, changes: Settings, left_out: set[str]
) -> None:
    expected = {key: value for key, value in DEFAULTS.items() if key not in left_out}
    assert complete_settings(card, settings) == {**expected, **changes}


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"depth": 4.0}, "depth", 4),
        ({"depth": 8.0}, "leaves", 16),
        ({"bins": 64.0}, "bins", 64),
        ({"rate": 1}, "rate", 1.0),
        ({"is_fair": True}, "is_fair", True),
    ],
    ids=["an int", "a default", "a choice", "a float", "a boolean"],
)
def test_a_value_has_the_type_that_the_card_asks_for(
    card: ModelCard, settings: Settings, name: str, value: Value
) -> None:
    completed = complete_settings(card, settings)[name]
    assert (completed, type(completed)) == (value, type(value))


def test_the_order_is_that_of_the_search_space(card: ModelCard) -> None:
    completed = complete_settings(card, {"rate": 0.5, "depth": 7, "policy": "loss"})
    assert list(completed) == ["policy", "depth", "leaves", "rate", "bins", "is_fair"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dpeth": 4}, "trees has no hyperparameter 'dpeth'. Did you mean 'depth'?"),
        (
            {"xyz": 4},
            "trees has no hyperparameter 'xyz'. "
            "Available: bins, depth, is_fair, leaves, policy, rate, weight.",
        ),
        (
            {"depth": 9},
            "trees, hyperparameter 'depth': 9 is not allowed; allowed: a whole number from 2 to 8.",
        ),
        (
            {"depth": 4.5},
            "trees, hyperparameter 'depth': 4.5 is not allowed; "
            "allowed: a whole number from 2 to 8.",
        ),
        (
            {"depth": True},
            "trees, hyperparameter 'depth': True is not allowed; "
            "allowed: a whole number from 2 to 8.",
        ),
        (
            {"depth": "4"},
            "trees, hyperparameter 'depth': '4' is not allowed; "
            "allowed: a whole number from 2 to 8.",
        ),
        (
            {"rate": math.nan},
            "trees, hyperparameter 'rate': nan is not allowed; allowed: a number from 0.01 to 1.",
        ),
        (
            {"rate": -math.inf},
            "trees, hyperparameter 'rate': -inf is not allowed; allowed: a number from 0.01 to 1.",
        ),
        (
            {"policy": "Depth"},
            "trees, hyperparameter 'policy': 'Depth' is not allowed; "
            "allowed: 'depth', 'loss', 'none'.",
        ),
        (
            {"is_fair": 1},
            "trees, hyperparameter 'is_fair': 1 is not allowed; allowed: True, False.",
        ),
        (
            {"policy": "none", "depth": 99},
            "trees, hyperparameter 'depth': 99 is not allowed; "
            "allowed: a whole number from 2 to 8.",
        ),
    ],
    ids=[
        "a name that is near one",
        "a name that is near none",
        "too great",
        "not whole",
        "a boolean for a number",
        "text for a number",
        "NaN",
        "infinity",
        "no choice",
        "a number for a boolean",
        "a value that is not in force",
    ],
)
def test_settings_that_are_not_allowed_are_refused_with_what_is(
    card: ModelCard, settings: Settings, message: str
) -> None:
    for refuse in (check_settings, complete_settings):
        with pytest.raises(ToolError) as caught:
            refuse(card, settings)
        assert str(caught.value) == message


def test_starting_points_are_the_defaults_and_those_of_the_card(card: ModelCard) -> None:
    assert starting_points(card) == [
        DEFAULTS,
        {**DEFAULTS, "policy": "loss", "depth": 8, "leaves": 16},
        {**DEFAULTS, "rate": 1},
    ]


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [({"is_fair": True}, True), ({"is_fair": False}, False), ({"is_fair": 1}, False), ({}, False)],
    ids=["true", "false", "one", "nothing"],
)
def test_a_condition_asks_for_the_very_value(
    card: ModelCard, earlier: Settings, expected: bool
) -> None:
    weight = next(p for p in card.search_space if p.name == "weight")
    assert is_in_force(weight, earlier) is expected


def any_value(parameter: Parameter) -> st.SearchStrategy[Value]:
    """Any allowed value of a parameter."""
    if parameter.type == "choice":
        return st.sampled_from(parameter.choices)
    assert parameter.low is not None and parameter.high is not None
    if parameter.type == "int":
        whole = st.integers(int(parameter.low), int(parameter.high))
        return whole | whole.map(float)
    return st.floats(parameter.low, parameter.high)


@st.composite
def allowed_settings(draw: st.DrawFn, card: ModelCard) -> dict[str, Value]:
    parameters = draw(st.sets(st.sampled_from(card.search_space)))
    return {parameter.name: draw(any_value(parameter)) for parameter in parameters}


@given(data=st.data())
def test_completed_settings_are_allowed_in_force_and_stay_as_they_are(
    card: ModelCard, data: st.DataObject
) -> None:
    settings = data.draw(allowed_settings(card))
    completed = complete_settings(card, settings)
    assert complete_settings(card, completed) == completed
    for parameter in card.search_space:
        is_there = parameter.name in completed
        assert is_there == is_in_force(parameter, completed)
        if is_there:
            value = completed[parameter.name]
            assert value_problem(parameter, value) is None
            assert value == settings.get(parameter.name, parameter.default)
            assert parameter.type != "int" or type(value) is int


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


names = st.sampled_from(["policy", "depth", "rate", "bins", "is_fair", "x"])


@given(settings=st.dictionaries(names, anything, max_size=3))
def test_settings_that_a_model_makes_up_are_completed_or_refused(
    card: ModelCard, settings: Settings
) -> None:
    known = {parameter.name: parameter for parameter in card.search_space}
    are_allowed = all(
        name in known and value_problem(known[name], value) is None
        for name, value in settings.items()
    )
    if are_allowed:
        assert set(complete_settings(card, settings)) >= {"policy", "rate", "bins", "is_fair"}
    else:
        with pytest.raises(ToolError):
            complete_settings(card, settings)
