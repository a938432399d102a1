"""Each call of a tool in one line: what it was about, and what came of it in a few words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl_agent.ui.rendering import format_number

Fields = Mapping[str, Any]
_MAX_WORDS = 160
_MAX_NAMES = 4
# The arguments that tell a call from the next one of the same tool.
_TELLING = {
    "profile_dataset": ("data", "target", "follows", "constraints"),
    "search_experts": ("query",),
    "assign_expert": ("expert",),
    "write_script": ("plan_id", "script"),
    "set_hyperparameters": ("plan_id",),
    "predict_training_log": ("plan_id",),
    "train": ("plan_id",),
    "tune": ("plan_id",),
    "read_training_log": ("trial_id",),
    "ask_user": ("question",),
    "finish": ("task_id",),
    "compare_trials": ("task_id",),
}


@dataclass(frozen=True)
class CallRecord:
    """A call that was answered, numbered from 1 in the order in which the person saw them."""

    number: int
    name: str
    arguments: Fields
    outcome: Fields
    is_error: bool

    @property
    def has_failed(self) -> bool:
        """Whether nothing came of it."""
        is_failed_trial = self.name == "train" and self.outcome.get("valid_score", 0) is None
        return self.is_error or is_failed_trial

    def describe(self) -> str:
        """The call in one line, without line ends."""
        mark = "✗" if self.has_failed else "✓"
        about = describe_arguments(self.name, self.arguments)
        told = self.outcome.get("error") if self.is_error else describe_outcome(self)
        line = f"  {mark} {self.number} {self.name} {about}".rstrip()
        return f"{line}  {_shorten(str(told))}" if told else line


def describe_arguments(name: str, arguments: Fields) -> str:
    """The arguments that tell."""
    names = _TELLING.get(name, tuple(arguments))
    values = (arguments[key] for key in names if arguments.get(key) not in (None, "", []))
    return _shorten(" ".join(map(_write_value, values)), 70)


def describe_outcome(call: CallRecord) -> str:
    """What came of a call that went well, in a few words."""
    describe = _DESCRIPTIONS.get(call.name)
    try:
        if describe is not None:
            return describe(call)
    except (KeyError, TypeError, AttributeError, IndexError):
        pass  # a plugin may have put its own tool in the place of ours
    return _write_value(call.outcome)


def _describe_profile(call: CallRecord) -> str:
    card = call.outcome["data_card"]
    parts = [f"{card['n_rows']} rows"]
    if "n_features" in card:
        parts.append(f"{card['n_features']} features")
    parts += [card["task"].replace("_", " "), str(card["metric"])]
    hints = [hint["kind"].replace("_", " ") for hint in card.get("hints", ())]
    return ", ".join(parts) + (f"; look at: {', '.join(hints)}" if hints else "")


def _describe_search(call: CallRecord) -> str:
    names = [found["expert"] for found in call.outcome["experts"]]
    listed = ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")
    n_unfit = len(call.outcome.get("unfit", ()))
    unfit = f"; {n_unfit} do not" if n_unfit else ""
    return f"{len(names)} fit: {listed}{unfit}" if names else f"none fits{unfit}"


def _describe_assignment(call: CallRecord) -> str:
    return str(call.arguments["reason"])


def _describe_script(call: CallRecord) -> str:
    who = "the controller" if call.arguments.get("text") else "the expert"
    return f"{call.outcome['n_lines']} lines by {who}"


def _describe_settings(call: CallRecord) -> str:
    return ", ".join(f"{name} {_write_value(v)}" for name, v in call.outcome["settings"].items())


def _describe_log(call: CallRecord) -> str:
    final = call.outcome["final"]
    low, high = format_number(final["low"]), format_number(final["high"])
    return f"{format_number(final['median'])} ({low} to {high}) after {final['step']} steps"


def _describe_training(call: CallRecord) -> str:
    outcome = call.outcome
    if outcome["valid_score"] is None:
        return str(outcome["status"])
    return f"{format_number(outcome['valid_score'])} in {outcome['seconds']:.1f} s"


def _describe_tuning(call: CallRecord) -> str:
    best, n_trials = call.outcome["best"], call.outcome["n_trials"]
    found = f"best {format_number(best['valid_score'])} of " if best else ""
    return f"{found}{n_trials} trials. {call.outcome['stopped']}".strip().rstrip(".")


def _describe_comparison(call: CallRecord) -> str:
    trials = [t for t in call.outcome["trials"] if t["valid_score"] is not None]
    if not trials:
        return "no trial has a score"
    best = f"{trials[0]['trial_id']} {format_number(trials[0]['valid_score'])}"
    return f"{call.outcome['n_trials']} trials, best {best}"


def _describe_records(call: CallRecord) -> str:
    return f"{len(call.outcome['records'])} points"


def _describe_answer(call: CallRecord) -> str:
    return str(call.outcome["answer"] or "no answer")


def _describe_end(call: CallRecord) -> str:
    delivered = call.outcome["delivered"] or {}
    listed = ", ".join(f"{task}: {told['model']}" for task, told in delivered.items())
    return f"delivered {listed}" if listed else "nothing to deliver"


_DESCRIPTIONS = {
    "profile_dataset": _describe_profile,
    "search_experts": _describe_search,
    "assign_expert": _describe_assignment,
    "write_script": _describe_script,
    "set_hyperparameters": _describe_settings,
    "predict_training_log": _describe_log,
    "train": _describe_training,
    "tune": _describe_tuning,
    "compare_trials": _describe_comparison,
    "read_training_log": _describe_records,
    "ask_user": _describe_answer,
    "finish": _describe_end,
}


def _write_value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _shorten(text: str, n_characters: int = _MAX_WORDS) -> str:
    line = " ".join(text.split())
    return line if len(line) <= n_characters else line[: n_characters - 1] + "…"
