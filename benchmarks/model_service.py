"""A model service on loopback for benchmarks: answers by a function, and keeps what it was sent.

The replies are those of tests/chat_models/model_server.py; the requests come from the real SDKs.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from automl_agent.agent import load_all_plugins
from automl_agent.chat_models.chat_model import ChatModelProvider
from automl_agent.chat_models.create import create_chat_model
from automl_agent.configuration.endpoint import Endpoint, Protocol
from automl_agent.experts.expert import TemplateExpert
from automl_agent.plugins import Plugins

ROOT = Path(__file__).parent.parent
PROTOCOLS: tuple[Protocol, ...] = ("messages", "responses", "chat_completions")
# The name by which --controller finds the service.
CONTROLLER = "loopback"
# The copies promise a little less than the originals, so that those are still found first.
_COPY_GAIN = 0.95

Calls = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Said:
    """What the service is to reply."""

    text: str = ""
    calls: Calls = ()


@dataclass(frozen=True)
class Part:
    """A part of a prompt as the model reads it: whose it is, and its text.

    kind: "tools", "system", "user", "assistant" or "tool". sent: the JSON that it came in.
    """

    kind: str
    text: str
    sent: str


@dataclass(frozen=True)
class Moment:
    """A point in time. wall_s: monotonic; cpu_s: what this process has computed until then."""

    wall_s: float = field(default_factory=time.monotonic)
    cpu_s: float = field(default_factory=time.process_time)


@dataclass
class Exchange:
    """A request and its reply."""

    raw: bytes
    said: Said
    received: Moment
    last_byte: Moment = field(default_factory=Moment)
    parts: list[Part] = field(default_factory=list)


class ModelService:
    """Runs as long as its context. answer: what to reply to a prompt."""

    def __init__(self, protocol: Protocol, answer: Callable[[list[Part]], Said]) -> None:
        self.protocol = protocol
        self.exchanges: list[Exchange] = []
        self._answer = answer
        self._reply = _load_replies()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def register(self, plugins: Plugins) -> None:
        """Let `--controller loopback` be this service."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        base_url = url if self.protocol == "messages" else f"{url}/v1"
        endpoint = Endpoint(CONTROLLER, base_url, self.protocol, model="scripted")
        provider = ChatModelProvider(
            CONTROLLER, lambda model: create_chat_model(endpoint, model, None)
        )
        plugins.chat_models.add(CONTROLLER, provider, distribution="benchmark")

    def exchange(self, raw: bytes) -> tuple[Exchange, tuple[bytes, ...]]:
        """The exchange that a request begins, and the pieces of its reply."""
        received = Moment()
        parts = list(read_parts(self.protocol, json.loads(raw)))
        said = self._answer(parts)
        ids = [f"call_{len(self.exchanges)}_{number}" for number in range(len(said.calls))]
        reply = self._reply(self.protocol, said.text, said.calls, ids=ids)
        self.exchanges.append(Exchange(raw, said, received, parts=parts))
        return self.exchanges[-1], reply.steps

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    owner: ModelService


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        exchange, pieces = self.server.owner.exchange(raw)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        # Just before, so that the reader cannot be seen to act before it.
        for piece in pieces:
            exchange.last_byte = Moment()
            self.wfile.write(piece)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def load_experts(n_experts: int) -> Plugins:
    """The installed plugins, with copies of their experts until there are so many.

    A copy has a name, a description and expectations of its own, and trains as its original does.
    """
    plugins = load_all_plugins()
    originals = [e for e in plugins.experts.values() if isinstance(e, TemplateExpert)]
    for number in range(n_experts - len(plugins.experts)):
        original = originals[number % len(originals)]
        document = deepcopy(original.card.to_json())
        document["name"] = f"{original.card.name}-{number}"
        document["description"] = f"Variant {number}. {original.card.description}"
        for expectation in document["expectations"].values():
            expectation["gain"] = [round(_COPY_GAIN * gain, 5) for gain in expectation["gain"]]
        card = type(original.card).from_json(document)
        copy = TemplateExpert(card, original.templates)
        plugins.experts.add(card.name, copy, distribution="benchmark")
    return plugins


def read_parts(protocol: Protocol, body: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of a prompt in the order in which models read them and caches hold them.

    The marks of caches, ids of calls, and which tools may be chosen are no part of it.
    """
    reader = {
        "messages": _read_messages,
        "responses": _read_responses,
        "chat_completions": _read_completions,
    }[protocol]
    return reader(body)


def _read_messages(body: Mapping[str, Any]) -> Iterator[Part]:
    yield _tools_part(body)
    for block in body.get("system", []):
        yield _part("system", block["text"], block)
    for message in body["messages"]:
        for block in message["content"]:
            match block["type"]:
                case "text":
                    yield _part(message["role"], block["text"], block)
                case "tool_use":
                    yield _part("assistant", f"{block['name']} {_dump(block['input'])}", block)
                case "tool_result":
                    yield _part("tool", block["content"], block)


def _read_responses(body: Mapping[str, Any]) -> Iterator[Part]:
    yield _tools_part(body)
    yield _part("system", body.get("instructions", ""), body.get("instructions"))
    for item in body["input"]:
        match item["type"]:
            case "message":
                text = "".join(content["text"] for content in item["content"])
                yield _part(item["role"], text, item)
            case "function_call":
                yield _part("assistant", f"{item['name']} {item['arguments']}", item)
            case "function_call_output":
                yield _part("tool", item["output"], item)


def _read_completions(body: Mapping[str, Any]) -> Iterator[Part]:
    yield _tools_part(body)
    for message in body["messages"]:
        calls = [call["function"] for call in message.get("tool_calls", ())]
        told = [f"{call['name']} {call['arguments']}" for call in calls]
        yield _part(message["role"], "\n".join([message.get("content") or "", *told]), message)


def _tools_part(body: Mapping[str, Any]) -> Part:
    tools = [_without_mark(tool) for tool in body.get("tools", [])]
    return _part("tools", _dump(tools), tools)


def _part(kind: str, text: str, sent: object) -> Part:
    return Part(kind, text, _dump(_without_mark(sent)))


def _without_mark(block: Any) -> Any:
    """The block without the mark up to which a cache is to hold it: it moves with each turn."""
    if not isinstance(block, dict):
        return block
    return {key: value for key, value in block.items() if key != "cache_control"}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _load_replies() -> Callable[..., Any]:
    """What writes good replies for tests."""
    sys.path.insert(0, str(ROOT))
    good_reply: Callable[..., Any] = import_module("tests.chat_models.model_server").good_reply
    return good_reply
