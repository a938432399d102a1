"""The conversation: what a person and the controller said, and the tasks that came of it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.documents import escape_unseen
from automl_agent.chat_models.chat_model import Message, ToolCall, Usage
from automl_agent.configuration.setting import PRIVACY_LEVELS, Privacy
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.compaction import TokenMeter
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.conversation.workplace import (
    Workplace,
    begin_run,
    end_run,
    how_it_failed,
)
from automl_agent.controllers.instructions import SYSTEM_TEXT
from automl_agent.controllers.planner.transcript import UNDONE, find_last_request, read_transcript
from automl_agent.controllers.privacy import mask_values, redact_result, show_name
from automl_agent.controllers.purse import Purse, Reservation
from automl_agent.controllers.request import Request
from automl_agent.errors import InputError, ToolError, UserError, suggest

if TYPE_CHECKING:
    from pandas import DataFrame

_MASK = "…"
# Arguments of calls in which a model may quote what it was shown.
_QUOTING = frozenset({"summary", "question", "text", "reason", "query", "description"})
_MAX_TITLE = 80


@dataclass
class Conversation:
    """What was said, what it may cost, and the tasks. One person, one journal, one writer.

    budget: the time, trials and turns of the present request. tables: those that the person let the
    controller use, the path of each by the name it is called by.
    is_interactive: whether the person is there to answer a reply without a tool call.
    n_recorded: the messages in the journal, which keeps those that were taken back as well.
    """

    conversation_id: str
    workplace: Workplace
    budget: Budget
    purse: Purse = field(default_factory=Purse)
    privacy: Privacy = "schema"
    is_interactive: bool = False
    tables: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    tasks: dict[str, Session] = field(default_factory=dict)
    meter: TokenMeter = field(default_factory=TokenMeter)
    is_round_over: bool = False
    summary: str = ""
    last_error: UserError | None = None
    defaults: Request = field(default_factory=lambda: Request("", ""))
    is_begun: bool = False
    n_recorded: int = 0
    _told_tools: tuple[str, ...] = ()
    _n_tries: int = 0

    @property
    def emit(self) -> Callable[[str, Mapping[str, Any]], None]:
        """Where events are told."""
        return self.workplace.emit

    @property
    def open_tasks(self) -> list[Session]:
        """The tasks that go on."""
        return [session for session in self.tasks.values() if not session.is_ended]

    def add(self, message: Message) -> None:
        """Record a message, before it is acted on."""
        # First in memory: a Ctrl-C that comes after the other must not lead to a second one.
        self.messages.append(message)
        self._record(message)

    def undo(self) -> str:
        """Take the last request back, with all that came of it but finished runs; its words.

        The journal keeps it, and after it the number of messages that are left.
        Raises: InputError if there is none.
        """
        start = find_last_request(self.messages)
        if start is None:
            raise InputError("There is no request that could be taken back.")
        told = read_transcript(self.messages)
        self.take_back(start)
        for task_id in told.new_tasks():
            if task_id in self.tasks:
                end_run(self.tasks[task_id], "interrupted", "The request was taken back.")
        return str(told.request.get("words", ""))

    def take_back(self, n_left: int) -> None:
        """Go on as if only the first messages had been said."""
        self._record(Message("user", dump({UNDONE: n_left})))
        del self.messages[n_left:]
        self._told_tools, self.meter = (), TokenMeter()

    def begin(self, title: str) -> None:
        """Record the conversation, when something is first said in it."""
        if not self.is_begun:
            self.workplace.journal.begin_conversation(self.conversation_id, title[:_MAX_TITLE])
            self.is_begun = True

    def begin_round(self, told: Mapping[str, Any], *, budget: Budget | None = None) -> None:
        """Add what the person asks for, as JSON values, and let the controller have its turns."""
        if budget is not None:
            self.budget = budget
            for session in self.open_tasks:
                session.budget = budget.for_task()
        self.begin(str(told.get("words") or told.get("task", {}).get("table", "")))
        self.is_round_over, self.summary, self.last_error = False, "", None
        if not self.messages:
            self.add(Message("system", SYSTEM_TEXT))
        self.add(Message("user", dump(told)))

    def begin_task(
        self,
        request: Request,
        frame: "DataFrame",
        holdout_frame: "DataFrame | None",
        budget: Budget,
    ) -> Session:
        """A new task, whose run is in the journal from now on.

        Raises: SetupError if there is no sandbox, or there are no GPUs and must be.
        """
        session = self.workplace.open_session(
            request,
            frame,
            holdout_frame,
            task_id=self.next_task_id(),
            conversation_id=self.conversation_id,
            budget=budget,
            privacy=self.privacy,
        )
        # Taken in first: from here on `close` ends its run, wherever a Ctrl-C comes.
        self.adopt(session)
        begin_run(session)
        return session

    def adopt(self, session: Session) -> None:
        """Take a task in."""
        self.tasks[session.task_id] = session
        session.privacy, session.purse = self.privacy, self.purse
        self._share_time()

    def abandon(self, session: Session, exc: BaseException) -> None:
        """Forget a task that could not be begun."""
        self.tasks.pop(session.task_id, None)
        end_run(session, how_it_failed(exc), str(exc))
        self._share_time()

    def next_task_id(self) -> str:
        """The id of the next task."""
        numbers = (int(task_id[1:]) for task_id in self.tasks)
        return f"t{max(numbers, default=0) + 1}"

    def find_task(self, task_id: str) -> Session:
        """The task of that id.

        Raises: ToolError that lists the tasks.
        """
        if task_id not in self.tasks:
            raise ToolError(f"There is no task {task_id!r}.{suggest(task_id, self.tasks)}")
        return self.tasks[task_id]

    def route(self, arguments: Mapping[str, Any]) -> Session:
        """The task that a call is about: by task, plan or trial, or the only open one.

        Raises: ToolError if that is not clear.
        """
        if "task_id" in arguments:
            return self.find_task(str(arguments["task_id"]))
        sessions = list(self.tasks.values())
        if "plan_id" in arguments:
            return self._find_owner(
                str(arguments["plan_id"]), "plan", {id_: s for s in sessions for id_ in s.plans}
            )
        if "trial_id" in arguments:
            trials = {trial.trial_id: s for s in sessions for trial in s.trials}
            return self._find_owner(str(arguments["trial_id"]), "trial", trials)
        candidates = self.open_tasks or sessions[-1:]
        if not candidates:
            raise ToolError("There is no task yet; call profile_dataset first.")
        if len(candidates) > 1:
            listed = ", ".join(f"{s.task_id} ({s.request.target})" for s in candidates)
            raise ToolError(f"Say which task it is about, by task_id: {listed}.")
        return candidates[0]

    def find_table(self, name: str) -> str:
        """The path of a table that the person let the controller use.

        Raises: InputError that lists the tables.
        """
        if name in self.tables:
            return self.tables[name]
        shown = {show_name(n): path for n, path in self.tables.items()}
        if name in shown:
            return shown[name]
        by_stem = {Path(n).name.partition(".")[0].lower(): n for n in self.tables}
        stem = Path(name).name.partition(".")[0].lower()
        if stem in by_stem:
            return self.tables[by_stem[stem]]
        raise InputError(
            f"There is no table {name!r} that may be used here.{suggest(name, self.tables)}"
        )

    def tools_news(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """The tools that can be called, if the model was not told so yet."""
        told = tuple(names)
        if told == self._told_tools:
            return None
        self._told_tools = told
        return told

    def progress(self) -> object:
        """Something that differs whenever the work has got on."""
        return [
            (
                session.task_id,
                session.card is not None,
                len(session.trials),
                sum(plan.predicted_log is not None for plan in session.plans.values()),
                session.is_ended,
                sum(session.n_repairs.values()),
            )
            for session in self.tasks.values()
        ]

    def mask(self, text: str, call: ToolCall) -> str:
        """A message for the model about its call, without what may be a value of a cell."""
        plugins = self.workplace.plugins
        known = {*self.tables, *self.tasks, *plugins.experts, *plugins.metrics, *plugins.tools}
        known |= {plugins.tools.distribution(name) for name in plugins.tools}
        known |= set(_find_texts(call.arguments))  # what the model said itself
        for session in self.tasks.values():
            known |= set(session.plans)
            known |= set() if self.privacy == "none" else set(map(str, session.frame.columns))
            known |= {trial.trial_id for trial in session.trials}
        return mask_values(text, known, self.privacy)

    def change_privacy(self, privacy: Privacy) -> None:
        """Show the model more or less from now on; what it may no longer see is taken back."""
        is_stricter = PRIVACY_LEVELS.index(privacy) < PRIVACY_LEVELS.index(self.privacy)
        self.privacy = privacy
        for session in self.tasks.values():
            session.privacy = privacy
        if is_stricter:
            # The journal keeps what was said; a model is sent these from now on.
            self.messages = [_redact(message, privacy) for message in self.messages]
            self.meter = TokenMeter()

    def close(self, status: str = "interrupted", error: str = "") -> None:
        """End what is still open."""
        for session in self.tasks.values():
            end_run(session, status, error)

    def begin_try(self, model: str, reservation: Reservation) -> str:
        """Record that a model is asked; returns the try's key."""
        self._n_tries += 1
        key = f"{len(self.messages)}-{self._n_tries}"
        intent = {"model": model, "n_messages": len(self.messages), "privacy": self.privacy}
        intent |= asdict(reservation)
        self.workplace.journal.begin("model_calls", self.conversation_id, key, intent)
        return key

    def end_try(self, key: str, usage: Usage | None, error: str) -> None:
        """Record how it ended, and what it took."""
        status = "failed" if error else "done"
        purse = self.purse
        risked = {"risked_usd": purse.risked_usd, "risked_tokens": purse.risked_tokens}
        outcome = {"usage": usage and asdict(usage), "error": error, **risked}
        self.workplace.journal.end("model_calls", self.conversation_id, key, status, outcome)
        if usage is not None:
            self.emit("model_answered", {**asdict(usage), "spent": self.purse.to_json()})

    def take_up(self, conversation_id: str, messages: list[Message], *, n_recorded: int) -> None:
        """Become a conversation of the journal; n_recorded: of its messages and tries at most."""
        self.conversation_id, self.is_begun = conversation_id, True
        self.messages, self.n_recorded, self._n_tries = messages, n_recorded, n_recorded

    def _record(self, message: Message) -> None:
        number = self.n_recorded
        self.n_recorded += 1
        self.workplace.journal.add_message(self.conversation_id, number, message.to_json())

    def _find_owner(self, name: str, kind: str, owners: Mapping[str, Session]) -> Session:
        if name not in owners:
            raise ToolError(f"There is no {kind} {name!r}.{suggest(name, owners)}")
        return owners[name]

    def _share_time(self) -> None:
        """Keep for each of several open tasks its part of the time."""
        sessions = self.open_tasks
        share_s = self.budget.time_left_s / max(1, len(sessions))
        for position, session in enumerate(sessions):
            session.budget.kept_s = share_s * (len(sessions) - 1 - position)


def _redact(message: Message, privacy: Privacy) -> Message:
    """The message without what the data say: results, and what the model may have quoted of them.

    Ids, numbers and names of experts are left; the planner finds its way by them.
    """
    match message.role:
        case "tool":
            return replace(message, text=dump(redact_result(json.loads(message.text))))
        case "assistant":
            calls = tuple(
                replace(call, arguments=_redact_arguments(call.arguments)) for call in message.calls
            )
            return replace(message, text="…", calls=calls, state=None)
        case "user" if privacy == "none":
            return replace(message, text=_hide_columns(message.text))
        case _:
            return message


def _redact_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _MASK if k in _QUOTING and v is not None else v for k, v in arguments.items()}


def _hide_columns(text: str) -> str:
    """What the person asked, without the names of columns that were told beside her words."""
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if isinstance(told, dict) and "tables" in told:
        told["tables"] = [{"name": table["name"]} for table in told["tables"]]
    return dump(told)


def _find_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from map(str, value)
        yield from chain.from_iterable(map(_find_texts, value.values()))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_find_texts, value))


def dump(value: Any) -> str:
    """JSON as messages carry it: one line, all characters that nobody sees escaped."""
    return escape_unseen(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
