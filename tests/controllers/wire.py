"""Runs over the wire: the real SDKs, a scripted server on loopback, and the APIs' own rules."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from automl_agent import Agent, ChatModelProvider
from automl_agent.chat_models.chat_model import Usage

from ..chat_models.model_server import Answer, ModelServer, Request, good_reply

Calls = Sequence[tuple[str, object]]
MODES = ("messages", "responses", "chat_completions", "json_profile")
each_mode = pytest.mark.parametrize("mode", MODES)
# Those with tool calls of their own.
each_protocol = pytest.mark.parametrize("mode", MODES[:3])

PROFILE: Calls = [("profile_dataset", {})]
SEARCH: Calls = [
    ("search_experts", {"query": "linear"}),
    ("assign_expert", {"expert": "linear", "reason": "it is small"}),
]
PREPARE: Calls = [
    ("write_script", {"plan_id": "linear", "script": "data_processing.py"}),
    ("write_script", {"plan_id": "linear", "script": "model.py"}),
    ("set_hyperparameters", {"plan_id": "linear", "settings": {}}),
    ("predict_training_log", {"plan_id": "linear"}),
]
PLAN: Calls = [*PROFILE, *SEARCH, *PREPARE]
TRAIN: Calls = [("train", {"plan_id": "linear"})]
LOOK: Calls = [
    ("tune", {"plan_id": "linear", "n_trials": 1}),
    ("read_training_log", {"trial_id": "linear-1"}),
    ("compare_trials", {}),
]
FINISH: Calls = [("finish", {"summary": "A linear model."})]
WHOLE_RUN = (PROFILE, SEARCH, PREPARE, TRAIN, LOOK, FINISH)


def answer(
    mode: str, calls: Calls = (), text: str = "", *, usage: Usage | None = None, **options: Any
) -> Answer:
    """A reply in the way of the mode. usage: what the server says that it took."""
    options |= {"usage": usage} if usage else {}
    if mode != "json_profile":
        return good_reply(mode, text, calls, **options)  # type: ignore[arg-type]
    said = [{"name": name, "arguments": arguments} for name, arguments in calls]
    whole = json.dumps({"text": text, "calls": said})
    return good_reply("chat_completions", whole, **options)


def script(mode: str, *turns: Calls | Answer) -> list[Answer]:
    """A script of turns, each some calls or a whole answer."""
    return [
        turn if isinstance(turn, Answer) else _number_ids(mode, turn, number)
        for number, turn in enumerate(turns)
    ]


def _number_ids(mode: str, calls: Calls, turn: int) -> Answer:
    if mode == "json_profile":
        return answer(mode, calls)
    return answer(mode, calls, ids=[f"call_{turn}_{position}" for position in range(len(calls))])


def make_agent(server: ModelServer, mode: str, **options: Any) -> Agent:
    """An agent whose controller is the server's model; options: of Agent, and of the endpoint."""
    known = {"privacy", "budget_usd", "budget_tokens", "gate", "on_event", "sandbox"}
    fields = {name: options.pop(name) for name in set(options) - known}
    if mode == "json_profile":
        fields["tool_calling"] = "json_schema"
    protocol: Any = "chat_completions" if mode == "json_profile" else mode
    agent = Agent(controller="test", **options)
    provider = ChatModelProvider("test", lambda _name: server.create_model(protocol, **fields))
    agent.plugins.chat_models.add("test", provider, distribution="test")
    return agent


def check_requests(server: ModelServer, mode: str) -> None:
    """Each request is one that the provider takes: every call has exactly one result, after it."""
    assert server.requests
    for request in server.requests:
        if mode == "json_profile":
            roles = [message["role"] for message in request.body["messages"]]
            assert all(one != other for one, other in pairwise(roles))
            assert roles[0] == "system" and roles[-1] == "user"
        else:
            _CHECKS[mode](request.body)


def _check_messages(body: Mapping[str, Any]) -> None:
    turns = body["messages"]
    assert [turn["role"] for turn in turns[:1]] == ["user"] and turns[-1]["role"] == "user"
    for turn, following in zip(turns, [*turns[1:], {"content": []}], strict=True):
        called = _ids(turn, "tool_use", "id")
        answered = _ids(following, "tool_result", "tool_use_id")
        assert Counter(called) == Counter(answered)
        assert len(set(called)) == len(called)
    assert _ids(turns[0], "tool_result", "tool_use_id") == []


def _ids(turn: Mapping[str, Any], kind: str, key: str) -> list[str]:
    blocks = [block for block in turn["content"] if isinstance(block, dict)]
    return [block[key] for block in blocks if block["type"] == kind]


def _check_responses(body: Mapping[str, Any]) -> None:
    items = body["input"]
    called = [i["call_id"] for i in items if i.get("type") == "function_call"]
    answered = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
    assert Counter(called) == Counter(answered)
    assert len(set(called)) == len(called)
    for call_id in called:
        kinds = [i["type"] for i in items if i.get("call_id") == call_id]
        assert kinds == ["function_call", "function_call_output"]


def _check_completions(body: Mapping[str, Any]) -> None:
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] in waiting
            waiting.remove(message["tool_call_id"])
            continue
        assert waiting == []
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
        assert len(set(waiting)) == len(waiting)
    assert waiting == []


_CHECKS = {
    "messages": _check_messages,
    "responses": _check_responses,
    "chat_completions": _check_completions,
}


def find_results(request: Request, mode: str) -> list[dict[str, Any]]:
    """The results of tools that a request brings, in order."""
    body = request.body
    match mode:
        case "messages":
            blocks = [b for turn in body["messages"] for b in turn["content"]]
            texts = [b["content"] for b in blocks if b["type"] == "tool_result"]
        case "responses":
            items = [i for i in body["input"] if i.get("type") == "function_call_output"]
            texts = [i["output"] for i in items]
        case "chat_completions":
            texts = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        case _:
            texts = _find_json_results(body["messages"])
    return [json.loads(text) for text in texts]


def _find_json_results(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    parts = [p for m in messages if m["role"] == "user" for p in m["content"].split("\n\n")]
    found = [json.loads(part) for part in parts if part.startswith('{"tool"')]
    return [document["result"] for document in found]
