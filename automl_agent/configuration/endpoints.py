"""The endpoints: those built in, and what the user's own file changes or adds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from automl_agent.configuration.base_url import normalise_base_url
from automl_agent.configuration.endpoint import Endpoint
from automl_agent.environment import is_key_variable
from automl_agent.errors import InputError

Fields: TypeAlias = Mapping[str, Any]
URL_VARIABLE = "AUTOML_AGENT_BASE_URL"
COMPATIBLE = "compatible"
# Names of controllers that are no endpoint.
_RESERVED = ("planner",)
_FLOATS = ("input_usd_per_million", "output_usd_per_million", "idle_timeout_s")

# The default models are the middle ones of their families, whose prices are known: tests compare
# them with what the providers' packages list.
BUILT_IN: Mapping[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint(
            "anthropic",
            "https://api.anthropic.com",
            "messages",
            model="claude-sonnet-5-5",
            key_variable="ANTHROPIC_API_KEY",
            needs_key=True,
            context_tokens=200_000,
        ),
        Endpoint(
            "openai",
            "https://api.openai.com/v1",
            "responses",
            model="gpt-6.1-terra",
            key_variable="OPENAI_API_KEY",
            needs_key=True,
            context_tokens=200_000,
        ),
        # Ollama gives a model no more context than the machine's memory allows.
        Endpoint(
            "ollama",
            "http://127.0.0.1:11434/v1",
            "chat_completions",
            context_tokens=32_768,
            max_output_tokens=4_096,
        ),
        Endpoint(COMPATIBLE, "", "chat_completions", key_variable="AUTOML_AGENT_API_KEY"),
    )
}


@dataclass(frozen=True)
class ConfiguredEndpoint:
    """An endpoint, and what set those of its fields that are not as built in."""

    endpoint: Endpoint
    origins: Mapping[str, str]


def configure_endpoints(
    changes: Mapping[str, Fields], *, source: str, environ: Mapping[str, str]
) -> dict[str, ConfiguredEndpoint]:
    """All endpoints. changes: the table of them in the user's own file, source: that file.

    Raises: InputError if a field is not allowed or missing.
    """
    endpoints = {name: ConfiguredEndpoint(endpoint, {}) for name, endpoint in BUILT_IN.items()}
    for name, fields in changes.items():
        endpoint = _build_endpoint(name, fields, source)
        endpoints[name] = ConfiguredEndpoint(endpoint, dict.fromkeys(fields, source))
    if environ.get(URL_VARIABLE):
        endpoints[COMPATIBLE] = _move_compatible(endpoints[COMPATIBLE], environ[URL_VARIABLE])
    return endpoints


def _build_endpoint(name: str, fields: Fields, source: str) -> Endpoint:
    place = f"{source}: at /endpoints/{name}"
    if name in _RESERVED:
        raise InputError(f"{place}: {name!r} is not an endpoint; choose another name.")
    if name not in BUILT_IN and "base_url" not in fields:
        raise InputError(f"{place}: the field 'base_url' is missing.")
    _check_key_variable(fields, place)
    before = BUILT_IN.get(name, Endpoint(name, "", "chat_completions"))
    changed: dict[str, Any] = dict(fields)
    changed |= {key: float(fields[key]) for key in _FLOATS if key in fields}
    if "base_url" in fields:
        changed["base_url"] = _read_url(fields["base_url"], f"{place}/base_url")
    return _guard_key(before, replace(before, **changed), fields, source)


def _check_key_variable(fields: Fields, place: str) -> None:
    # What stands there may be the key itself, so it is not shown.
    if "key_variable" in fields and not is_key_variable(fields["key_variable"]):
        raise InputError(
            f"{place}/key_variable: must be the NAME of an environment variable in capitals that "
            "ends with KEY, TOKEN, SECRET or PASSWORD, never the key."
        )


def _guard_key(before: Endpoint, after: Endpoint, fields: Fields, source: str) -> Endpoint:
    """The endpoint without the built-in key where it goes to another address than built in."""
    is_moved = before.base_url not in ("", after.base_url)
    if before.key_variable is None or "key_variable" in fields or not is_moved:
        return after
    note = (
        f"{before.key_variable} is for {before.base_url} and is not sent to {after.base_url}, "
        f"unless endpoints.{after.name}.key_variable in {source} says so"
    )
    return replace(after, key_variable=None, key_note=note)


def _move_compatible(configured: ConfiguredEndpoint, url: str) -> ConfiguredEndpoint:
    """The endpoint with the address in the environment, and the key for that address."""
    base_url = _read_url(url, URL_VARIABLE)
    origins = {**configured.origins, "base_url": URL_VARIABLE}
    endpoint = replace(configured.endpoint, base_url=base_url)
    if base_url != configured.endpoint.base_url:
        # A variable that the file names is for the address that the file names.
        endpoint = replace(endpoint, key_variable=BUILT_IN[COMPATIBLE].key_variable)
        origins.pop("key_variable", None)
    return ConfiguredEndpoint(endpoint, origins)


def _read_url(url: str, place: str) -> str:
    try:
        return normalise_base_url(url)
    except ValueError as exc:
        raise InputError(f"{place}: this is no base URL: {exc}.") from exc
