"""Stuck detection: each way of leading nowhere is found, and work that gets on never is."""

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.chat_models.chat_model import Message, ToolCall
from automl_agent.controllers.stuck import StuckDetector

Turn = tuple[str, dict[str, Any], dict[str, Any]]


def watch(turns: Iterable[Turn], *, markers: Iterable[object] = itertools.repeat(0)) -> list[str]:
    """The verdict and its reason after each turn."""
    detector = StuckDetector()
    verdicts = []
    for (name, arguments, result), marker in zip(turns, markers, strict=False):
        is_error = "error" in result
        message = Message("tool", json.dumps(result), call_id="c", is_error=is_error)
        verdict = detector.observe([ToolCall("c", name, arguments)], [message], marker)
        verdicts.append(f"{verdict}: {detector.reason}" if verdict else "")
    return verdicts


def expect(reason: str, n_quiet: int) -> list[str]:
    return [""] * n_quiet + [f"nudge: {reason}", f"stuck: {reason}"]


def test_the_same_call_again_and_again() -> None:
    turn = ("search_experts", {"query": "x"}, {})
    assert watch([turn] * 4) == expect("repeats itself", 2)


@pytest.mark.parametrize(
    "variants",
    [
        pytest.param(["a tree", "A  Tree ", "\ta tree", "A TREE"], id="case and blanks"),
        pytest.param([{"a": 1, "b": 2}, {"b": 2, "a": 1}] * 2, id="order of fields"),
        pytest.param([{"reason": str(n), "a": 1} for n in range(4)], id="another reason"),
        pytest.param([["X", 1], ["x", 1], ["x ", 1], ["X", 1]], id="in lists"),
    ],
)
def test_a_cosmetic_change_is_none(variants: list[Any]) -> None:
    turns = [("search_experts", {"query": variant}, {}) for variant in variants]
    assert watch(turns) == expect("repeats itself", 2)


def test_two_turns_in_alternation() -> None:
    turns = [("a", {}, {}), ("b", {}, {})] * 4
    assert watch(turns)[:7] == expect("goes to and fro between two steps", 5)


def test_the_same_error_for_calls_that_differ() -> None:
    turns = [("train", {"n": n}, {"error": "no"}) for n in range(4)]
    assert watch(turns) == expect("meets the same error again and again", 2)


def test_what_else_a_result_tells_makes_no_other_error_of_it() -> None:
    turns: list[Turn] = [("train", {"n": n}, {"error": "no"}) for n in range(4)]
    turns[0][2]["tools_now"] = ["train"]
    assert watch(turns) == expect("meets the same error again and again", 2)


def test_errors_that_differ_are_borne_a_little_longer() -> None:
    turns = [("train", {"n": n}, {"error": f"no {n}"}) for n in range(5)]
    assert watch(turns) == expect("makes only calls that fail", 3)


def test_plans_that_are_rewritten_without_end() -> None:
    turns = [("set_hyperparameters", {"depth": n}, {}) for n in range(13)]
    assert watch(turns) == expect("makes no progress", 11)


def test_progress_lets_anything_but_repetition_pass() -> None:
    turns = [("tune", {"n": n}, {}) for n in range(150)]
    assert watch(turns, markers=itertools.count()) == [""] * 150


def test_who_takes_another_way_after_the_nudge_is_not_stopped_until_stuck_again() -> None:
    same = ("a", {}, {})
    turns = [same, same, same, ("b", {}, {}), ("c", {}, {}), ("d", {}, {}), same, same, same]
    verdicts = watch(turns)
    assert verdicts == [
        "",
        "",
        "nudge: repeats itself",
        "",
        "",
        "",
        "",
        "",
        "stuck: repeats itself",
    ]


def test_a_turn_of_several_calls_fails_only_if_all_do() -> None:
    detector = StuckDetector()
    results = [
        Message("tool", '{"error": "no"}', call_id="a", is_error=True),
        Message("tool", "{}", call_id="b"),
    ]
    for number in range(10):
        calls = [ToolCall("a", "a", {"n": number}), ToolCall("b", "b", {})]
        assert detector.observe(calls, results, number) == ""


@given(st.lists(st.integers(0, 3), max_size=60))
def test_it_nudges_once_before_it_stops(choices: list[int]) -> None:
    verdicts = watch([("a", {"n": n}, {}) for n in choices])
    kinds = [verdict.partition(":")[0] for verdict in verdicts if verdict]
    assert kinds[:1] in ([], ["nudge"])
    assert "nudge" not in kinds[1:]


@given(st.lists(st.integers(0, 2), min_size=30, max_size=60))
def test_no_work_without_progress_goes_on_for_ever(choices: list[int]) -> None:
    assert any(v.startswith("stuck") for v in watch([("a", {"n": n}, {}) for n in choices]))
