"""The connection to an endpoint: its own key and no other, and an end to every silence."""

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from automl_agent.chat_models.addresses import is_loopback
from automl_agent.configuration.endpoint import Endpoint, Key
from automl_agent.errors import ModelRefusedError

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 20.0
# A reply that is not over by then is not worth more waiting, however steadily it trickles.
TOTAL_TIMEOUT_S = 600.0
# A connection may come to be after its time was up.
_HANG_UP_AGAIN_S = 0.2
# The SDKs also send what they find in the environment: keys, organizations, any header.
_OWN_HEADERS = re.compile(
    r"accept|accept-encoding|anthropic-version|connection|content-length|content-type|host"
    r"|transfer-encoding|user-agent|x-stainless-.*"
)


class Watch:
    """Hangs up when a reply makes no progress, or takes too long altogether.

    A timeout of reading does not see a server that sends a byte from time to time.
    Time counts from `start`; leaving the context ends it. reason: why it hung up, or "".
    """

    def __init__(self, *, idle_timeout_s: float, total_timeout_s: float) -> None:
        self.reason = ""
        self._idle_timeout_s = idle_timeout_s
        self._total_timeout_s = total_timeout_s
        self._start_s = self._progress_s = time.monotonic()
        self._socket: socket.socket | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chat-model-watch", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def start(self) -> None:
        """The request is about to be sent."""
        self._start_s = self._progress_s = time.monotonic()
        self._thread.start()

    def note_progress(self) -> None:
        """The reply has grown."""
        self._progress_s = time.monotonic()

    def note_trace(self, event: str, details: Mapping[str, Any]) -> None:
        """What httpx2 tells of its connection: keeps the socket."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = details["return_value"].get_extra_info("socket")

    def _run(self) -> None:
        while not self._is_over.wait(max(self._remaining_s(), _HANG_UP_AGAIN_S)):
            if self._remaining_s() <= 0:
                self.reason = self.reason or self._find_reason()
                self._hang_up()

    def _remaining_s(self) -> float:
        idle_end_s = self._progress_s + self._idle_timeout_s
        return min(idle_end_s, self._start_s + self._total_timeout_s) - time.monotonic()

    def _find_reason(self) -> str:
        if time.monotonic() - self._start_s >= self._total_timeout_s:
            return f"did not finish its reply within {self._total_timeout_s:g} s"
        return f"sent nothing new for {self._idle_timeout_s:g} s"

    def _hang_up(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # The base class's: that of SSL sockets would change them under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@contextmanager
def open_client(endpoint: Endpoint, key: Key | None, watch: Watch) -> "Iterator[httpx2.Client]":
    """A client that sends the key to the endpoint and follows no redirect to anywhere else.

    A new one for each reply: a connection that was kept may have died unseen.
    Raises: ModelRefusedError if the environment's settings for networks cannot be used.
    """
    import httpx2

    def prepare(request: httpx2.Request) -> None:
        for name in list(request.headers):
            if not _OWN_HEADERS.fullmatch(name):
                del request.headers[name]
        if key is not None:
            request.headers["authorization"] = f"Bearer {key.secret}"
        request.extensions = {**request.extensions, "trace": watch.note_trace}
        watch.start()

    # No proxy can reach a server on this machine.
    trust_env = not is_loopback(endpoint.base_url)
    try:
        client = httpx2.Client(
            timeout=httpx2.Timeout(endpoint.idle_timeout_s, connect=CONNECT_TIMEOUT_S),
            event_hooks={"request": [prepare]},
            trust_env=trust_env,
            verify=_load_certificates(*_certificate_places(), trust_env=trust_env),
        )
    except (OSError, ValueError, ImportError, httpx2.InvalidURL) as exc:
        text = "The environment's network settings cannot be used: correct SSL_CERT_FILE, "
        raise ModelRefusedError(f"{text}HTTPS_PROXY, ALL_PROXY or NO_PROXY.") from exc
    with client:
        yield client


def _certificate_places() -> tuple[str | None, str | None]:
    return os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")


@cache
def _load_certificates(file: str | None, folder: str | None, *, trust_env: bool) -> ssl.SSLContext:
    """What certificates are checked by; reading them takes 20 ms, half of what a turn may take.

    file, folder: what the environment says, which is read again when it says another.
    """
    import httpx2

    del file, folder
    return httpx2.create_ssl_context(trust_env=trust_env)
