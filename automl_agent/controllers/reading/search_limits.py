"""The time and the number of trials that a person's words allow: "at most 5 trials"."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from automl_agent.controllers.reading.feedback import read_feedback
from automl_agent.controllers.reading.reading import Feedback, Table, TaskWords
from automl_agent.controllers.reading.requests import read_request

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class SearchLimits:
    """Limits of a search; None where the words set none."""

    time_s: float | None = None
    n_trials: int | None = None


def read_search_limits(
    words: str, tables: Sequence[Table], *, experts: Mapping[str, str], metrics: Sequence[str]
) -> SearchLimits:
    """What the words allow for a whole request: as much as the task that may have the most."""
    tasks: Sequence[TaskWords | Feedback] = read_request(
        words, tables, experts=experts, metrics=metrics
    ).tasks
    tasks = tasks or [read_feedback(words, experts=experts, metrics=metrics)]
    return SearchLimits(
        time_s=_find_most(task.time_s for task in tasks),
        n_trials=_find_most(task.n_trials for task in tasks),
    )


def _find_most(limits: Iterable[_Number | None]) -> _Number | None:
    """The largest of them, None as soon as one sets no limit."""
    found = list(limits)
    known = [limit for limit in found if limit is not None]
    return max(known) if len(known) == len(found) else None
