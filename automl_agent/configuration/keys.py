"""Keys of endpoints: in the environment, in a keyring, or in a file that only the user may read.

A stored key belongs to a base URL, and is found for no other.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from automl_agent.cards.documents import parse_json
from automl_agent.configuration.endpoint import Endpoint, Key
from automl_agent.configuration.files import key_path, read_text, write_text
from automl_agent.configuration.keyring_store import (
    delete_from_keyring,
    read_from_keyring,
    write_to_keyring,
)
from automl_agent.errors import InputError

KEYRING = "keyring"


def find_key(endpoint: Endpoint, *, environ: Mapping[str, str] | None = None) -> Key | None:
    """The key for an endpoint: from its variable, else the keyring, else the file of keys.

    Raises: InputError if the key cannot be one, or others may read the file.
    """
    if not endpoint.base_url:
        return None
    variable = endpoint.key_variable
    given = (os.environ if environ is None else environ).get(variable) if variable else None
    if given:
        return _make_key(given, str(variable))
    kept = read_from_keyring(endpoint.base_url)
    if kept:
        return _make_key(kept, KEYRING)
    path = key_path(environ)
    filed = _read_keys(path).get(endpoint.base_url)
    return _make_key(filed, str(path)) if filed else None


def store_key(endpoint: Endpoint, secret: str, *, environ: Mapping[str, str] | None = None) -> str:
    """Where the key was put: the keyring if one can be used, else the file of keys.

    Raises: InputError if it cannot be a key, or the file cannot be used.
    """
    _make_key(secret, "The key that was given")
    if write_to_keyring(endpoint.base_url, secret):
        return KEYRING
    path = key_path(environ)
    _write_keys(path, {**_read_keys(path), endpoint.base_url: secret})
    return str(path)


def forget_key(endpoint: Endpoint, *, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Where the key was, and is no longer; a variable of the environment stays as it is.

    Raises: InputError if the file of keys cannot be used.
    """
    path = key_path(environ)
    keys = _read_keys(path)
    places = (KEYRING,) if delete_from_keyring(endpoint.base_url) else ()
    if endpoint.base_url not in keys:
        return places
    del keys[endpoint.base_url]
    _write_keys(path, keys)
    return (*places, str(path))


def explain_missing_key(endpoint: Endpoint) -> str:
    """What to do about it, in one sentence."""
    variable = f"set {endpoint.key_variable}, or " if endpoint.key_variable else ""
    note = f" ({endpoint.key_note})" if endpoint.key_note else ""
    return (
        f"There is no key for the endpoint {endpoint.name!r}{note}: {variable}store one with: "
        f"automl-agent config set-key {endpoint.name}"
    )


def _make_key(secret: str, origin: str) -> Key:
    """The key. It goes into a header of HTTP, where nothing but these characters may stand."""
    if not re.fullmatch(r"[!-~]+", secret):
        raise InputError(
            f"{origin}: this is no key: it is empty, or has a space, a line break or another "
            "character that no key has; give it again."
        )
    return Key(secret, origin)


def _read_keys(path: Path) -> dict[str, str]:
    """The keys by base URL. What the file holds is not in a message: it may be a key."""
    text = read_text(path, is_secret=True)
    if text is None:
        return {}
    try:
        keys = parse_json(text)
    except ValueError:
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise InputError(
            f"{path}: is no JSON object of base URLs and keys; remove it, and store each key again "
            "with: automl-agent config set-key NAME"
        )
    return keys


def _write_keys(path: Path, keys: Mapping[str, str]) -> None:
    write_text(path, json.dumps(keys, indent=1, sort_keys=True) + "\n")
