"""JSON documents and their schemas: reading, and messages that say what to change."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from automl_agent.assets import asset_path
from automl_agent.errors import CardError, suggest

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator
    from referencing import Registry

# A JSON value whose shape a schema tells, which Python's types cannot.
Json: TypeAlias = Any

_TYPE_NAMES = {
    "object": "an object",
    "array": "a list",
    "integer": "a whole number",
    "null": "null",
}
_ALLOWED = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "minLength": "{} or more characters",
    "minItems": "{} or more items",
    "maxItems": "{} or fewer items",
    "uniqueItems": "items that differ",
    "pattern": "text that matches {}",
}
# More than any number has that fits a float, and less than Python refuses to read.
_MAX_DIGITS = 400
# Control, format, surrogate and private-use characters and line separators could hide or repaint
# text in front of the person who reads it.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def read_document(path: Path) -> object:
    """The JSON document in a file.

    Raises: CardError if it cannot be read or is not JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise CardError(f"{path}: cannot be read ({exc.strerror or exc}).") from exc
    except UnicodeDecodeError as exc:
        raise CardError(f"{path}: cannot be read, because it is not UTF-8 text.") from exc
    except ValueError as exc:
        raise CardError(f"{path}: is not JSON ({exc}).") from exc


def parse_json(text: str) -> object:
    """The value that a JSON text stands for.

    Python's own parser also takes NaN, numbers beyond a float, and a field that is there twice.
    Raises: ValueError if the text is not JSON.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique_fields,
            parse_constant=_refuse_number,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


def dump_json(value: object) -> str:
    """The value as JSON on one line, with escapes for all characters that a reader would not see.

    A value that JSON does not know is written as its text.
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isascii() and text.isprintable() else escape_unseen(text)


def escape_unseen(text: str) -> str:
    """The text with escapes for all characters that a reader would not see."""
    return "".join(map(_escape, text))


def check_document(document: object, schema: str | Mapping[str, Json], *, source: str) -> None:
    """Nothing, if the document fits schemas/SCHEMA.schema.json, or a schema that refers to those.

    source: where the document comes from, for the message.
    Raises: CardError that names source, path in the document, value and what is allowed.
    """
    first = next(find_errors(document, schema), None)
    if first is not None:
        raise CardError(f"{source}: {first}")


def find_errors(document: Json, schema: str | Mapping[str, Json]) -> Iterator[str]:
    """One sentence for each place where the document does not fit, the most telling first."""
    from jsonschema.exceptions import relevance

    validate = validator(schema) if isinstance(schema, str) else _create_validator(schema)
    errors = sorted(validate.iter_errors(document), key=relevance, reverse=True)
    # What a condition asks for says little as long as the value that it rests on is wrong.
    errors.sort(key=lambda error: not {"then", "else"}.isdisjoint(error.absolute_schema_path))
    return (describe_error(_deepest(error)) for error in errors)


@cache
def load_schema(name: str) -> dict[str, object]:
    """The schema NAME as shipped in schemas/."""
    schema = json.loads(asset_path("schemas", f"{name}.schema.json").read_text(encoding="utf-8"))
    assert isinstance(schema, dict)
    return schema


@cache
def validator(name: str) -> "Validator":
    """The validator of the schema NAME, which may refer to the other schemas by their `$id`."""
    return _create_validator(load_schema(name))


def describe_error(error: "ValidationError") -> str:
    """Path, value and what is allowed, in one sentence."""
    place = "/".join(dump_json(str(part))[1:-1] for part in error.absolute_path)
    return f"at /{place}: {_explain(error)}"


def _create_validator(schema: Mapping[str, Json]) -> "Validator":
    create, registry = _validator_parts()
    return create(schema, registry=registry)


@cache
def _validator_parts() -> "tuple[Callable[..., Validator], Registry[Json]]":
    """The class of validators, for which NaN is no number, and where it finds other schemas."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry, Resource

    def retrieve(uri: str) -> "Resource[object]":
        _, _, kind, _ = uri.split(":")
        return Resource.from_contents(load_schema(kind))

    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"number": _is_number, "integer": _is_whole_number}
    )
    create = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, type_checker=types
    )
    return create, Registry(retrieve=retrieve)  # type: ignore[call-arg]


def _is_number(checker: object, value: object) -> bool:
    del checker
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_whole_number(checker: object, value: object) -> bool:
    return _is_number(checker, value) and value == int(value)  # type: ignore[call-overload]


def _is_finite(number: float) -> bool:
    return abs(number) <= sys.float_info.max


def _explain(error: "ValidationError") -> str:
    instance: Json = error.instance
    expected: Json = error.validator_value
    value = _shorten(dump_json(instance))
    match error.validator:
        case "enum":
            return f"{value} is not allowed; allowed: {_list_choices(expected)}."
        case "const":
            return f"{value} is not allowed; allowed: {_list_choices(_alternatives(error))}."
        case "type":
            names = [_TYPE_NAMES.get(name, f"a {name}") for name in _alternatives(error)]
            return f"{value} must be {' or '.join(names)}."
        case "required":
            missing = [name for name in expected if name not in instance]
            return f"the field {missing[0]!r} is missing."
        case "additionalProperties" | "unevaluatedProperties" if unknown := _unknown_fields(error):
            return f"the field {unknown[0]!r} is unknown.{suggest(unknown[0], _known(error))}"
        case "not" if fields := [name for name in _required(expected) if name in instance]:
            return f"the field {fields[0]!r} does not go with the others."
        case kind if kind in _ALLOWED:
            return f"{value} is not allowed; allowed: {_ALLOWED[str(kind)].format(expected)}."
        case _:
            return f"{value} is not allowed: {_shorten(error.message)}."


def _unknown_fields(error: "ValidationError") -> list[str]:
    instance: Json = error.instance
    return [str(name) for name in instance if name not in _known(error)]


def _known(error: "ValidationError") -> list[str]:
    return list(error.schema.get("properties", ())) if isinstance(error.schema, Mapping) else []


def _alternatives(error: "ValidationError") -> list[Json]:
    """What is allowed at the error's place, in all branches of a `oneOf` together."""
    siblings = (error.parent.context if error.parent else None) or [error]
    allowed: list[Json] = []
    for sibling in siblings:
        if (sibling.validator, sibling.path) == (error.validator, error.path):
            value = sibling.validator_value
            allowed.extend(value if isinstance(value, list) else [value])
    return [value for index, value in enumerate(allowed) if value not in allowed[:index]]


def _list_choices(choices: list[object]) -> str:
    return ", ".join(c if isinstance(c, str) else dump_json(c) for c in choices)


def _required(schema: Mapping[str, Json]) -> list[str]:
    """The fields that a schema asks for, itself or in a branch."""
    branches = schema.get("anyOf", ())
    inner = [name for branch in branches for name in _required(branch)]
    return [*schema.get("required", ()), *inner]


def _deepest(error: "ValidationError") -> "ValidationError":
    while error.context:
        error = max(_meant_branch(error), key=lambda inner: len(inner.path))
    return error


def _meant_branch(error: "ValidationError") -> list["ValidationError"]:
    """The errors in the branch of a `oneOf` that the document means: its type and constants fit."""
    branches: dict[object, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)

    def count_misfits(branch: list["ValidationError"]) -> tuple[int, int]:
        n_types = sum(inner.validator == "type" and not inner.path for inner in branch)
        return n_types, sum(inner.validator == "const" for inner in branch)

    return min(branches.values(), key=count_misfits)


def _shorten(text: str, *, n_characters: int = 80) -> str:
    return text if len(text) <= n_characters else text[: n_characters - 1] + "…"


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN_CATEGORIES:
        return character
    # JSON writes characters beyond U+FFFF as two escapes.
    return json.dumps(character)[1:-1] if character > "\x7f" else f"\\u{ord(character):04x}"


def _unique_fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {double!r} is there twice")
    return fields


def _parse_float(text: str) -> float:
    number = float(text)
    return number if _is_finite(number) else _refuse_number(text)


def _parse_int(text: str) -> float:
    number = int(text[:_MAX_DIGITS])
    return number if _is_finite(number) else _refuse_number(text)


def _refuse_number(text: str) -> float:
    raise ValueError(f"{_shorten(text)} is not a finite number")
