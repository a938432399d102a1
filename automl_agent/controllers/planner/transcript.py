"""What the messages of a conversation tell: the requests, and each call with its result."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_agent.chat_models.chat_model import Message

# In the journal, the number of messages that were left when a request was taken back.
UNDONE = "undone"
# In a note to the controller, the tasks whose models were delivered without a call of it.
DELIVERED = "delivered"
# In the result of a profile, the tasks that were not trained because this one was asked for.
REPLACES = "replaces"
_TRAINING = ("train", "tune")


@dataclass(frozen=True)
class Step:
    """A call and its result. task_id: the task that it was about, None if that is not known."""

    name: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]
    is_error: bool
    task_id: str | None = None


@dataclass(frozen=True)
class Transcript:
    """The person's last request, what was done for it, and for the requests before it.

    delivered: the tasks whose models were delivered when a request ended early.
    """

    request: Mapping[str, Any]
    steps: tuple[Step, ...]
    earlier: tuple[Step, ...]
    delivered: frozenset[str] = frozenset()

    def of_task(self, task_id: str) -> list[Step]:
        """The steps of a task, in whatever round they were.

        A training that was declined or stopped in an earlier round can be asked for again.
        """
        earlier = [s for s in self.earlier if not (s.is_error and s.name in _TRAINING)]
        return [s for s in (*earlier, *self.steps) if s.task_id == task_id]

    def new_tasks(self) -> list[str]:
        """The ids of the tasks that were begun for the last request."""
        return _begun(self.steps)

    def open_tasks(self) -> list[str]:
        """The ids of earlier tasks that are not finished."""
        steps = (*self.earlier, *self.steps)
        replaced = {task for step in steps for task in step.result.get(REPLACES, ())}
        begun = _begun(self.earlier)
        return [t for t in begun if t not in replaced and not self.is_finished(t)]

    def finished_tasks(self) -> list[str]:
        """The ids of the tasks that have a result."""
        begun = _begun((*self.earlier, *self.steps))
        return [task_id for task_id in begun if self.is_finished(task_id)]

    def is_finished(self, task_id: str) -> bool:
        """Whether a task has a result."""
        return task_id in self.delivered or any(
            step.name == "finish" and task_id in (step.result.get("delivered") or {})
            for step in (*self.earlier, *self.steps)
        )

    def is_closed(self, task_id: str) -> bool:
        """Whether a task has a result, or was finished without one."""
        return self.is_finished(task_id) or any(
            step.name == "finish" and step.arguments.get("task_id") == task_id
            for step in self.steps
        )


def read_transcript(messages: Sequence[Message]) -> Transcript:
    """What messages tell; the planner has no other memory."""
    request: Mapping[str, Any] = {}
    start = 0
    for position, message in enumerate(messages):
        told = _read_request(message)
        if told is not None:
            request, start = told, position
    steps = list(_read_steps(messages))
    return Transcript(
        request,
        tuple(step for position, step in steps if position > start),
        tuple(step for position, step in steps if position <= start),
        frozenset(task for message in messages for task in _read_note(message).get(DELIVERED, ())),
    )


def find_last_request(messages: Sequence[Message]) -> int | None:
    """The position of the person's last request, None if she made none."""
    found = (i for i, message in enumerate(messages) if _read_request(message) is not None)
    return max(found, default=None)


def list_requests(messages: Sequence[Message]) -> list[Mapping[str, Any]]:
    """What the person asked, one request after the other."""
    return [told for told in map(_read_request, messages) if told is not None]


def restore_messages(documents: Iterable[Mapping[str, Any]]) -> list[Message]:
    """The messages of a conversation from its journal, without what was taken back."""
    messages: list[Message] = []
    for message in map(Message.from_json, documents):
        n_left = _find_undone(message)
        if n_left is None:
            messages.append(message)
        else:
            del messages[n_left:]
    return messages


def _find_undone(message: Message) -> int | None:
    n_left: int | None = _read_note(message).get(UNDONE)
    return n_left


def _read_request(message: Message) -> Mapping[str, Any] | None:
    """What the person asked; None for what only keeps a model going."""
    told = _read_note(message)
    return told if "words" in told else None


def _read_note(message: Message) -> Mapping[str, Any]:
    """A message from the person's side as an object; empty if it is none."""
    if message.role != "user":
        return {}
    try:
        told = json.loads(message.text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _read_steps(messages: Sequence[Message]) -> Iterator[tuple[int, Step]]:
    """Each call that has a result, with the position of the result."""
    calls = {call.call_id: call for message in messages for call in message.calls}
    owners: dict[str, str] = {}
    last: str | None = None
    for position, message in enumerate(messages):
        if message.role != "tool" or message.call_id not in calls:
            continue
        call = calls[message.call_id]
        result = json.loads(message.text)
        task_id = result.get("task_id") or call.arguments.get("task_id")
        plan_id = call.arguments.get("plan_id")
        if task_id is None and call.name != "finish":
            task_id = owners.get(str(plan_id), last)
        if call.name == "profile_dataset" and not message.is_error:
            last = task_id
        if "plan_id" in result and task_id is not None:
            owners[str(result["plan_id"])] = task_id
        yield position, Step(call.name, call.arguments, result, message.is_error, task_id)


def _begun(steps: Sequence[Step]) -> list[str]:
    profiled = (s for s in steps if s.name == "profile_dataset" and not s.is_error)
    return list(dict.fromkeys(str(step.task_id) for step in profiled))
