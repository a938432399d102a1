"""JSON documents and their schemas: reading, and messages that say what to change."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.assets import asset_path
from automl_agent.errors import CardError, suggest

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

type_names = {"object": "an object", "array": "a list", "integer": "a whole number"}


def read_document(path: Path) -> object:
    """The JSON document in a file.

    Raises: CardError if it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise CardError(f"{path}: cannot be read ({exc}).") from exc
    except (json.JSONDecodeError, RecursionError) as exc:
        raise CardError(f"{path}: is not JSON ({exc}).") from exc


def check_document(document: object, schema: str, *, source: str) -> None:
    """Nothing, if the document fits schemas/SCHEMA.schema.json.

    source: where the document comes from, for the message.
    Raises: CardError that names source, path in the document, value and what is allowed.
    """
    errors = find_errors(document, schema)
    first = next(errors, None)
    if first is not None:
        raise CardError(f"{source}: {first}")


def find_errors(document: object, schema: str) -> Iterator[str]:
    """One sentence for each place where the document does not fit, the most telling first."""
    from jsonschema.exceptions import relevance

    errors = sorted(validator(schema).iter_errors(document), key=relevance, reverse=True)
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
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    def retrieve(uri: str) -> "Resource[object]":
        _, _, kind, _ = uri.split(":")
        return Resource.from_contents(load_schema(kind))

    registry = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    return Draft202012Validator(load_schema(name), registry=registry)


def describe_error(error: "ValidationError") -> str:
    """Path, value and what is allowed, in one sentence."""
    place = "/" + "/".join(str(part) for part in error.absolute_path)
    return f"at {place}: {_explain(error)}"


def _explain(error: "ValidationError") -> str:
    value = _shorten(error.instance)
    expected = error.validator_value
    match error.validator:
        case "enum":
            allowed = [str(choice) for choice in expected]
            return f"{value} is not allowed; allowed: {', '.join(allowed)}."
        case "type":
            names = [expected] if isinstance(expected, str) else expected
            return f"{value} must be {' or '.join(type_names.get(n, f'a {n}') for n in names)}."
        case "required":
            missing = [name for name in expected if name not in error.instance]
            return f"the field {missing[0]!r} is missing."
        case "additionalProperties" | "unevaluatedProperties":
            return _explain_unknown_field(error)
        case _:
            return f"{value} is not allowed: {_shorten(error.message, quote=False)}."


def _explain_unknown_field(error: "ValidationError") -> str:
    schema = error.schema
    known = list(schema.get("properties", ())) if isinstance(schema, Mapping) else []
    unknown = [name for name in error.instance if name not in known]
    return f"the field {unknown[0]!r} is unknown.{suggest(unknown[0], known)}"


def _deepest(error: "ValidationError") -> "ValidationError":
    # For `oneOf` the branch that got furthest tells more than "matches none".
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return error


def _shorten(value: object, *, quote: bool = True, n_characters: int = 80) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if quote else str(value)
    return text if len(text) <= n_characters else text[: n_characters - 1] + "…"
