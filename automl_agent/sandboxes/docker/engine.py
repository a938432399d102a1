"""The Docker engine: how it is reached, and what its errors mean for the person."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from automl_agent.errors import SandboxError, SetupError

if TYPE_CHECKING:
    from docker import APIClient

# A call that takes longer has met an engine that hangs; no call of ours waits for a container.
CALL_LIMIT_S = 15.0
# A healthy engine answers a ping in milliseconds.
PING_LIMIT_S = 5.0


class EngineError(SandboxError, SetupError):
    """The engine cannot be reached, or refused a call; the message says what to do."""


class GpuRefusedError(EngineError):
    """The engine cannot give the GPUs that it was asked for."""


def open_engine(limit_s: float | None = None) -> "APIClient":
    """A connection to the engine that DOCKER_HOST or Docker's current context names.

    limit_s: for each call, default CALL_LIMIT_S. Close it after use.
    Raises: EngineError if no engine answers.
    """
    import docker

    limit_s = limit_s or CALL_LIMIT_S
    with explaining_errors("reach the Docker engine"):
        address = _find_address()
        _knock(str(address.get("base_url")), limit_s)
        # "auto" asks the engine for its version, so that it has answered when this returns.
        return docker.APIClient(version="auto", timeout=limit_s, **address)


@contextmanager
def explaining_errors(action: str) -> Iterator[None]:
    """Turns what docker-py raises into an EngineError with the remedy.

    action: what is being done, to go on from "cannot".
    """
    import requests

    from docker.errors import DockerException

    try:
        yield
    # OSError: docker-py lets errors of its sockets through; requests' errors are OSErrors too.
    except (DockerException, requests.RequestException, OSError) as exc:
        text = explain_failure(exc)
        kind = GpuRefusedError if any(f in text.lower() for f in _ABOUT_GPUS) else EngineError
        raise kind(f"Cannot {action}: {text}") from exc


def explain_failure(exc: BaseException) -> str:
    """What an error of docker-py means, and the next step."""
    from docker.errors import APIError

    if isinstance(exc, APIError) and exc.response is not None:
        return _explain_answer(exc)
    causes = list(_walk_causes(exc))
    for cause in causes:
        text = _explain_cause(cause)
        if text:
            return text
    return f"the engine at {describe_address()} failed ({exc}); look at `docker info`."


def describe_address() -> str:
    """Where the engine is looked for, for messages."""
    try:
        return str(_find_address().get("base_url"))
    except OSError:
        return "DOCKER_HOST"


def _find_address() -> dict[str, object]:
    from docker import ContextAPI
    from docker.utils import kwargs_from_env

    if os.environ.get("DOCKER_HOST"):
        return dict(kwargs_from_env())
    # Docker Desktop and rootless engines listen elsewhere and say so in the current context.
    context = ContextAPI.get_current_context()
    address: dict[str, object] = {"base_url": context.Host if context else None}
    if context and context.TLSConfig:
        address["tls"] = context.TLSConfig
    return address


def _knock(address: str, limit_s: float) -> None:
    """Nothing, if somebody listens; docker-py would leave an open socket behind if nobody does.

    Raises: OSError that says why not.
    """
    path = address.removeprefix("unix://").removeprefix("http+unix://")
    if address.startswith(("unix://", "http+unix://")):
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(limit_s)
            door.connect(path)


def _walk_causes(exc: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and what urllib3 and requests carry in their arguments."""
    waiting, seen = [exc], set()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        nested = (found.__cause__, found.__context__, *found.args)
        waiting += [value for value in nested if isinstance(value, BaseException)]


def _explain_cause(exc: BaseException) -> str | None:
    where = describe_address()
    if isinstance(exc, TimeoutError) or "timed out" in str(exc):
        return f"the engine at {where} did not answer in time; restart it."
    if isinstance(exc, PermissionError):
        return (
            f"you may not use the engine at {where}; join its group "
            "(sudo usermod -aG docker $USER, then log in again), or use rootless Docker."
        )
    if isinstance(exc, FileNotFoundError):
        return f"no Docker engine is at {where}; start it, install Docker, or set DOCKER_HOST."
    if isinstance(exc, ConnectionError):
        return f"the engine at {where} is not running; start it (sudo systemctl start docker)."
    return None


def _explain_answer(exc: BaseException) -> str:
    text = str(getattr(exc, "explanation", "") or exc).strip().rstrip(".")
    lowered = text.lower()
    for fragment, remedy in _REMEDIES:
        if fragment in lowered:
            return f"{text}; {remedy}"
    return f"the engine says: {text}."


# What engines and NVIDIA's hook in them say when a GPU cannot be given.
_ABOUT_GPUS = {
    "could not select device driver": "install the NVIDIA Container Toolkit and restart the engine",
    "failed to discover gpu vendor": "install the NVIDIA Container Toolkit and restart the engine",
    "cdi device": (
        "describe the GPUs to it: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    ),
    "nvidia-container-cli": (
        "check `nvidia-smi`; after an update of the driver, restart the machine"
    ),
}
_NO_RUNTIME = "install it and name it in /etc/docker/daemon.json, or leave --runtime out"
# What engines say, and what to do about it.
_REMEDIES = (
    ("no such image", "build it: automl-agent sandbox build"),
    (
        os.strerror(errno.ENOSPC).lower(),
        "free space where Docker keeps its data: docker system prune",
    ),
    ("disk quota exceeded", "free space where Docker keeps its data: docker system prune"),
    (
        "exec format error",
        "the image is for another processor; build it here: automl-agent sandbox build",
    ),
    ("does not match the specified platform", "build it here: automl-agent sandbox build"),
    *_ABOUT_GPUS.items(),
    ("unknown runtime", _NO_RUNTIME),
    ("invalid runtime name", _NO_RUNTIME),
    ("no such container", "somebody else removed it; start the step again"),
    ("is already in use by container", "another run has a step of that name"),
    ("is not running", "somebody else ended it; start the step again"),
    (
        "bind source path does not exist",
        "the engine does not see this machine's files; use an engine on this machine",
    ),
)
