"""Asking a chat model: each try is paid for before it is made, and a passing failure is waited out.

The SDKs' own retries are off: they know neither the person's limits nor how to be interrupted.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from automl_agent.chat_models.chat_model import (
    ChatModel,
    Message,
    ModelTraits,
    Reply,
    ToolSpec,
    Usage,
)
from automl_agent.controllers.compaction import TokenMeter, compact, estimate_tokens, shorten
from automl_agent.controllers.purse import MIN_REPLY_TOKENS, Purse, Reservation
from automl_agent.errors import (
    AutomlAgentError,
    ContextOverflowError,
    ModelBusyError,
    ModelError,
    ModelRefusedError,
    ModelUnreachableError,
)

MAX_TRIES = 6
# A server that is not there seldom comes while one waits.
_MAX_TRIES_UNREACHABLE = 2
_FIRST_WAIT_S = 1.0
_LONGEST_OWN_WAIT_S = 60.0
# Requests that come back together after an overload would meet again.
_JITTER = 0.25
_TICK_S = 1.0
# What is left out when a model says that the messages are too long although we thought otherwise.
_OVERFLOW_SHARE = 0.5


class SpentError(AutomlAgentError):
    """What is left of the money or the tokens pays for no further reply."""


class Recorder(Protocol):
    """Keeps a record of every try."""

    def begin_try(self, model: str, reservation: Reservation) -> str:
        """Record a try before it is made; returns its key."""
        ...

    def end_try(self, key: str, usage: Usage | None, error: str) -> None:
        """Record how it ended."""
        ...


@dataclass
class Asking:
    """What every try of a conversation needs.

    patience_s: how long all tries for one reply may take together.
    on_wait: told the reason and the seconds left, once a second while it waits.
    context_limits: the tokens that were too many for a model that says it takes more.
    """

    purse: Purse
    meter: TokenMeter
    recorder: Recorder
    on_text: Callable[[str], None]
    on_wait: Callable[[str, float], None]
    patience_s: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    context_limits: dict[str, int] = field(default_factory=dict)

    def ask(
        self,
        model: ChatModel,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        max_output_tokens: int | None = None,
    ) -> Reply:
        """The model's reply.

        Raises: SpentError before a try that cannot be paid; ModelRefusedError if the model will not
            answer, or not in time.
        """
        deadline = self.clock() + self.patience_s()
        limit = self.context_limits.get(model.traits.name, model.traits.context_tokens)
        sent = compact(messages, tools, limit)
        has_overflown = False
        n_tries = 0
        while True:
            n_tries += 1
            try:
                return self._try_once(model, sent, tools, max_output_tokens)
            except ContextOverflowError as exc:
                n_sent = estimate_tokens(sent, tools)
                shorter = shorten(sent, tools, round(_OVERFLOW_SHARE * n_sent))
                if has_overflown or shorter == sent:
                    raise ModelRefusedError(f"{exc} There is nothing more to leave out.") from exc
                has_overflown, sent = True, shorter
                # Later requests need not find out again.
                self.context_limits[model.traits.name] = min(limit, n_sent)
            except ModelBusyError as exc:
                self._wait(exc, n_tries, deadline)

    def _try_once(
        self,
        model: ChatModel,
        messages: list[Message],
        tools: Sequence[ToolSpec],
        max_output_tokens: int | None,
    ) -> Reply:
        reservation = self._reserve(model.traits, messages, tools, max_output_tokens)
        key = self.recorder.begin_try(model.traits.name, reservation)
        try:
            reply = model.reply(
                messages,
                tools,
                on_text=self.on_text,
                max_output_tokens=reservation.max_output_tokens,
            )
        except ModelError as exc:
            usage = _usage_of_failure(exc, model.traits)
            if exc.may_cost:
                self.purse.risk(reservation, usage)
            self._end_try(key, model, reservation, usage, str(exc))
            raise
        except KeyboardInterrupt:
            # What was sent is billed, and of the reply nobody knows how much.
            self._end_try(key, model, reservation, _whole(reservation), "interrupted")
            raise
        except BaseException as exc:
            self.purse.risk(reservation, None)
            self._end_try(key, model, reservation, None, f"{type(exc).__name__}: {exc}")
            raise
        self._end_try(key, model, reservation, reply.usage, "")
        self.meter.learn(model.traits.name, messages, tools, reply.usage)
        return reply

    def _reserve(
        self,
        traits: ModelTraits,
        messages: list[Message],
        tools: Sequence[ToolSpec],
        max_output_tokens: int | None,
    ) -> Reservation:
        room = traits.context_tokens - estimate_tokens(messages, tools)
        wanted = min(max_output_tokens or traits.max_output_tokens, max(room, MIN_REPLY_TOKENS))
        n_sent = self.meter.bound(traits.name, messages, tools)
        reservation = self.purse.reserve(traits, n_sent, wanted)
        if reservation is None:
            raise SpentError(f"the limit of {self.purse.describe_limit()} is reached")
        return reservation

    def _end_try(
        self,
        key: str,
        model: ChatModel,
        reservation: Reservation,
        usage: Usage | None,
        error: str,
    ) -> None:
        if usage is not None:
            self.purse.settle(usage, model.traits.name, reservation)
        self.recorder.end_try(key, usage, error)

    def _wait(self, exc: ModelBusyError, n_tries: int, deadline: float) -> None:
        own_s = min(_LONGEST_OWN_WAIT_S, _FIRST_WAIT_S * 2 ** (n_tries - 1))
        asked_s = max(exc.retry_after_s or 0.0, 0.0)
        # Whoever asks for no wait at all is not asked six times in a moment.
        wait_s = max(asked_s, own_s if exc.retry_after_s is None else _FIRST_WAIT_S)
        wait_s *= 1 + _JITTER * random.random()
        is_too_long = not wait_s <= deadline - self.clock()
        is_gone = isinstance(exc, ModelUnreachableError)
        if n_tries >= (_MAX_TRIES_UNREACHABLE if is_gone else MAX_TRIES) or is_too_long:
            tried = "once" if n_tries == 1 else f"{n_tries} times"
            asked = f"; it asks for a wait of {asked_s:.0f} s" if is_too_long and asked_s else ""
            raise ModelRefusedError(f"{exc} Tried {tried}{asked}.") from exc
        until = self.clock() + wait_s
        while (rest_s := until - self.clock()) > 0:
            self.on_wait(str(exc), rest_s)
            self.sleep(min(rest_s, _TICK_S))


def _usage_of_failure(exc: ModelError, traits: ModelTraits) -> Usage | None:
    if exc.tokens is None:
        return None
    usage = Usage(input_tokens=exc.tokens[0], output_tokens=exc.tokens[1])
    cost_usd = None
    with suppress(Exception):  # a plugin's price
        cost_usd = traits.price(usage)
    return replace(usage, cost_usd=cost_usd)


def _whole(reservation: Reservation) -> Usage:
    return Usage(
        input_tokens=reservation.input_tokens,
        output_tokens=reservation.max_output_tokens,
        cost_usd=reservation.cost_usd,
    )
