"""What the user's own file changes and adds, and where no key goes."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.configuration.base_url import normalise_base_url
from automl_agent.configuration.configuration import load_configuration
from automl_agent.configuration.endpoint import Endpoint
from automl_agent.configuration.endpoints import BUILT_IN
from automl_agent.configuration.keys import explain_missing_key, find_key
from automl_agent.errors import InputError

CANARY = "sk-canary-51f0"


def test_the_default_models_are_listed_current_and_priced() -> None:
    from anthropic.resources.messages.messages import DEPRECATED_MODELS
    from anthropic.types import model
    from genai_prices import Usage, calc_price
    from openai.types.shared import chat_model

    names = {name: str(BUILT_IN[name].model) for name in ("anthropic", "openai")}
    assert names["anthropic"] in get_args(get_args(model.Model)[0])
    assert names["anthropic"] not in DEPRECATED_MODELS
    assert names["openai"] in get_args(chat_model.ChatModel)
    source = Path(str(chat_model.__file__)).read_text()
    assert f'"{names["openai"]}"' not in source.partition("Deprecated values")[2]
    for provider, name in names.items():
        usage = Usage(input_tokens=1_000_000)
        assert calc_price(usage, model_ref=name, provider_id=provider).total_price > 0


def test_a_file_adds_endpoints_and_changes_fields_of_those_built_in(user_file: Path) -> None:
    user_file.write_text(
        "[endpoints.ollama]\nmodel = 'qwen3:8b'\n"
        "[endpoints.lab]\nbase_url = 'HTTPS://GPU.example:443/v1/'\nkey_variable = 'LAB_KEY'\n"
        "input_usd_per_million = 1\nneeds_key = true\nprotocol = 'responses'\n"
    )
    found = load_configuration()
    assert found.endpoints["ollama"] == replace(BUILT_IN["ollama"], model="qwen3:8b")
    assert found.configured_endpoints["ollama"].origins == {"model": str(user_file)}
    assert found.endpoints["lab"] == Endpoint(
        "lab",
        "https://gpu.example/v1",
        "responses",
        key_variable="LAB_KEY",
        needs_key=True,
        input_usd_per_million=1.0,
    )
    assert isinstance(found.endpoints["lab"].input_usd_per_million, float)
    assert list(found.endpoints) == [*BUILT_IN, "lab"]


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_the_built_in_key_does_not_follow_to_another_address(name: str, user_file: Path) -> None:
    user_file.write_text(f"[endpoints.{name}]\nbase_url = 'https://proxy.example'")
    endpoint = load_configuration().endpoints[name]
    variable = str(BUILT_IN[name].key_variable)
    assert endpoint.key_variable is None
    assert find_key(endpoint, environ={variable: CANARY}) is None
    message = explain_missing_key(endpoint)
    assert f"{variable} is for {BUILT_IN[name].base_url} and is not sent to https" in message
    assert f"endpoints.{name}.key_variable in {user_file}" in message


def test_the_built_in_key_stays_with_its_own_address_however_that_is_written(
    user_file: Path,
) -> None:
    user_file.write_text("[endpoints.anthropic]\nbase_url = 'https://API.anthropic.com:443/'")
    assert load_configuration().endpoints == BUILT_IN


def test_a_key_goes_to_another_address_if_the_file_says_so(user_file: Path) -> None:
    user_file.write_text(
        "[endpoints.openai]\nbase_url = 'https://proxy.example'\nkey_variable = 'OPENAI_API_KEY'"
    )
    endpoint = load_configuration().endpoints["openai"]
    key = find_key(endpoint, environ={"OPENAI_API_KEY": CANARY})
    assert key is not None and (key.secret, key.origin) == (CANARY, "OPENAI_API_KEY")


def test_the_environment_gives_the_compatible_endpoint_its_address_and_key(
    user_file: Path,
) -> None:
    user_file.write_text(
        "[endpoints.compatible]\nbase_url = 'http://file.example'\nkey_variable = 'FILE_KEY'\n"
        "model = 'm'"
    )
    by_file = load_configuration(environ={}).endpoints["compatible"]
    assert (by_file.base_url, by_file.key_variable) == ("http://file.example", "FILE_KEY")
    environ = {"AUTOML_AGENT_BASE_URL": "http://127.0.0.1:8000/v1/"}
    found = load_configuration(environ=environ)
    by_environment = found.endpoints["compatible"]
    assert (by_environment.base_url, by_environment.key_variable, by_environment.model) == (
        "http://127.0.0.1:8000/v1",
        "AUTOML_AGENT_API_KEY",
        "m",
    )
    assert found.configured_endpoints["compatible"].origins == {
        "base_url": "AUTOML_AGENT_BASE_URL",
        "model": str(user_file),
    }


def test_a_key_is_not_found_for_an_endpoint_without_an_address() -> None:
    assert find_key(BUILT_IN["compatible"], environ={"AUTOML_AGENT_API_KEY": CANARY}) is None


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(f'key_variable = "{CANARY}"', id="a key for its variable"),
        pytest.param(f'key = "{CANARY}"', id="a key in the file"),
        pytest.param(f'base_url = "https://me:{CANARY}@host.example"', id="a key in the address"),
        pytest.param(f'base_url = "https://host.example?key={CANARY}"', id="a key as a query"),
        pytest.param('key_variable = "HOME"', id="a variable that other programs see"),
    ],
)
def test_a_key_that_stands_where_none_belongs_is_refused_and_not_shown(
    field: str, user_file: Path
) -> None:
    user_file.write_text(f"[endpoints.openai]\n{field}")
    with pytest.raises(InputError, match=r"at /endpoints/openai") as caught:
        load_configuration()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("host.example", "begin with http:// or https://", id="no scheme"),
        pytest.param("file:///etc/passwd", "begin with http:// or https://", id="file"),
        pytest.param("https://", "begin with http:// or https://", id="no host"),
        pytest.param("https://@host", "no user name or password", id="empty user"),
        pytest.param("https://host/?", "without a query", id="empty query"),
        pytest.param("https://host/#x", "without a query", id="fragment"),
        pytest.param("https://host:port", "cannot be read", id="port"),
        pytest.param("https://[::1", "cannot be read", id="half an address"),
        pytest.param("https://host/a b", "without spaces", id="space"),
        pytest.param("https://host\n.example", "without spaces", id="line break"),
        pytest.param("https://h\u043est", "ASCII", id="a letter that looks like another"),
        pytest.param("https://good.example\\@evil.example", "ASCII", id="backslash"),
        pytest.param("", "ASCII", id="empty"),
    ],
)
def test_what_is_no_base_url_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        normalise_base_url(text)
    with pytest.raises(InputError, match=r"^AUTOML_AGENT_BASE_URL: this is no base URL"):
        load_configuration(environ={"AUTOML_AGENT_BASE_URL": text or " "})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("HTTP://LOCALHOST:80/V1//", "http://localhost/V1", id="case and slashes"),
        pytest.param("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443", id="IPv6"),
        pytest.param("http://host:443", "http://host:443", id="the port of another scheme"),
    ],
)
def test_one_address_is_written_in_one_way(text: str, expected: str) -> None:
    assert normalise_base_url(text) == expected


@given(st.text(max_size=30).map("https://h".__add__))
def test_writing_an_address_in_its_one_way_twice_changes_nothing(text: str) -> None:
    try:
        once = normalise_base_url(text)
    except ValueError:
        return
    assert normalise_base_url(once) == once
