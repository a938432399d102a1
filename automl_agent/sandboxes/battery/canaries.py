"""What must stay untouched on the host while the sandbox is attacked."""

import contextlib
import os
import secrets
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from automl_agent.sandboxes.battery.probe import Check

VARIABLE = "AUTOML_AGENT_CANARY_KEY"
_CHUNK_BYTES = 2**20


class Canaries:
    """A listener on all of the host's addresses, a file, a variable with a secret.

    folder: where the file lies; it is no folder of the step's.
    """

    def __init__(self, folder: Path) -> None:
        self.secret = f"canary-{secrets.token_hex(16)}"
        self.abstract_name = f"automl-canary-{secrets.token_hex(8)}"
        self.file = folder / "canary.txt"
        self.file.write_text(self.secret)
        self._heard: list[str] = []
        self._earlier = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = self.secret
        self._servers = [socket.create_server(("0.0.0.0", 0))]
        with contextlib.suppress(OSError):  # only Linux knows abstract names
            unix = socket.socket(socket.AF_UNIX)
            unix.bind(f"\0{self.abstract_name}")
            unix.listen()
            self._servers.append(unix)
        for server in self._servers:
            threading.Thread(target=self._listen, args=(server,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where the listener is."""
        return int(self._servers[0].getsockname()[1])

    def find_targets(self) -> list[tuple[str, int]]:
        """What a probe tries to reach: the listener on each address, and famous others."""
        others = [("169.254.169.254", 80), ("100.100.100.200", 80), ("1.1.1.1", 443)]
        ours = [(host, self.port) for host in ("127.0.0.1", "::1", *find_addresses())]
        return [*ours, *others]

    def close(self) -> None:
        """Stop listening; the variable is as it was."""
        for server in self._servers:
            server.close()
        if self._earlier is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = self._earlier

    def check(self, folder: Path) -> Iterator[Check]:
        """Whether all is as it was; folder: where the secret must not be."""
        heard = list(self._heard)
        yield Check("no listener of the host heard anything", heard == [], str(heard))
        yield Check("control: the listener hears", self._can_hear(), f"port {self.port}")
        content = self.file.read_text()
        yield Check("the file outside is as it was", content == self.secret, str(self.file))
        leaks = [str(path) for path in find_secret(folder, self.secret.encode())]
        yield Check("the secret variable is in no file", leaks == [], str(leaks))

    def _can_hear(self) -> bool:
        n_heard = len(self._heard)
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        for _ in range(100):
            if len(self._heard) > n_heard:
                return True
            threading.Event().wait(0.01)
        return False

    def _listen(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                client, address = server.accept()
                client.close()
                self._heard.append(str(address))


def find_addresses() -> list[str]:
    """The host's addresses, without its loopback."""
    addresses = set()
    with contextlib.suppress(OSError):
        words = Path("/proc/net/fib_trie").read_text().split()
        # "|-- 10.0.0.2 /32 host LOCAL"
        marks = zip(words, words[1:], words[2:], words[3:], strict=False)
        addresses |= {a for a, size, host, kind in marks if (size, host, kind) == _OWN}
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        addresses |= {str(entry[4][0]) for entry in found}
    return sorted(address for address in addresses if not address.startswith("127."))


def find_secret(folder: Path, secret: bytes) -> Iterator[Path]:
    """The regular files below a folder that hold it."""
    for parent, _, names in os.walk(folder):  # it passes over paths that are too long
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode) and _holds(path, secret):
                    yield path


def _holds(path: Path, secret: bytes) -> bool:
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if secret in rest + chunk:
                return True
            rest = chunk[-len(secret) :]
    return False


_OWN = ("/32", "host", "LOCAL")
