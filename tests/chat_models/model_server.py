"""A model service on loopback that answers as a test tells it to, well or badly.

    with ModelServer([messages_reply(calls=[("train", {"trials": 3})]), failure(529)]) as server:
        model = server.create_model("messages")
        ...
        assert server.requests[0].body["max_tokens"] == 8192

Each request takes the next answer of the script. An answer's `steps` are what is sent: bytes, or
something that happens between them (Cut, Stall, Trickle). `messages_reply`, `responses_reply` and
`completions_reply` build good answers; `good_reply` does by the protocol's name; the methods of
Answer spoil them.
"""

import gzip
import json
import ssl
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from automl_agent.chat_models.chat_model import ChatModel, Usage
from automl_agent.chat_models.create import create_chat_model
from automl_agent.configuration.endpoint import Endpoint, Key, Protocol

Calls = Sequence[tuple[str, object]]

PROTOCOLS: tuple[Protocol, ...] = ("messages", "responses", "chat_completions")
SSE = {"content-type": "text/event-stream"}
# As if from a provider's price list, which has 100 tokens in, 20 of them cached, and 10 out.
USAGE = Usage(100, 10, 20, 0)


@dataclass(frozen=True)
class Cut:
    """The connection is reset."""


@dataclass(frozen=True)
class Stall:
    """Nothing more comes, but the connection stays."""


@dataclass(frozen=True)
class Trickle:
    """The same bytes come again and again."""

    piece: bytes = b":"
    interval_s: float = 0.05


Step = bytes | Cut | Stall | Trickle


@dataclass(frozen=True)
class Answer:
    """What one request gets. has_head: whether status and headers are sent at all."""

    steps: tuple[Step, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(SSE))
    has_head: bool = True

    def cut_after(self, n_steps: int) -> "Answer":
        """The connection is reset after some steps."""
        return replace(self, steps=(*self.steps[:n_steps], Cut()))

    def end_after(self, n_steps: int) -> "Answer":
        """The body ends as if it were whole."""
        return replace(self, steps=self.steps[:n_steps])

    def stall_after(self, n_steps: int) -> "Answer":
        """Nothing more comes."""
        return replace(self, steps=(*self.steps[:n_steps], Stall()))

    def trickle_after(self, n_steps: int, piece: bytes = b":") -> "Answer":
        """Bytes that bring the reply no further come for ever."""
        return replace(self, steps=(*self.steps[:n_steps], Trickle(piece)))

    def insert(self, position: int, step: Step) -> "Answer":
        """The answer with one more step."""
        return replace(self, steps=(*self.steps[:position], step, *self.steps[position:]))

    def cut_gzip(self) -> "Answer":
        """The body is compressed, and its end is missing."""
        body = gzip.compress(b"".join(step for step in self.steps if isinstance(step, bytes)))
        headers = {**self.headers, "content-encoding": "gzip"}
        return replace(self, steps=(body[: len(body) // 2],), headers=headers)


def failure(status: int, body: object = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a status and no stream. body: a text, or a JSON value."""
    content_type = "text/html" if isinstance(body, str) else "application/json"
    text = body if isinstance(body, str) else json.dumps(body)
    return Answer((text.encode(),), status, {"content-type": content_type, **(headers or {})})


def silence() -> Answer:
    """An answer that never begins."""
    return Answer((Stall(),), has_head=False)


def error_body(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    """A body in which services of all protocols report an error."""
    return {"type": "error", "error": {"type": kind, "code": kind, "message": message}}


def named_event(document: Mapping[str, Any]) -> bytes:
    """An event with the name that is also the type of its document."""
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()


def plain_event(document: object) -> bytes:
    """An event without a name."""
    return f"data: {json.dumps(document)}\n\n".encode()


def messages_reply(
    text: str = "",
    calls: Calls = (),
    *,
    usage: Usage | None = USAGE,
    stop: str | None = None,
    ids: Sequence[str] | None = None,
    before: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """A reply by Messages. before: whole blocks that come before the text, such as thoughts."""
    counts = usage or Usage()
    n_fresh = counts.input_tokens - counts.cached_tokens - counts.cache_write_tokens
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None,
        "usage": {
            "input_tokens": n_fresh, "output_tokens": 1 if usage else 0,
            "cache_read_input_tokens": counts.cached_tokens,
            "cache_creation_input_tokens": counts.cache_write_tokens,
        },
    }  # fmt: skip
    steps = [named_event({"type": "message_start", "message": message})]
    index = 0
    for block in before:
        steps += [
            named_event({"type": "content_block_start", "index": index, "content_block": block}),
            named_event({"type": "content_block_stop", "index": index}),
        ]
        index += 1
    if text:
        pieces = [{"type": "text_delta", "text": piece} for piece in _split(text)]
        steps += _write_block(index, {"type": "text", "text": ""}, pieces)
        index += 1
    for number, (name, arguments) in enumerate(calls):
        call_id = ids[number] if ids else f"call_{number}"
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        texts = _split(_write_arguments(arguments))
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in texts]
        steps += _write_block(index + number, block, deltas)
    reason = stop or ("tool_use" if calls else "end_turn")
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": counts.output_tokens},
    }
    return Answer((*steps, named_event(end), named_event({"type": "message_stop"})))


def responses_reply(
    text: str = "",
    calls: Calls = (),
    *,
    usage: Usage | None = USAGE,
    stop: str | None = None,
    ids: Sequence[str] | None = None,
    before: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """A reply by Responses. before: items before the text; stop: why it is incomplete."""
    response: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 0, "model": "m",
        "status": "in_progress", "output": [],
    }  # fmt: skip
    items = [dict(item) for item in before]
    steps = [{"type": "response.created", "response": response}]
    if text:
        part = {"type": "output_text", "text": text, "annotations": []}
        steps += [
            {
                "type": "response.output_text.delta", "item_id": "msg_1", "content_index": 0,
                "output_index": len(items), "delta": piece, "logprobs": [],
            }
            for piece in _split(text)
        ]  # fmt: skip
        items.append({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [part],
        })  # fmt: skip
    items += [
        {
            "type": "function_call", "id": f"fc_{number}", "status": "completed", "name": name,
            "call_id": ids[number] if ids else f"call_{number}",
            "arguments": _write_arguments(arguments),
        }
        for number, (name, arguments) in enumerate(calls)
    ]  # fmt: skip
    steps += [
        {"type": "response.output_item.done", "output_index": index, "item": item}
        for index, item in enumerate(items)
    ]
    end = response | {"status": "incomplete" if stop else "completed", "output": items}
    if stop:
        end["incomplete_details"] = {"reason": stop}
    if usage is not None:
        end["usage"] = {
            "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens_details": {"reasoning_tokens": 0},
        }  # fmt: skip
    steps.append({"type": f"response.{end['status']}", "response": end})
    numbered = [step | {"sequence_number": number} for number, step in enumerate(steps)]
    return Answer(tuple(named_event(step) for step in numbered))


def completions_reply(
    text: str = "",
    calls: Calls = (),
    *,
    usage: Usage | None = USAGE,
    stop: str | None = None,
    ids: Sequence[str | None] | None = None,
    before: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """A reply by Chat Completions. before: deltas that come before the text."""
    deltas: list[Mapping[str, Any]] = [{"role": "assistant", "content": None}, *before]
    deltas += [{"content": piece} for piece in _split(text)]
    for number, (name, arguments) in enumerate(calls):
        first, *others = _split(_write_arguments(arguments))
        call_id = ids[number] if ids else f"call_{number}"
        function = {"name": name, "arguments": first}
        call = {"index": number, "id": call_id, "type": "function", "function": function}
        deltas.append({"tool_calls": [call]})
        deltas += [
            {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}
            for piece in others
        ]
    steps = [completions_event(delta) for delta in deltas]
    steps.append(completions_event({}, finish=stop or ("tool_calls" if calls else "stop")))
    if usage is not None:
        steps.append(plain_event({
            "id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [],
            "usage": {
                "prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens,
                "total_tokens": usage.input_tokens + usage.output_tokens,
                "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            },
        }))  # fmt: skip
    return Answer((*steps, b"data: [DONE]\n\n"))


def completions_event(delta: Mapping[str, Any], *, finish: str | None = None) -> bytes:
    """One event of Chat Completions."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return plain_event(head | {"choices": [choice]})


_BUILDERS = {
    "messages": messages_reply,
    "responses": responses_reply,
    "chat_completions": completions_reply,
}


def good_reply(protocol: Protocol, text: str = "", calls: Calls = (), **options: Any) -> Answer:
    """A reply by the protocol of this name; options: those of its builder."""
    return _BUILDERS[protocol](text, calls, **options)


@dataclass(frozen=True)
class Request:
    """What was asked. headers: with names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Any


class ModelServer:
    """A server that runs as long as its context; `script` can be replaced or added to.

    pause_s: before each step. is_done: set when an answer is over, or its client has left.
    """

    def __init__(self, script: Iterable[Answer] = ()) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.pause_s = 0.0
        self.is_done = threading.Event()
        self.is_over = threading.Event()
        from .model_handler import open_server  # it imports this module

        self._server = open_server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def create_endpoint(self, protocol: Protocol = "messages", **fields: Any) -> Endpoint:
        """An endpoint here, with a short patience; fields: of Endpoint."""
        base_url = self.url if protocol == "messages" else f"{self.url}/v1"
        defaults = {"name": "test", "base_url": base_url, "idle_timeout_s": 10.0}
        return Endpoint(protocol=protocol, **{**defaults, **fields})

    def create_model(
        self,
        protocol: Protocol = "messages",
        *,
        model: str = "some-model",
        key: Key | None = None,
        **fields: Any,
    ) -> ChatModel:
        """A model here; fields: of Endpoint."""
        return create_chat_model(self.create_endpoint(protocol, **fields), model, key)

    def use_certificate(self, path: Path) -> None:
        """Speak TLS, with the certificate and key in the file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _write_block(
    index: int, block: Mapping[str, Any], deltas: Sequence[Mapping[str, Any]]
) -> list[bytes]:
    documents = [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]
    return [named_event(document) for document in documents]


def _write_arguments(arguments: object) -> str:
    """The JSON text of arguments; a text stays as it is, also if it is no JSON."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _split(text: str) -> list[str]:
    """The text in two pieces, as a stream brings it."""
    half = len(text) // 2
    return [text[:half], text[half:]] if half else [text]
