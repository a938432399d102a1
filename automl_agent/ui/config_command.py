"""`automl-agent config`: what is in force and what set it, changing it, and keeping keys."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.configuration.configuration import DEFAULT, Configuration, load_configuration
from automl_agent.configuration.duration import format_duration
from automl_agent.configuration.endpoints import ConfiguredEndpoint
from automl_agent.configuration.example import EXAMPLE
from automl_agent.configuration.files import find_project_file, key_path, user_path
from automl_agent.configuration.keys import KEYRING, find_key, forget_key, store_key
from automl_agent.configuration.setting import Setting
from automl_agent.configuration.user_file import set_value, unset_value
from automl_agent.errors import InputError
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.rendering import show_table
from automl_agent.ui.test_model_command import test_model

_MAX_KEY_BYTES = 100_000


@click.group(invoke_without_command=True)
@output_format
@click.pass_context
def config(ctx: click.Context, output_format: str) -> None:
    """Show all settings and endpoints and what set them; the commands change them."""
    if ctx.invoked_subcommand is not None:
        return
    configuration = load_configuration()
    endpoints = [describe_endpoint(c) for c in configuration.configured_endpoints.values()]
    if output_format == "json":
        settings = [asdict(setting) for setting in configuration.values.values()]
        print_json({"settings": settings, "endpoints": endpoints})
    else:
        show_configuration(configuration, endpoints)


def describe_endpoint(configured: ConfiguredEndpoint) -> dict[str, Any]:
    """The fields of an endpoint and what set them, and where its key is; never the key."""
    key = find_key(configured.endpoint)
    return {
        **asdict(configured.endpoint),
        "key_origin": key.origin if key else None,
        "origins": dict(configured.origins),
    }


def show_configuration(configuration: Configuration, endpoints: list[dict[str, Any]]) -> None:
    """Two tables: the settings, and the endpoints."""
    settings = configuration.values.values()
    rows = [[setting.name, _format_value(setting), setting.origin] for setting in settings]
    show_table(["setting", "value", "from"], rows)
    headers = ["endpoint", "protocol", "base URL", "model", "key", "from"]
    show_table(headers, [_endpoint_row(endpoint) for endpoint in endpoints])
    for endpoint in endpoints:
        if endpoint["key_note"]:
            click.echo(escape_unseen(f"Note: {endpoint['key_note']}."))


@config.command()
@output_format
def path(output_format: str) -> None:
    """Where the files lie, and whether they are there."""
    found = find_project_file()
    files = {"user's file": user_path(), "project's file": found, "keys": key_path()}
    if output_format == "json":
        print_json({"files": [_describe_file(what, file) for what, file in files.items()]})
        return
    rows = [[what, str(file or "-"), _say_whether_there(file)] for what, file in files.items()]
    show_table(["file", "path", ""], rows)


@config.command("set")
@click.argument("name")
@click.argument("value")
def set_setting(name: str, value: str) -> None:
    """Set NAME to VALUE in your file.

    For example: trials 5, or endpoints.ollama.model qwen3:8b. Comments in the file stay.
    """
    path = set_value(name, value)
    click.echo(escape_unseen(f"{path}: {name} is set."))
    _warn_of_higher(name, path)


@config.command("unset")
@click.argument("name")
def unset_setting(name: str) -> None:
    """Take NAME out of your file.

    For example: trials, endpoints.lab.model, or all of endpoints.lab.
    """
    path = unset_value(name)
    click.echo(escape_unseen(f"{path}: {name} is no longer set."))
    _warn_of_higher(name, path)


@config.command("set-key")
@click.argument("endpoint")
@click.argument("rest", nargs=-1, metavar="")
@click.option("--stdin", "is_piped", is_flag=True, help="Read the key from standard input.")
def set_key(endpoint: str, rest: tuple[str, ...], *, is_piped: bool) -> None:
    """Keep the key of ENDPOINT.

    It goes into the keyring of the desktop, or else into a file that only you may read. It is
    sent to the address that the endpoint has now, and to no other.
    """
    if rest:
        raise InputError(
            "A key is never an argument: others would see it in the list of processes, and you in "
            "the shell's history; leave it out, and give it when asked or with --stdin."
        )
    found = load_configuration().find_endpoint(endpoint)
    secret = _read_piped_key() if is_piped else _ask_key(endpoint)
    place = store_key(found, secret)
    click.echo(escape_unseen(f"The key for {found.base_url} is kept in {_name_place(place)}."))
    key = find_key(found)
    if key is not None and key.origin != place:
        click.echo(escape_unseen(f"Note: the key in {key.origin} counts for more."), err=True)


@config.command("forget-key")
@click.argument("endpoint")
def forget_stored_key(endpoint: str) -> None:
    """Remove the key of ENDPOINT.

    It leaves the keyring and the file of keys; a variable of the environment stays as it is.
    """
    found = load_configuration().find_endpoint(endpoint)
    places = " and ".join(map(_name_place, forget_key(found)))
    text = f"removed from {places}" if places else "kept nowhere"
    click.echo(escape_unseen(f"The key for {found.base_url} is {text}."))
    key = find_key(found)
    if key is not None:
        click.echo(escape_unseen(f"Note: there is still a key in {key.origin}."), err=True)


@config.command()
def example() -> None:
    """Print a file to start from, with everything that can be set."""
    click.echo(EXAMPLE, nl=False)


config.add_command(test_model)


def _endpoint_row(endpoint: Mapping[str, Any]) -> list[str]:
    origin = endpoint["key_origin"]
    return [
        endpoint["name"],
        endpoint["protocol"],
        endpoint["base_url"] or "-",
        endpoint["model"] or "-",
        f"yes, from {_name_place(origin)}" if origin else "no",
        _describe_origins(endpoint["origins"]),
    ]


def _describe_origins(origins: Mapping[str, str]) -> str:
    """What set which fields; those that nothing set are built in."""
    fields: dict[str, list[str]] = {}
    for field, origin in origins.items():
        fields.setdefault(origin, []).append(field)
    texts = [f"{', '.join(names)} from {origin}" for origin, names in fields.items()]
    return "; ".join(texts) or "built in"


def _format_value(setting: Setting) -> str:
    if setting.value is None:
        return "no limit"
    if setting.name == "time":
        return format_duration(float(setting.value))
    if isinstance(setting.value, bool):
        return str(setting.value).lower()  # as in the file
    return str(setting.value)


def _describe_file(what: str, file: Path | None) -> dict[str, Any]:
    text = None if file is None else str(file)
    return {"file": what, "path": text, "exists": file is not None and file.exists()}


def _say_whether_there(file: Path | None) -> str:
    return "there" if file is not None and file.exists() else "not there"


def _name_place(place: str) -> str:
    return "the keyring" if place == KEYRING else place


def _warn_of_higher(name: str, path: Path) -> None:
    setting = load_configuration().values.get(name)
    if setting is not None and setting.origin not in (str(path), DEFAULT):
        text = f"Note: {setting.origin} counts for more, and says {setting.value}."
        click.echo(escape_unseen(text), err=True)


def _read_piped_key() -> str:
    """The line on standard input; its end is no part of the key."""
    # What is not UTF-8 cannot be a key, which is then said like of any other.
    text = sys.stdin.buffer.read(_MAX_KEY_BYTES).decode(errors="replace")
    return text.removesuffix("\n").removesuffix("\r")


def _ask_key(endpoint: str) -> str:
    if not sys.stdin.isatty():
        raise InputError("There is no terminal to ask for the key; pipe it in with --stdin.")
    key: str = click.prompt(f"The key for {endpoint} (not shown)", hide_input=True, err=True)
    return key
