"""A scripted Docker engine: a real HTTP server on a Unix socket, for the part of the API we use.

By itself it behaves: a container that is started runs until it is stopped, killed or removed. A
test says which call answers something else, hangs, breaks off, or takes the engine away.
"""

import contextlib
import json
import re
import shutil
import socket
import socketserver
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

# The name of each call, its method, and its path behind the version.
_CALLS = (
    ("ping", "GET", r"/_ping"),
    ("version", "GET", r"/version"),
    ("info", "GET", r"/info"),
    ("image", "GET", r"/images/(.+)/json"),
    ("list", "GET", r"/containers/json"),
    ("create", "POST", r"/containers/create"),
    ("start", "POST", r"/containers/([^/]+)/start"),
    ("attach", "POST", r"/containers/([^/]+)/attach"),
    ("stop", "POST", r"/containers/([^/]+)/stop"),
    ("kill", "POST", r"/containers/([^/]+)/kill"),
    ("inspect", "GET", r"/containers/([^/]+)/json"),
    ("remove", "DELETE", r"/containers/([^/]+)"),
)
_TIME = "2026-11-24T12:00:00.5Z"


@dataclass(frozen=True)
class Say:
    """Answer with this status; a text is the message of an error."""

    status: int
    answer: str | Mapping[str, Any]


class Hang:
    """Never answer."""


class Reset:
    """Close the connection without an answer."""


class Vanish:
    """The engine is gone, as if it had been stopped."""


Reaction = Say | type[Hang] | type[Reset] | type[Vanish]


@dataclass
class ScriptedContainer:
    """A container that only exists as the answers about it."""

    name: str
    body: dict[str, Any]
    state: str = "created"
    exit_code: int = 0
    oom_killed: bool = False
    output: list[tuple[int, bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, exit_code: int, *, oom_killed: bool = False) -> None:
        """It ends by itself, or by somebody else."""
        self.state, self.exit_code, self.oom_killed = "exited", exit_code, oom_killed
        self.ended.set()

    def to_json(self) -> dict[str, Any]:
        """What `inspect` says: that it is what was asked for."""
        return {
            "Id": self.name,
            "Name": f"/{self.name}",
            "Image": self.body["Image"],
            "Config": {**self.body, "Tty": False},
            "HostConfig": self.body["HostConfig"],
            "Mounts": [
                {
                    "Type": "bind",
                    "Source": mount["Source"],
                    "Destination": mount["Target"],
                    "RW": not mount["ReadOnly"],
                    "Propagation": "rprivate",
                }
                for mount in self.body["HostConfig"]["Mounts"]
            ],
            "NetworkSettings": {"Networks": {"none": {}}},
            "State": {
                "Status": self.state,
                "Running": self.state == "running",
                "ExitCode": self.exit_code,
                "OOMKilled": self.oom_killed,
                "Error": "",
                "StartedAt": _TIME,
                "FinishedAt": _TIME,
            },
        }


class ScriptedEngine:
    """The engine of a test; `calls` are the names of all calls, `bodies` what was to be created."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="engine-"))  # a socket's path must be short
        self.socket = self.folder / "docker.sock"
        self.about: dict[str, Any] = {
            "Architecture": "x86_64",
            "MemoryLimit": True,
            "SwapLimit": True,
            "PidsLimit": True,
            "CpuCfsQuota": True,
            "CgroupDriver": "systemd",
            "CgroupVersion": "2",
            "SecurityOptions": ["name=seccomp,profile=default"],
            "Runtimes": {"runc": {}, "nvidia": {}},
        }
        self.images: dict[str, dict[str, Any]] = {
            "image:cpu": {"Id": "sha256:c", "Architecture": "amd64"},
            "image:gpu": {"Id": "sha256:d", "Architecture": "amd64"},
        }
        self.containers: dict[str, ScriptedContainer] = {}
        self.calls: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.on_start: Callable[[ScriptedContainer], None] = lambda container: None
        self._reactions: dict[str, list[Reaction | None]] = {}
        self._connections: set[socket.socket] = set()
        self.is_closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.socket}"

    def react(self, call: str, *reactions: Reaction | None) -> None:
        """How the next calls of that name end, the last also all later ones; None: as ever."""
        self._reactions[call] = list(reactions)

    def find_reaction(self, call: str) -> Reaction | None:
        """How this call ends."""
        self.calls.append(call)
        planned = self._reactions.get(call, [None])
        return planned.pop(0) if len(planned) > 1 else planned[0]

    @property
    def container(self) -> ScriptedContainer:
        """The only container."""
        (found,) = self.containers.values()
        return found

    def vanish(self) -> None:
        """Nobody listens any more, and open connections break."""
        if self.is_closing.is_set():
            return
        self.is_closing.set()
        self.socket.unlink(missing_ok=True)
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # From another thread: the one that serves may be the one that calls.
        threading.Thread(target=self._server.shutdown).start()

    def close(self) -> None:
        """End it."""
        self.vanish()
        self._thread.join()
        self._server.server_close()
        shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def connected(self, connection: socket.socket) -> Iterator[None]:
        """A connection that breaks when the engine vanishes."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        super().__init__(str(engine.socket), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        with self.server.engine.connected(self.connection), contextlib.suppress(OSError):
            super().handle()

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def do_DELETE(self) -> None:
        self._take()

    def _take(self) -> None:
        url = urlsplit(self.path)
        path = re.sub(r"^/v\d+\.\d+", "", url.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        for call, method, pattern in _CALLS:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                target = match[1] if match.lastindex else parse_qs(url.query).get("name", [""])[0]
                self._react(call, target, body)
                return
        self._say(404, {"message": f"page not found: {self.command} {path}"})

    def _react(self, call: str, target: str, body: Any) -> None:
        engine = self.server.engine
        match engine.find_reaction(call):
            case None:
                getattr(self, f"_{call}")(target, body)
            case Say(status, answer):
                self._say(status, {"message": answer} if isinstance(answer, str) else answer)
            case reaction if reaction is Hang:
                engine.is_closing.wait()
                self.close_connection = True
            case reaction if reaction is Vanish:
                engine.vanish()
                self.close_connection = True
            case _:
                self.close_connection = True

    def _say(self, status: int, answer: Any) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _find(self, target: str) -> ScriptedContainer | None:
        found = self.server.engine.containers.get(target)
        if found is None:
            self._say(404, {"message": f"No such container: {target}"})
        return found

    def _ping(self, _target: str, _body: Any) -> None:
        self._say(200, "OK")

    def _version(self, _target: str, _body: Any) -> None:
        self._say(200, {"ApiVersion": "1.41", "Version": "20.10.24"})

    def _info(self, _target: str, _body: Any) -> None:
        self._say(200, self.server.engine.about)

    def _image(self, target: str, _body: Any) -> None:
        found = self.server.engine.images.get(target)
        self._say(200 if found else 404, found or {"message": f"No such image: {target}"})

    def _list(self, _target: str, _body: Any) -> None:
        self._say(200, [])

    def _create(self, name: str, body: Any) -> None:
        engine = self.server.engine
        engine.bodies.append(body)
        if name in engine.containers:
            text = f'Conflict. The container name "/{name}" is already in use by container "1".'
            self._say(409, {"message": text})
            return
        engine.containers[name] = ScriptedContainer(name, body)
        self._say(201, {"Id": name, "Warnings": []})

    def _start(self, target: str, _body: Any) -> None:
        if found := self._find(target):
            found.state = "running"
            self.server.engine.on_start(found)
            self._say(204, None)

    def _inspect(self, target: str, _body: Any) -> None:
        if found := self._find(target):
            self._say(200, found.to_json())

    def _stop(self, target: str, _body: Any) -> None:
        if found := self._find(target):
            if found.state == "running":
                found.end(0)
            self._say(204, None)

    def _kill(self, target: str, _body: Any) -> None:
        if found := self._find(target):
            if found.state != "running":
                self._say(409, {"message": f"Container {target} is not running"})
                return
            found.end(137)
            self._say(204, None)

    def _remove(self, target: str, _body: Any) -> None:
        if found := self._find(target):
            del self.server.engine.containers[target]
            found.ended.set()
            self._say(204, None)

    def _attach(self, target: str, _body: Any) -> None:
        found = self._find(target)
        if not found:
            return
        self.send_response(101, "UPGRADED")
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        for stream, content in found.output:
            self.wfile.write(struct.pack(">BxxxL", stream, len(content)) + content)
        while not (found.ended.wait(0.02) or self.server.engine.is_closing.is_set()):
            pass
        self.close_connection = True
