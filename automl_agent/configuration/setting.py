"""The settings: their defaults, and how each is read from text or a value."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from automl_agent.cards.documents import dump_json
from automl_agent.configuration.duration import parse_duration
from automl_agent.errors import InputError

Value: TypeAlias = str | int | float | None
Privacy = Literal["schema", "sample", "none"]
NOTHING = "none"
# The strictest first.
PRIVACY_LEVELS: tuple[Privacy, ...] = ("none", "schema", "sample")
# What a project's file may make stricter only; the person who runs it has not read it.
TIGHTENED = frozenset({"privacy", "budget_usd", "budget_tokens", "knowledge.remember"})

# What a project's file may not set at all: it names a model to read or download.
PERSONAL = frozenset({"knowledge.encoder"})


@dataclass(frozen=True)
class Setting:
    """A setting in force. origin: what set it, for a person to read."""

    name: str
    value: Value
    origin: str


def name_variable(name: str) -> str:
    """The variable of the environment that sets a setting."""
    return f"AUTOML_AGENT_{name.upper().replace('.', '_')}"


def name_flag(name: str) -> str:
    """How a setting is called on the command line."""
    return f"--{name.replace('_', '-').replace('.', '-')}"


@dataclass(frozen=True)
class SettingType:
    """What a setting may be. read: the value that is meant; raises ValueError, or what float does.

    allowed: what is, for the message about what is not.
    """

    default: Value
    read: Callable[[object], Value]
    allowed: str


def read_setting(name: str, given: object, *, place: str) -> Value:
    """The value that was meant.

    place: where it was given, for the message.
    Raises: InputError if it is not allowed.
    """
    kind = SETTING_TYPES[name]
    try:
        return kind.read(given)
    except (ValueError, TypeError, KeyError, OverflowError) as exc:
        text = f"{place}: {dump_json(given)} is not allowed; allowed: {kind.allowed}."
        raise InputError(text) from exc


def is_looser(name: str, asked: Value, agreed: Value) -> bool:
    """Whether one of TIGHTENED would show, spend or keep more than another value."""
    if name == "privacy":
        return PRIVACY_LEVELS.index(_level(asked)) > PRIVACY_LEVELS.index(_level(agreed))
    if name == "knowledge.remember":
        return bool(asked) and not agreed
    if agreed is None:
        return False
    return asked is None or float(asked) > float(agreed)


def _level(value: Value) -> Privacy:
    return next(level for level in PRIVACY_LEVELS if level == value)


def _read_controller(given: object) -> str:
    name, separator, model = str(given).partition(":")
    if name != name.strip() or model != model.strip() or not name or bool(separator) != bool(model):
        raise ValueError
    return str(given)


def _read_privacy(given: object) -> str:
    if given not in ("schema", "sample", "none"):
        raise ValueError
    return str(given)


def _read_sandbox(given: object) -> str:
    if not str(given).strip():
        raise ValueError
    return str(given).strip()


def _read_encoder(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError
    return given.strip()


def _read_switch(given: object) -> bool:
    if isinstance(given, bool):
        return given
    return {"true": True, "false": False}[str(given).strip().lower()]


def _read_time(given: object) -> float:
    seconds = parse_duration(given) if isinstance(given, str) else _read_float(given)
    if seconds < 0:
        raise ValueError
    return seconds


def _read_count(given: object) -> int:
    number = _read_float(given)
    if number < 1 or number != int(number):
        raise ValueError
    return int(number)


def _read_tokens(given: object) -> int | None:
    return None if given == NOTHING else _read_count(given)


def _read_usd(given: object) -> float | None:
    if given == NOTHING:
        return None
    number = _read_float(given)
    if number <= 0:
        raise ValueError
    return number


def _read_float(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise TypeError
    number = float(given)
    if not math.isfinite(number):
        raise ValueError
    return number


_OR_NOTHING = f"or {NOTHING!r} for no limit"
SETTING_TYPES: Mapping[str, SettingType] = {
    "controller": SettingType("planner", _read_controller, "NAME or NAME:MODEL"),
    "privacy": SettingType("schema", _read_privacy, "schema, sample, none"),
    "budget_usd": SettingType(None, _read_usd, f"a number of more than 0, {_OR_NOTHING}"),
    "budget_tokens": SettingType(
        None, _read_tokens, f"a whole number of at least 1, {_OR_NOTHING}"
    ),
    "time": SettingType(300.0, _read_time, "a time such as 90s, 10m or 2h"),
    "trials": SettingType(20, _read_count, "a whole number of at least 1"),
    "sandbox": SettingType("auto", _read_sandbox, "auto, or the name of a sandbox"),
    "knowledge.encoder": SettingType(
        "all-MiniLM-L6-v2",
        _read_encoder,
        "the name of an encoder, the folder or hub name of a sentence-transformers model, or none",
    ),
    "knowledge.remember": SettingType(True, _read_switch, "true, false"),
    "knowledge.transfer": SettingType(True, _read_switch, "true, false"),
}
