"""Asking a chat model: waits, retries, overflows and what each try leaves in the journal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from automl_agent import Reply
from automl_agent.chat_models.chat_model import Message, ModelTraits, ToolCall, ToolSpec, Usage
from automl_agent.controllers.attempts import MAX_TRIES, Asking, SpentError
from automl_agent.controllers.compaction import TokenMeter
from automl_agent.controllers.purse import Purse, Reservation
from automl_agent.errors import (
    ContextOverflowError,
    ModelBusyError,
    ModelError,
    ModelRefusedError,
    ModelUnreachableError,
)

ASKED = [Message("system", "You train."), Message("user", "{}")]
GOOD = Reply("Yes.", usage=Usage(100, 10, cost_usd=0.001))


@dataclass
class Script:
    """A model that answers or fails as it is told to."""

    outcomes: list[Any]
    traits: ModelTraits = field(default_factory=lambda: ModelTraits("a:b", price=lambda _u: 0.01))
    requests: list[tuple[list[Message], int | None]] = field(default_factory=list)

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Any,
        max_output_tokens: int | None = None,
    ) -> Reply:
        self.requests.append((list(messages), max_output_tokens))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome  # type: ignore[no-any-return]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class Journal:
    def __init__(self) -> None:
        self.rows: list[list[Any]] = []

    def begin_try(self, model: str, reservation: Reservation) -> str:
        self.rows.append([model, reservation, "open"])
        return str(len(self.rows) - 1)

    def end_try(self, key: str, usage: Usage | None, error: str) -> None:
        assert self.rows[int(key)][2] == "open"
        self.rows[int(key)][2:] = [usage, error]


class Setting:
    """A model to ask, with its own time."""

    def __init__(self, *outcomes: Any, patience_s: float = 600.0, **fields: Any) -> None:
        self.model = Script(list(outcomes), **fields)
        self.time, self.journal, self.purse = Time(), Journal(), Purse()
        self.waits: list[tuple[str, float]] = []
        self.asking = Asking(
            purse=self.purse,
            meter=TokenMeter(),
            recorder=self.journal,
            on_text=lambda _text: None,
            on_wait=lambda reason, left_s: self.waits.append((reason, left_s)),
            patience_s=lambda: patience_s,
            sleep=self.time.sleep,
            clock=lambda: self.time.now,
        )

    def ask(self, messages: Sequence[Message] = ASKED) -> Reply:
        return self.asking.ask(self.model, messages, [])


def busy(retry_after_s: float | None = None) -> ModelBusyError:
    return ModelBusyError("It is busy.", retry_after_s=retry_after_s)


def test_a_reply_is_what_the_model_says() -> None:
    setting = Setting(GOOD)
    assert setting.ask() == GOOD
    ((model, reservation, usage, error),) = setting.journal.rows
    assert (model, usage, error) == ("a:b", GOOD.usage, "")
    assert reservation.max_output_tokens == setting.model.requests[0][1] == 8192
    assert setting.purse.spent_usd == 0.001


@pytest.mark.parametrize(
    ("retry_after_s", "low", "high"),
    [
        (1.0, 1.0, 1.25),
        (90.0, 90.0, 112.5),
        (300.0, 300.0, 375.0),
        (None, 1.0, 1.25),
        (0.0, 1.0, 1.25),
        (-5.0, 1.0, 1.25),
        (0.001, 1.0, 1.25),
    ],
)
def test_a_wait_is_as_long_as_the_service_asks(
    retry_after_s: float | None, low: float, high: float
) -> None:
    setting = Setting(busy(retry_after_s), GOOD)
    assert setting.ask() == GOOD
    assert low <= sum(setting.time.slept) <= high
    assert max(setting.time.slept) <= 1.0, "Ctrl-C must not wait for long"


def test_the_person_sees_the_seconds_go_by() -> None:
    setting = Setting(busy(10.0), GOOD)
    setting.ask()
    reasons, left = zip(*setting.waits, strict=True)
    assert set(reasons) == {"It is busy."}
    assert 10.0 <= left[0] <= 12.5
    assert all(one > other for one, other in pairwise(left))
    assert len(left) >= 10


def test_waits_without_advice_double_and_end() -> None:
    setting = Setting(*[busy() for _ in range(MAX_TRIES)])
    with pytest.raises(ModelRefusedError, match=r"It is busy\. Tried 6 times\.$"):
        setting.ask()
    assert len(setting.model.requests) == MAX_TRIES
    assert 1 + 2 + 4 + 8 + 16 <= sum(setting.time.slept) <= 1.25 * 31


def test_waits_differ_so_that_not_all_come_back_at_once() -> None:
    waits = set()
    for _ in range(20):
        setting = Setting(busy(100.0), GOOD)
        setting.ask()
        waits.add(sum(setting.time.slept))
    assert len(waits) > 10


@pytest.mark.parametrize(
    ("retry_after_s", "said"),
    [
        (61.0, "; it asks for a wait of 61 s"),
        (float("inf"), "; it asks for a wait of inf s"),
        (1e9, "; it asks for a wait of 1000000000 s"),
        (float("nan"), "; it asks for a wait of nan s"),
    ],
)
def test_a_wait_that_is_too_long_is_not_begun(retry_after_s: float, said: str) -> None:
    setting = Setting(busy(retry_after_s), patience_s=60.0)
    with pytest.raises(ModelRefusedError, match=f"Tried once{said}"):
        setting.ask()
    assert setting.time.slept == []


def test_all_tries_together_have_a_limit_of_time() -> None:
    setting = Setting(*[busy(25.0) for _ in range(MAX_TRIES)], patience_s=60.0)
    with pytest.raises(ModelRefusedError):
        setting.ask()
    assert sum(setting.time.slept) <= 60.0
    assert len(setting.model.requests) in (2, 3)


def test_a_server_that_is_not_there_is_tried_twice() -> None:
    gone = [ModelUnreachableError("Nobody is there.") for _ in range(3)]
    setting = Setting(*gone)
    with pytest.raises(ModelRefusedError, match="Tried 2 times"):
        setting.ask()


def test_what_no_try_changes_is_tried_once() -> None:
    setting = Setting(ModelRefusedError("The key is wrong."))
    with pytest.raises(ModelRefusedError, match=r"^The key is wrong\.$"):
        setting.ask()
    assert setting.time.slept == []
    assert [row[2:] for row in setting.journal.rows] == [[None, "The key is wrong."]]
    assert setting.purse.risked_tokens == 0


def test_a_wait_can_be_interrupted() -> None:
    setting = Setting(busy(100.0), GOOD)

    def interrupt(seconds: float) -> None:
        setting.time.now += seconds
        if setting.time.now > 1003:
            raise KeyboardInterrupt

    setting.asking.sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        setting.ask()
    assert [row[3] for row in setting.journal.rows] == ["It is busy."]


def test_a_try_that_is_interrupted_costs_all_that_was_reserved() -> None:
    setting = Setting(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        setting.ask()
    ((_model, reservation, usage, error),) = setting.journal.rows
    assert error == "interrupted"
    assert usage.output_tokens == reservation.max_output_tokens
    assert setting.purse.spent_usd == reservation.cost_usd == 0.01


def test_each_try_is_in_the_journal_with_what_it_took() -> None:
    begun = ModelBusyError("It broke off.", tokens=(100, 1))
    begun.may_cost = True
    setting = Setting(busy(), begun, GOOD)
    setting.ask()
    assert [row[3] for row in setting.journal.rows] == ["It is busy.", "It broke off.", ""]
    usages = [row[2] for row in setting.journal.rows]
    assert usages == [None, Usage(100, 1, cost_usd=0.01), GOOD.usage]
    assert setting.purse.spent_usd == pytest.approx(0.011)
    # Of the reply that broke off, the rest of what was reserved may be billed.
    assert setting.purse.risked_tokens > 8000


def test_a_plugins_model_that_breaks_is_in_the_journal_and_at_risk() -> None:
    setting = Setting(ZeroDivisionError("division"))
    with pytest.raises(ZeroDivisionError):
        setting.ask()
    assert setting.journal.rows[0][3] == "ZeroDivisionError: division"
    assert setting.purse.risked_usd == 0.01


def test_nothing_is_asked_that_cannot_be_paid() -> None:
    setting = Setting(GOOD)
    setting.purse.limit_usd = 0.009
    with pytest.raises(SpentError, match=r"the limit of 0\.009 USD is reached"):
        setting.ask()
    assert setting.model.requests == []
    assert setting.journal.rows == []


def converse(n_results: int, size: int) -> list[Message]:
    """A conversation of some calls and long results."""
    messages = list(ASKED)
    for number in range(n_results):
        call_id = f"c{number}"
        messages.append(Message("assistant", "", (ToolCall(call_id, "look", {}),)))
        messages.append(Message("tool", "x" * size, call_id=call_id))
    return messages


def overflow() -> ModelError:
    return ContextOverflowError("The messages are too long.")


def test_an_overflow_is_asked_again_shorter_at_once() -> None:
    setting = Setting(overflow(), GOOD)
    messages = converse(20, 5000)
    assert setting.ask(messages) == GOOD
    first, second = (sum(len(m.text) for m in sent) for sent, _ in setting.model.requests)
    assert second < 0.6 * first
    assert setting.time.slept == []
    assert [m.text for m in messages if m.role == "tool"] == ["x" * 5000] * 20


def test_a_second_overflow_is_the_end() -> None:
    setting = Setting(overflow(), overflow())
    with pytest.raises(ModelRefusedError, match="nothing more to leave out"):
        setting.ask(converse(20, 5000))
    assert len(setting.model.requests) == 2


def test_nothing_is_sent_twice_because_of_an_overflow() -> None:
    setting = Setting(overflow(), GOOD)
    with pytest.raises(ModelRefusedError, match="nothing more to leave out"):
        setting.ask()
    assert len(setting.model.requests) == 1


def test_what_a_model_could_not_take_is_remembered() -> None:
    setting = Setting(overflow(), GOOD, GOOD)
    setting.ask(converse(20, 5000))
    setting.ask(converse(21, 5000))
    lengths = [sum(len(m.text) for m in sent) for sent, _ in setting.model.requests]
    assert lengths[2] < 0.6 * lengths[0]


def test_a_reply_fits_the_context_with_what_is_sent() -> None:
    traits = ModelTraits("a:b", context_tokens=8192, max_output_tokens=8192)
    setting = Setting(GOOD, traits=traits)
    setting.ask(converse(2, 5000))
    ((_sent, n_output),) = setting.model.requests
    assert n_output is not None
    assert 400 <= n_output <= 8192 - 10_000 / 3.5
