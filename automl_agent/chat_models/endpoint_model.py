"""The chat model at an endpoint: one request a reply, in whichever protocol."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from automl_agent.chat_models.chat_model import Message, ModelTraits, Reply, ToolSpec, Usage
from automl_agent.chat_models.connection import TOTAL_TIMEOUT_S, Watch, open_client
from automl_agent.chat_models.failures import (
    BROKEN_SHAPES,
    Failures,
    may_be_billed,
    read_report,
)
from automl_agent.chat_models.json_profile import describe_tools, read_json_reply
from automl_agent.chat_models.prices import find_price
from automl_agent.chat_models.tool_calls import CallIds, clean_document, join_surrogates
from automl_agent.chat_models.wire import (
    BrokenReplyError,
    EventStream,
    Prompt,
    Reader,
    ReportedError,
    Wire,
)
from automl_agent.configuration.endpoint import Endpoint, Key

if TYPE_CHECKING:
    import httpx2

# Statuses with which servers say that they do not know a part of a request.
_MISSING_STATUSES = (400, 404, 422, 500, 501)
_BYTES_PER_TOKEN = 4


class _MissingFeatureError(Exception):
    def __init__(self, feature: str) -> None:
        super().__init__(feature)
        self.feature = feature


class EndpointModel:
    """A model at an endpoint.

    A server may refuse a request for one feature that it lacks, such as tools; the request is
    then sent again without, as all later ones are. A refused request costs nothing.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        key: Key | None,
        wire: Wire,
        *,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self.traits = ModelTraits(
            name=f"{endpoint.name}:{model}",
            endpoint=endpoint.base_url,
            context_tokens=endpoint.context_tokens,
            max_output_tokens=endpoint.max_output_tokens,
            price=find_price(endpoint, model),
        )
        self._endpoint = endpoint
        self._model = model
        self._key = key
        self._wire = wire
        self._total_timeout_s = total_timeout_s
        self._failures = Failures(endpoint, model, key)
        self._provider = f"{endpoint.protocol} {endpoint.base_url} {model}"
        absent = set() if endpoint.is_thinking else {"thinking"}
        absent |= {"tools"} if endpoint.tool_calling == "json_schema" else set()
        self._features = frozenset(wire.features) - absent

    def __repr__(self) -> str:
        return f"EndpointModel({self.traits.name!r})"

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Callable[[str], None],
        max_output_tokens: int | None = None,
    ) -> Reply:
        """The next message; see `ChatModel.reply`."""
        longest = self.traits.max_output_tokens
        n_tokens = min(max_output_tokens or longest, longest)
        while True:
            prompt = Prompt(self._model, self._provider, messages, tools, n_tokens)
            try:
                if "tools" in self._features or not tools:
                    return self._ask(prompt, on_text)
                return self._ask_in_json(prompt, on_text)
            except _MissingFeatureError as exc:
                self._features -= {exc.feature}

    def _ask_in_json(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        """The reply of a server that has no tool calls: a JSON document with the calls in it."""
        offered = [tool for tool in prompt.tools if tool.is_offered]
        messages, schema = describe_tools(prompt.messages, offered)
        plain = replace(prompt, messages=messages, tools=(), schema=schema)
        reply = self._ask(plain, lambda piece: None)
        reply = read_json_reply(reply, _start_ids(prompt.messages))
        on_text(reply.text)
        return reply

    def _ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        body = self._wire.write_body(prompt, self._features)
        reader = self._wire.start_reader(self._provider)
        watch = Watch(
            idle_timeout_s=self._endpoint.idle_timeout_s, total_timeout_s=self._total_timeout_s
        )
        with watch, closing(self._read_pieces(body, reader, watch)) as pieces:
            for piece in pieces:
                on_text(piece)
        try:
            reply = reader.finish(_start_ids(prompt.messages))
        except BROKEN_SHAPES as exc:
            raise self._tell(exc, reader, watch) from None
        usage = reader.usage or _estimate_usage(body, reply)
        cost_usd = self.traits.price(usage)
        return replace(_clean_reply(reply), usage=replace(usage, cost_usd=cost_usd))

    def _read_pieces(self, body: Mapping[str, Any], reader: Reader, watch: Watch) -> Generator[str]:
        """Send the request and give all events to the reader; the pieces of text in them."""
        import httpx2

        transport: tuple[type[Exception], ...] = (httpx2.HTTPError, OSError)
        known = self._wire.errors() + transport + BROKEN_SHAPES
        try:
            with (
                open_client(self._endpoint, self._key, watch) as client,
                self._open_stream(client, body) as stream,
            ):
                _check_content(stream.response)
                yield from _read_events(stream, reader, watch)
        except known as exc:
            # Without its cause: an SDK's error quotes the server, which may quote the key.
            raise self._tell(exc, reader, watch) from None

    def _open_stream(
        self, client: "httpx2.Client", body: Mapping[str, Any]
    ) -> AbstractContextManager[EventStream]:
        address = self._endpoint.base_url
        try:
            return self._wire.open_stream(address, client, body)
        except UnicodeEncodeError:  # raised before anything is sent, by halves of characters
            return self._wire.open_stream(address, client, clean_document(body))

    def _tell(self, exc: Exception, reader: Reader, watch: Watch) -> Exception:
        report = read_report(exc)
        if report is not None and report.status in _MISSING_STATUSES:
            for feature in sorted(self._features):
                if self._wire.features[feature].search(report.message):
                    return _MissingFeatureError(feature)
        error = self._failures.tell(exc, hang_up_reason=watch.reason)
        error.may_cost = may_be_billed(exc)
        if reader.usage is not None:
            error.tokens = (reader.usage.input_tokens, reader.usage.output_tokens)
        return error


def _read_events(stream: EventStream, reader: Reader, watch: Watch) -> Iterator[str]:
    previous = None
    for event in stream:
        document = event.to_dict(warnings=False)
        # A sign of life that is always the same brings a reply no nearer to its end.
        if document != previous:
            watch.note_progress()
        previous = document
        piece = reader.add(document)
        if piece:
            yield piece.encode("utf-8", "replace").decode()
    if watch.reason:
        raise BrokenReplyError(watch.reason)


def _check_content(response: "httpx2.Response") -> None:
    """Some servers say 200 and report a failure in the body; a login page says 200 too."""
    content_type = response.headers.get("content-type", "")
    if "json" in content_type or "html" in content_type:
        raise ReportedError(response.read().decode("utf-8", "replace"), is_whole=True)


def _start_ids(messages: Sequence[Message]) -> CallIds:
    return CallIds(call.call_id for message in messages for call in message.calls)


def _estimate_usage(body: Mapping[str, Any], reply: Reply) -> Usage:
    """Roughly what it took, where a server does not say: a budget must not count it as nothing."""
    sent = len(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    calls = json.dumps([call.to_json() for call in reply.calls]) if reply.calls else ""
    received = len((reply.text + calls).encode("utf-8", "replace"))
    return Usage(sent // _BYTES_PER_TOKEN, -(-received // _BYTES_PER_TOKEN), cost_usd=None)


def _clean_reply(reply: Reply) -> Reply:
    """The reply without halves of characters, which could be neither stored nor sent back."""
    calls = tuple(
        replace(
            call,
            call_id=join_surrogates(call.call_id),
            name=join_surrogates(call.name),
            arguments=clean_document(dict(call.arguments)),
        )
        for call in reply.calls
    )
    state = reply.state and clean_document(dict(reply.state))
    return replace(reply, text=join_surrogates(reply.text), calls=calls, state=state)
