"""Arguments and ids of calls, whatever a server sends for them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.chat_models.tool_calls import (
    MAX_ARGUMENT_BYTES,
    CallIds,
    Pieces,
    clean_document,
    join_surrogates,
    read_arguments,
    read_call,
)
from automl_agent.configuration.endpoint import Protocol

from .model_server import PROTOCOLS, ModelServer, good_reply

TEXTS = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


@given(OBJECTS)
def test_an_object_is_read_as_itself_in_each_of_its_forms(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for form in (document, text, json.dumps(text), f" {text}\n"):
        assert read_arguments(form) == (document, "")


@given(VALUES | st.text() | st.floats())
def test_anything_else_is_a_problem_and_no_exception(value: object) -> None:
    arguments, problem = read_arguments(value)
    assert isinstance(arguments, dict)
    assert not (arguments and problem)
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param('{"trials": 3', "The arguments are not JSON", id="cut"),
        pytest.param("trials=3", "The arguments are not JSON", id="no JSON"),
        pytest.param('{"a": NaN}', "NaN is not a finite number", id="NaN"),
        pytest.param({"a": float("nan")}, "NaN is not a finite number", id="NaN in an object"),
        pytest.param('{"a": 1e999}', "is not a finite number", id="beyond a float"),
        pytest.param('{"a": 1, "a": 2}', "'a' is there twice", id="a field twice"),
        pytest.param("[1]", "must be a JSON object", id="a list"),
        pytest.param("null", "must be a JSON object", id="null"),
        pytest.param(7, "must be a JSON object", id="a number"),
        pytest.param('"train"', "The arguments are not JSON", id="a text in a text"),
        pytest.param("[" * 100_000, "nested too deeply", id="too deep"),
        pytest.param('{"\x1b[2J', "The arguments are not JSON", id="a control character"),
        pytest.param(
            json.dumps({"a": "x" * MAX_ARGUMENT_BYTES}), "longer than 1048576 bytes", id="too long"
        ),
        pytest.param(
            json.dumps({"a": "ж" * (MAX_ARGUMENT_BYTES // 2)}, ensure_ascii=False),
            "longer than 1048576 bytes",
            id="too long in bytes",
        ),
        pytest.param({"a": "x" * MAX_ARGUMENT_BYTES}, "longer than", id="too long an object"),
    ],
)
def test_arguments_that_cannot_be_read_say_why(arguments: object, problem: str) -> None:
    read, told = read_arguments(arguments)
    assert read == {}
    assert problem in told


@pytest.mark.parametrize("nothing", [None, "", {}, "{}"], ids=repr)
def test_no_arguments_are_an_empty_object(nothing: object) -> None:
    assert read_arguments(nothing) == ({}, "")


@given(st.lists(st.sampled_from(["a", "a-1", "", "call", None, 5, "x" * 1000]), max_size=12))
def test_every_call_gets_an_id_of_its_own(wanted: list[object]) -> None:
    call_ids = CallIds(["a"])
    given_ids = [call_ids.claim(name) for name in wanted]
    assert len({"a", *given_ids}) == len(given_ids) + 1
    assert all(given_ids)


def test_an_id_is_kept_where_that_is_possible() -> None:
    call_ids = CallIds(["b"])
    assert [call_ids.claim(name) for name in ("functions.train:0", "b", None)] == [
        "functions.train:0", "b-1", "call-1",
    ]  # fmt: skip


def test_a_name_that_is_missing_is_empty() -> None:
    assert read_call(CallIds(), "a", None, "{}").name == ""


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("plain ✓ 😀", "plain ✓ 😀"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
    ids=["whole", "two halves", "a first half", "halves in the wrong order"],
)
def test_halves_of_characters_are_joined_or_replaced(text: str, joined: str) -> None:
    assert join_surrogates(text) == joined
    assert clean_document({text: [text, 1, None]}) == {joined: [joined, 1, None]}


def test_pieces_have_an_end() -> None:
    pieces = Pieces()
    pieces.add("x" * 2**24)
    with pytest.raises(ValueError, match="longer than"):
        pieces.add("y")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("arguments", "expected", "problem"),
    [
        pytest.param('{"trials": ', {}, "The arguments are not JSON", id="no JSON"),
        pytest.param('{"n": NaN}', {}, "NaN is not a finite number", id="NaN"),
        pytest.param('"{\\"n\\": 1}"', {"n": 1}, "", id="JSON in JSON"),
        pytest.param('{"n": "' + "x" * 10 * 2**20 + '"}', {}, "longer than", id="10 MiB"),
        pytest.param('{"trials": "many", "extra": 1}', {"trials": "many", "extra": 1}, "",
                     id="wrong types and extra fields, which the tool's schema judges"),
    ],
)  # fmt: skip
def test_a_call_comes_through_every_sdk_with_its_problem(
    protocol: Protocol, arguments: str, expected: dict[str, Any], problem: str
) -> None:
    with ModelServer([good_reply(protocol, "", [("tr\u0430in", arguments)])]) as server:
        model = server.create_model(protocol)
        reply = model.reply([], [], on_text=lambda piece: None)
    (call,) = reply.calls
    assert (call.name, call.arguments) == ("tr\u0430in", expected)
    assert problem in call.problem
    assert bool(problem) == bool(call.problem)
