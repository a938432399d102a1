"""How a model comes to be, and where its key goes: to its endpoint, and nowhere else."""

import subprocess
import sys
from dataclasses import replace

import pytest

from automl_agent.chat_models.addresses import is_loopback
from automl_agent.chat_models.chat_model import Message, ToolSpec
from automl_agent.chat_models.create import create_chat_model
from automl_agent.configuration.endpoint import Endpoint, Key, Protocol
from automl_agent.errors import ModelRefusedError, SetupError

from .model_server import PROTOCOLS, Answer, ModelServer, failure, good_reply

ENDPOINT = Endpoint(
    "house",
    "https://models.example/v1",
    "responses",
    model="small",
    key_variable="HOUSE_KEY",
    needs_key=True,
)
SECRET = "sk-very-secret-0123456789"
KEY = Key(SECRET, "the keyring")
ASK = [Message("user", "Hi")]
TOOLS = [ToolSpec("train", "Train.", {"type": "object"})]
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.mark.parametrize(
    ("model", "name"), [(None, "house:small"), ("large", "house:large")], ids=["default", "named"]
)
def test_a_model_has_the_name_of_its_endpoint_and_its_own(model: str | None, name: str) -> None:
    assert create_chat_model(ENDPOINT, model, KEY).traits.name == name


@pytest.mark.parametrize(
    ("endpoint", "key", "message"),
    [
        pytest.param(
            replace(ENDPOINT, model=None), KEY,
            "No model is named for house: use --controller house:MODEL, or set the endpoint's "
            "default model in the configuration.",
            id="no model",
        ),
        pytest.param(
            ENDPOINT, None,
            "house needs a key: set one by `automl-agent config set-key house`, or set the "
            "environment variable HOUSE_KEY.",
            id="no key",
        ),
        pytest.param(
            replace(ENDPOINT, base_url="http://models.example/v1"), KEY,
            "A key is never sent unencrypted: let the base_url of house "
            "(http://models.example/v1) begin with https://, or use the endpoint without a key.",
            id="a key over http",
        ),
        pytest.param(
            replace(ENDPOINT, base_url="https://me:password@models.example/v1"), KEY,
            "The base_url of house is no address of the form https://HOST/PATH without a "
            "password: correct it in the configuration.",
            id="a password in the address",
        ),
        pytest.param(
            ENDPOINT, Key("sk-\u0430bc\n", "HOUSE_KEY"),
            "The key of house from HOUSE_KEY is empty or has characters that no key has: set it "
            "again by `automl-agent config set-key house`.",
            id="a key with a line break",
        ),
        pytest.param(
            ENDPOINT, Key(""),
            "The key of house from its caller is empty or has characters that no key has: set it "
            "again by `automl-agent config set-key house`.",
            id="an empty key",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_with_the_next_step(
    endpoint: Endpoint, key: Key | None, message: str
) -> None:
    with pytest.raises(SetupError) as caught:
        create_chat_model(endpoint, None, key)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "url", ["models.example", "ftp://models.example", "https://", "http://[::1", "https://a b/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="no address"):
        create_chat_model(replace(ENDPOINT, base_url=url), None, KEY)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://127.1.2.3/v1", "http://[::1]:1/v1", "http://LOCALHOST"]
)
def test_a_key_may_go_unencrypted_to_this_machine(url: str) -> None:
    assert is_loopback(url)
    assert create_chat_model(replace(ENDPOINT, base_url=url), None, KEY).traits.endpoint == url


@pytest.mark.parametrize(
    "url",
    ["http://localhost.example", "http://127.0.0.1.example", "http://0.0.0.0", "http://10.0.0.1"],
)
def test_other_machines_are_not_this_one(url: str) -> None:
    assert not is_loopback(url)


def test_without_a_key_unencrypted_is_allowed() -> None:
    endpoint = replace(ENDPOINT, base_url="http://models.example/v1", needs_key=False)
    assert create_chat_model(endpoint, None, None).traits.name == "house:small"


CANARIES = {
    name: f"canary-{number}"
    for number, name in enumerate([
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE",
        "ANTHROPIC_IDENTITY_TOKEN", "ANTHROPIC_ORGANIZATION_ID", "ANTHROPIC_WORKSPACE_ID",
        "OPENAI_API_KEY", "OPENAI_ADMIN_KEY",
        "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET",
    ])
}  # fmt: skip


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of somebody who also uses the SDKs by themselves."""
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    headers = "X-Canary: canary-x\nAuthorization: Bearer canary-y\nX-Api-Key: canary-z"
    for vendor in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{vendor}_CUSTOM_HEADERS", headers)
        monkeypatch.setenv(f"{vendor}_BASE_URL", "http://canary.invalid")


@pytest.mark.usefixtures("canaries")
@each_protocol
@pytest.mark.parametrize("key", [None, KEY], ids=["without a key", "with a key"])
def test_the_endpoint_gets_its_key_and_nothing_from_the_environment(
    protocol: Protocol, key: Key | None
) -> None:
    with ModelServer([good_reply(protocol, "ok")]) as server:
        server.create_model(protocol, key=key).reply(ASK, TOOLS, on_text=lambda piece: None)
        (request,) = server.requests
    assert "canary" not in str(request).lower()
    assert request.headers.get("authorization") == (key and f"Bearer {SECRET}")
    assert "x-api-key" not in request.headers
    assert str(request).count(SECRET) == (0 if key is None else 1)


@each_protocol
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(protocol: Protocol, status: int) -> None:
    with ModelServer() as thief, ModelServer() as server:
        server.script = [failure(status, "", {"location": f"{thief.url}/v1/messages"})]
        model = server.create_model(protocol, key=KEY)
        with pytest.raises(ModelRefusedError, match="refers to another address"):
            model.reply(ASK, TOOLS, on_text=lambda piece: None)
        assert thief.requests == []


@each_protocol
def test_the_key_is_not_in_what_can_be_seen_of_a_model(
    protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    echo = Answer((SECRET.encode(),), 400, {"content-type": "text/plain"})
    with ModelServer([echo, good_reply(protocol, "ok")]) as server:
        model = server.create_model(protocol, key=KEY)
        with pytest.raises(ModelRefusedError) as caught:
            model.reply(ASK, TOOLS, on_text=lambda piece: None)
        model.reply(ASK, TOOLS, on_text=lambda piece: None)
    assert caught.value.__suppress_context__
    assert SECRET not in f"{caught.value} {model!r} {model.traits!r} {KEY!r}"
    assert SECRET not in caplog.text.replace(f"(400) {SECRET}", "")


@each_protocol
def test_the_path_is_that_of_the_protocol(protocol: Protocol) -> None:
    with ModelServer([good_reply(protocol, "ok")] * 2) as server:
        for suffix in ("", "/"):
            endpoint = server.create_endpoint(protocol)
            endpoint = replace(endpoint, base_url=endpoint.base_url + suffix)
            model = create_chat_model(endpoint, "m", None)
            model.reply(ASK, [], on_text=lambda piece: None)
        paths = {request.path for request in server.requests}
    assert paths == {f"/v1/{protocol.replace('_', '/')}"}


def test_messages_takes_an_address_with_the_version_in_it_too() -> None:
    with ModelServer([good_reply("messages", "ok")]) as server:
        model = server.create_model("messages", base_url=f"{server.url}/v1")
        model.reply(ASK, [], on_text=lambda piece: None)
        assert server.requests[0].path == "/v1/messages"


def test_to_create_a_model_imports_no_sdk() -> None:
    code = (
        "import sys\n"
        "from automl_agent.chat_models.create import create_chat_model\n"
        "from automl_agent.configuration.endpoint import Endpoint\n"
        "create_chat_model(Endpoint('a', 'https://a', 'messages'), 'm', None)\n"
        "heavy = {'anthropic', 'openai', 'httpx2', 'genai_prices', 'pydantic', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
