"""The built-in planner: a chat model without a language model.

It reads the conversation as a language model would, and answers with the next tool calls: the same
tools, the same loop. It keeps no state: the same messages lead to the same reply.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_agent.chat_models.chat_model import Message, ModelTraits, Reply, ToolCall, ToolSpec

# The first trial of each of them costs time that tuning the best one would use.
MAX_EXPERTS = 3
_TIME_FOR_ONE_EXPERT_S = 15.0
# One trial each says little about which of two good experts is better: so many of the leading ones
# are given so many further trials, the starting points of their cards, before one gets the rest.
N_LEADERS = 2
N_PROBES = 3


@dataclass(frozen=True)
class _Step:
    """A call and its result."""

    name: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]
    is_error: bool


class Planner:
    """Walks the stages in order: one plan for each of the best experts, then tuning the best."""

    traits = ModelTraits("planner")

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Callable[[str], None],
        max_output_tokens: int | None = None,
    ) -> Reply:
        """The next tool calls."""
        del tools, max_output_tokens
        request = json.loads(next(m.text for m in messages if m.role == "user"))
        text, calls = _decide(request, list(_read_steps(messages)))
        on_text(text)
        numbered = tuple(
            ToolCall(f"call-{len(messages)}-{index}", name, arguments)
            for index, (name, arguments) in enumerate(calls)
        )
        return Reply(text, numbered)


_EVERY_PLAN_NEEDS = ("profile_dataset", "search_experts")
_PREPARATION = ("write_script", "set_hyperparameters", "predict_training_log")
_Calls = list[tuple[str, dict[str, Any]]]


def _decide(request: Mapping[str, Any], steps: list[_Step]) -> tuple[str, _Calls]:
    failed = next((s for s in steps if s.is_error and s.name in _EVERY_PLAN_NEEDS), None)
    if failed:
        return "", [("finish", {"summary": f"Stopped: {failed.result['error']}"[:4000]})]
    if not steps:
        return "Measuring the data set.", [("profile_dataset", {})]
    searched = _last(steps, "search_experts")
    if searched is None:
        return "Looking for experts that fit.", [("search_experts", {})]
    if _last(steps, "assign_expert") is None:
        return _assign(request, searched.result)
    plans = [s.result["plan_id"] for s in steps if s.name == "assign_expert" and not s.is_error]
    if _last(steps, "predict_training_log") is None:
        return "Writing scripts and predicting the training logs.", _prepare(plans)
    # An expert that could not write its scripts is left out; the others go on.
    broken = {s.arguments["plan_id"] for s in steps if s.is_error and s.name in _PREPARATION}
    trained = {s.arguments["plan_id"] for s in steps if s.name == "train"}
    for plan_id in plans:
        if plan_id not in broken | trained:
            return f"Training {plan_id} with its first settings.", [("train", {"plan_id": plan_id})]
    return _improve(steps)


def _assign(request: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, _Calls]:
    if not found["experts"]:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found["unfit"].items())
        summary = f"No installed expert fits this data set. {reasons}"
        return "", [("finish", {"summary": summary[:4000]})]
    n_experts = min(MAX_EXPERTS, request["n_trials"])
    if request["time_s"] < _TIME_FOR_ONE_EXPERT_S:
        n_experts = 1
    calls: _Calls = []
    for expert in found["experts"][:n_experts]:
        reason = f"Expected score {expert['expected_score']:.4g}, from its card."
        calls.append(("assign_expert", {"expert": expert["expert"], "reason": reason}))
    return "Assigning the experts with the best expected scores.", calls


def _prepare(plans: list[str]) -> _Calls:
    calls: _Calls = []
    for plan_id in plans:
        plan = {"plan_id": plan_id}
        calls += [
            ("write_script", {**plan, "script": "data_processing.py"}),
            ("write_script", {**plan, "script": "model.py"}),
            ("set_hyperparameters", {**plan, "settings": {}}),
            ("predict_training_log", plan),
        ]
    return calls


def _improve(steps: list[_Step]) -> tuple[str, _Calls]:
    """Try the leading experts' starting points, then tune the best with what is left."""
    compared = [s for s in steps if s.name == "compare_trials"]
    if not compared and any(not s.is_error for s in steps if s.name == "train"):
        return "Comparing the experts.", [("compare_trials", {})]
    if not compared:
        problem = next((s.result["error"] for s in steps if s.is_error), "no plan")
        return "", [("finish", {"summary": f"No trial finished: {problem}"[:4000]})]
    leaders = _rank_plans(compared[0].result)[:N_LEADERS]
    n_tuned = sum(s.name == "tune" for s in steps)
    n_probed = len(leaders) if 1 < len(leaders) <= compared[0].result["n_trials_left"] else 0
    if n_tuned < n_probed:
        n_each = compared[0].result["n_trials_left"] // n_probed
        return _tune(leaders[n_tuned], min(N_PROBES, n_each))
    if n_probed and len(compared) == 1:
        return "Comparing the experts again.", [("compare_trials", {})]
    ranked, n_left = _rank_plans(compared[-1].result), compared[-1].result["n_trials_left"]
    if n_tuned == n_probed and ranked and n_left > 0:
        return _tune(ranked[0], n_left)
    n_trials = sum(s.result.get("n_trials", 1) for s in steps if s.name in ("train", "tune"))
    best = ranked[0] if ranked else "none"
    summary = f"Compared {n_trials} trials; {best} was the best plan."
    return "Training the best again on all rows.", [("finish", {"summary": summary})]


def _tune(plan_id: str, n_trials: int) -> tuple[str, _Calls]:
    return f"Tuning {plan_id}.", [("tune", {"plan_id": plan_id, "n_trials": n_trials})]


def _rank_plans(compared: Mapping[str, Any]) -> list[str]:
    """The plans that have a score, that of the best trial first."""
    scored = [t["plan_id"] for t in compared["trials"] if t["valid_score"] is not None]
    return list(dict.fromkeys(scored))


def _last(steps: list[_Step], name: str) -> _Step | None:
    return next((step for step in reversed(steps) if step.name == name), None)


def _read_steps(messages: Sequence[Message]) -> Iterator[_Step]:
    calls = {call.call_id: call for message in messages for call in message.calls}
    for message in messages:
        if message.role == "tool" and message.call_id in calls:
            call = calls[message.call_id]
            yield _Step(call.name, call.arguments, json.loads(message.text), message.is_error)
