"""What a person's words ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl_agent.cards.data_card import SplitRule
from automl_agent.cards.metric import Task


@dataclass(frozen=True)
class Table:
    """A table that words may be about: a file's name or path, and its header.

    roles: column → its role in a data card, where it is known.
    """

    name: str
    columns: tuple[str, ...]
    roles: Mapping[str, str] = field(default_factory=dict)


def list_told_tables(told: Mapping[str, Any]) -> list[Table]:
    """The tables in what a controller is told of a request."""
    return [Table(t["name"], tuple(t.get("columns", ()))) for t in told.get("tables", ())]


@dataclass(frozen=True)
class TaskWords:
    """One model that the words ask for.

    experts: the names to choose from, all if empty.
    constraints: such as "predict_ms_per_row <= 1", "accuracy >= earlier - 1 %" or "smaller".
    time_s, n_trials: limits; None where the words set none.
    description: the words about this task.
    """

    table: str
    target: str
    task: Task | None = None
    metric: str | None = None
    experts: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    split: SplitRule | None = None
    time_s: float | None = None
    n_trials: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Reading:
    """The tasks in a request.

    problem: what of the request is impossible or unclear, with the next step; empty if nothing is.
    """

    tasks: tuple[TaskWords, ...]
    problem: str = ""


@dataclass(frozen=True)
class Feedback:
    """What is to change in the next round of an earlier task.

    experts: only these, all if empty. drop: columns in the person's words, as no table is given.
    is_understood: whether anything was.
    """

    constraints: tuple[str, ...] = ()
    experts: tuple[str, ...] = ()
    excluded_experts: tuple[str, ...] = ()
    metric: str | None = None
    drop: tuple[str, ...] = ()
    n_trials: int | None = None
    time_s: float | None = None
    is_understood: bool = False
