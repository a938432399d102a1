"""Changing the user's own file as a person would: comments and order stay."""

import tomllib
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.documents import load_schema
from automl_agent.configuration.configuration import check_user_document
from automl_agent.configuration.files import parse_toml, read_text, user_path, write_text
from automl_agent.errors import InputError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def set_value(name: str, text: str, *, environ: Mapping[str, str] | None = None) -> Path:
    """The file in which the setting NAME, or endpoints.NAME.FIELD, now has the value of the text.

    Raises: InputError if the file cannot be used or may not say that; it is then as it was.
    """
    path = user_path(environ)
    document = _read(path)
    *parents, field = _split(name)
    _find_table(document, parents, path)[field] = _read_value(parents, field, text)
    _write(document, path)
    return path


def unset_value(name: str, *, environ: Mapping[str, str] | None = None) -> Path:
    """The file which no longer has the setting NAME, endpoints.NAME.FIELD, or endpoints.NAME.

    Raises: InputError if it had not, or the file cannot be used; it is then as it was.
    """
    path = user_path(environ)
    document = _read(path)
    *parents, field = _split(name)
    table = _find_table(document, parents, path)
    if field not in table:
        raise InputError(f"{path}: does not set {name!r}, so there is nothing to unset.")
    del table[field]
    _write(document, path)
    return path


def _split(name: str) -> list[str]:
    parts = name.split(".")
    if not all(parts):
        raise InputError(f"{name!r} is no name; write for example trials, endpoints.ollama.model.")
    return parts


def _read(path: Path) -> "TOMLDocument":
    import tomlkit

    text = read_text(path) or ""
    parse_toml(text, path)  # says where it is not TOML
    try:
        return tomlkit.parse(text)
    except ValueError as exc:
        raise InputError(f"{path}: cannot be changed by a command; change it there.") from exc


def _find_table(document: "TOMLDocument", names: list[str], path: Path) -> MutableMapping[str, Any]:
    """The table at the end of the names; those that are missing are made."""
    import tomlkit

    table: MutableMapping[str, Any] = document
    for position, name in enumerate(names):
        if name not in table:
            # Only the last gets a heading of its own, as in [endpoints.ollama].
            table[name] = tomlkit.table(is_super_table=position < len(names) - 1)
        table = table[name]
        if not isinstance(table, MutableMapping):
            raise InputError(f"{path}: {name!r} is not a table, so nothing can be set in it.")
    return table


def _write(document: "TOMLDocument", path: Path) -> None:
    import tomlkit

    text = tomlkit.dumps(document)
    check_user_document(parse_toml(text, path), path)
    write_text(path, text)


def _read_value(parents: list[str], field: str, text: str) -> object:
    """What the text stands for where the schema wants more than text; the text if that fails."""
    schema: Mapping[str, Any] = load_schema("configuration")
    if parents[:1] == ["endpoints"]:
        kind = schema["$defs"]["endpoint"]
    else:
        kind = schema["properties"].get(parents[0], {}) if parents else schema
    allowed = kind.get("properties", {}).get(field, {}).get("type", "string")
    if allowed == "string":
        return text
    try:
        values = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return values["value"] if values.keys() == {"value"} else text
