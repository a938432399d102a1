"""Connections that fail: to no server, through a proxy, without trust."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automl_agent.chat_models.create import create_chat_model
from automl_agent.configuration.endpoint import Endpoint, Key, Protocol
from automl_agent.errors import (
    ModelBusyError,
    ModelRefusedError,
)

from .asking import SECRET, ask, each_protocol
from .model_server import (
    ModelServer,
    failure,
    good_reply,
)


@each_protocol
def test_a_server_that_is_not_running_is_told_by_its_address(protocol: Protocol) -> None:
    with ModelServer() as server:
        model = server.create_model(protocol)
    with pytest.raises(ModelBusyError) as caught:
        ask(model)
    assert "cannot be reached" in str(caught.value)
    assert "start the server, or correct base_url" in str(caught.value)
    assert server.url in str(caught.value)


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@each_protocol
@pytest.mark.usefixtures("no_proxy")
def test_a_name_that_nobody_knows_is_told(protocol: Protocol) -> None:
    endpoint = Endpoint("test", "https://no-such-host.invalid/v1", protocol)
    with pytest.raises(
        ModelBusyError, match=r"no-such-host\.invalid/v1 cannot be reached.*network"
    ):
        ask(create_chat_model(endpoint, "m", Key(SECRET)))


@pytest.fixture
def proxy(no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with ModelServer() as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        yield server


@each_protocol
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_told(
    protocol: Protocol, scheme: str, proxy: ModelServer
) -> None:
    proxy.script = [failure(407)]
    endpoint = Endpoint("test", f"{scheme}://model.invalid/v1", protocol)
    with pytest.raises(ModelRefusedError, match=r"proxy that wants a password.*HTTPS_PROXY"):
        ask(create_chat_model(endpoint, "m", None))


@pytest.mark.usefixtures("proxy")
@each_protocol
def test_no_proxy_comes_between_us_and_a_server_on_this_machine(protocol: Protocol) -> None:
    with ModelServer([good_reply(protocol, "ok")]) as server:
        ask(server.create_model(protocol))
        assert len(server.requests) == 1


def test_settings_for_networks_that_cannot_be_used_are_told(
    monkeypatch: pytest.MonkeyPatch, no_proxy: None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://somewhere")
    endpoint = Endpoint("test", "https://model.invalid", "messages")
    with pytest.raises(ModelRefusedError, match=r"correct SSL_CERT_FILE, HTTPS_PROXY"):
        ask(create_chat_model(endpoint, "m", None))


def write_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1, with its key, that nobody trusts."""
    import ipaddress

    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@each_protocol
def test_a_certificate_that_is_not_trusted_gets_no_key(protocol: Protocol, tmp_path: Path) -> None:
    with ModelServer([good_reply(protocol, "ok")]) as server:
        server.use_certificate(write_certificate(tmp_path))
        url = server.url.replace("http:", "https:")
        with pytest.raises(ModelRefusedError, match=r"is not trusted.*set SSL_CERT_FILE"):
            ask(create_chat_model(Endpoint("test", url, protocol), "m", Key(SECRET)))
        assert server.requests == []


@each_protocol
def test_a_server_that_speaks_no_tls_is_told(protocol: Protocol) -> None:
    with ModelServer() as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(ModelBusyError, match="cannot be reached"):
            ask(create_chat_model(Endpoint("test", url, protocol), "m", Key(SECRET)))


def test_something_that_speaks_no_http_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ModelBusyError, match="broke off"):
            ask(create_chat_model(Endpoint("test", url, "messages"), "m", None))
        thread.join()
