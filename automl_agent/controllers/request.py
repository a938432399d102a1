"""The request: what the person asks for, and the limits she sets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePath
from typing import Any, get_args

from automl_agent.cards.data_card import SplitRule
from automl_agent.cards.metric import Task
from automl_agent.controllers.privacy import show_name
from automl_agent.errors import InputError, suggest
from automl_agent.sandboxes.sandbox import SandboxOptions

DEFAULT_TIME_S = 300.0
DEFAULT_TRIALS = 20
# Fields that a single name may stand for.
_LISTS = ("experts", "drop")


@dataclass(frozen=True)
class Request:
    """A request for one model of one table.

    table: a path, or a name for a DataFrame given from Python. holdout: likewise, or None to hold
    out a part of the table. experts: the names to choose from, all if empty.
    also: metrics to report beside the one that decides.
    constraints: what the model must keep, as texts. follows: the run that it is to improve.
    sandbox_options: what the person allows of a sandbox, and asks of it.
    early_stop: whether trials that cannot win are stopped, or not begun.
    """

    table: str
    target: str
    words: str = ""
    holdout: str | None = None
    task: Task | None = None
    metric: str | None = None
    experts: tuple[str, ...] = ()
    split: SplitRule | None = None
    drop: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    follows: str | None = None
    time_s: float = DEFAULT_TIME_S
    n_trials: int = DEFAULT_TRIALS
    seed: int = 0
    sandbox_options: SandboxOptions = field(default_factory=SandboxOptions)
    early_stop: bool = True

    def check(self) -> None:
        """Nothing, if the limits allow anything at all.

        Raises: InputError.
        """
        if not self.time_s > 0:
            raise InputError(f"--time {self.time_s:g}s leaves no time; give at least 5s.")
        if self.n_trials < 1:
            raise InputError(f"--trials {self.n_trials} leaves nothing to train; give at least 1.")
        if self.task is not None and self.task not in get_args(Task):
            raise InputError(f"There is no task {self.task!r}.{suggest(self.task, get_args(Task))}")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed} is negative; give 0 or more.")

    def to_told(self) -> dict[str, Any]:
        """What the controller is told of the request: no path, and nothing that is not set."""
        document = self.to_json() | {"table": show_name(PurePath(self.table).name)}
        hidden = ("words", "seed", "sandbox_options", "holdout", "early_stop")
        return {key: value for key, value in document.items() if value and key not in hidden}

    def to_json(self) -> dict[str, Any]:
        """The request as a JSON object."""
        return {
            "table": self.table,
            "target": self.target,
            "words": self.words,
            "holdout": self.holdout,
            "task": self.task,
            "metric": self.metric,
            "experts": list(self.experts),
            "split": self.split and {"kind": self.split.kind, "column": self.split.column},
            "drop": list(self.drop),
            "also": list(self.also),
            "constraints": list(self.constraints),
            "follows": self.follows,
            "time_s": self.time_s,
            "n_trials": self.n_trials,
            "seed": self.seed,
            "sandbox_options": asdict(self.sandbox_options),
            "early_stop": self.early_stop,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Request":
        """The request in a JSON object that `to_json` made, also an earlier version of it."""
        known = {name: document[name] for name in _NAMES if name in document}
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        split, options = known.get("split"), dict(known.get("sandbox_options", {}))
        options["allow_degraded"] = tuple(options.get("allow_degraded", ()))
        return cls(
            **{
                **known,
                **lists,
                "split": split and SplitRule(**split),
                "sandbox_options": SandboxOptions(**options),
            }
        )


_NAMES = tuple(each.name for each in fields(Request))


def read_fixed(fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a request as a person gives them, where a single name may stand for a list."""
    return {key: as_names(value) if key in _LISTS else value for key, value in fixed.items()}


def as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several, as several."""
    return (names,) if isinstance(names, str) else tuple(names)
