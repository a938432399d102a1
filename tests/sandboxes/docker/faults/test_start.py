"""A step that cannot be started says why, at once, and leaves nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from automl_agent.sandboxes.docker import disk
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions

from ..scripted_engine import Hang, Reaction, Say, ScriptedEngine
from .conftest import BREAKS, BUILD, NO_SPACE, StartStep, wait_for_end

# docker-py drops, and does not close, the sockets of connections that could not be made.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
START_FAULTS = {
    "the engine's own fault": ("info", Say(500, "it is broken"), "the engine says: it is broken."),
    "no image": ("image", Say(404, "No such image: image:cpu"), BUILD),
    "another processor": (
        "image",
        Say(200, {"Id": "sha256:e", "Architecture": "arm64"}),
        "is for arm64, and the engine runs on x86_64; build it here",
    ),
    "name taken": (
        "create",
        Say(409, 'Conflict. The container name "/x" is already in use by container "y"'),
        "remove it: docker rm -f automl-faults-",
    ),
    "no image at creation": ("create", Say(404, "No such image: sha256:c"), BUILD),
    "no space at creation": ("create", Say(500, NO_SPACE), "docker system prune"),
    "no space at the start": ("start", Say(500, NO_SPACE), "docker system prune"),
    "no such runtime": (
        "create",
        Say(400, "Unknown runtime specified runsc"),
        "leave --runtime out",
    ),
    "no such runtime, newer": (
        "create",
        Say(400, "unknown or invalid runtime name: runsc"),
        "leave --runtime out",
    ),
    "format": (
        "start",
        Say(500, "OCI runtime create failed: exec /usr/bin/timeout: exec format error: unknown"),
        "the image is for another processor; build it here",
    ),
    "a mount that is not there": (
        "start",
        Say(400, 'invalid mount config for type "bind": bind source path does not exist: /x'),
        "use an engine on this machine",
    ),
    "no plugin for logs": (
        "start",
        Say(500, "failed to initialize logging driver: x"),
        "the engine says: failed to initialize logging driver: x.",
    ),
}


@pytest.mark.parametrize(
    ("call", "reaction", "message"), START_FAULTS.values(), ids=START_FAULTS.keys()
)
def test_a_start_that_fails_says_why_and_leaves_nothing(
    scripted: ScriptedEngine, start: StartStep, call: str, reaction: Say, message: str
) -> None:
    scripted.react(call, reaction)
    end = wait_for_end(start())
    assert end.status == "start_failed"
    assert message in end.message
    assert scripted.containers == {}


FIRST_CALLS = ("version", "list", "info", "image", "create", "inspect", "start")


@pytest.mark.parametrize("reaction", BREAKS.values(), ids=BREAKS.keys())
@pytest.mark.parametrize("call", FIRST_CALLS)
def test_an_engine_that_fails_at_a_call_of_the_start_fails_it_in_time(
    scripted: ScriptedEngine, start: StartStep, call: str, reaction: Reaction
) -> None:
    scripted.react(call, reaction)
    end = wait_for_end(start())
    assert end.status == "start_failed"
    remedy = "did not answer in time; restart it" if reaction is Hang else "docker"
    assert remedy in end.message


def test_without_an_engine_a_step_fails_at_once_with_the_remedy(
    start: StartStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    end = wait_for_end(start())
    assert end.status == "start_failed"
    assert end.message == (
        f"Cannot reach the Docker engine: no Docker engine is at unix://{tmp_path}/none.sock; "
        "start it, install Docker, or set DOCKER_HOST."
    )


def test_a_socket_that_nobody_serves_is_an_engine_that_is_not_running(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    import socket

    other = scripted.folder / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(other))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{other}")
        end = wait_for_end(start())
    assert "is not running; start it (sudo systemctl start docker)." in end.message


# Everything is loaded before the user changes: nobody may not read our files.
AS_NOBODY = """
import os, sys
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions
sandbox = DockerSandbox(lambda variant: f"image:{variant}")
assert sandbox.find_problem(SandboxOptions()) is None
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(sandbox.find_problem(SandboxOptions()))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_may_not_use_the_engine_is_told_how_to(scripted: ScriptedEngine) -> None:
    scripted.folder.chmod(0o755)
    scripted.socket.chmod(0o600)
    ran = subprocess.run(
        [sys.executable, "-c", AS_NOBODY], capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == (
        f"Cannot reach the Docker engine: you may not use the engine at {scripted.address}; "
        "join its group (sudo usermod -aG docker $USER, then log in again), or use rootless Docker."
    )


def test_a_full_disk_of_this_machine_starts_nothing(
    scripted: ScriptedEngine, start: StartStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "FLOOR_BYTES", 2**60)
    monkeypatch.setattr(disk, "FLOOR_SHARE", 1.0)
    end = wait_for_end(start())
    assert end.status == "start_failed"
    assert "set AUTOML_AGENT_HOME to another disk" in end.message
    assert "create" not in scripted.calls


def find_problem(**options: Any) -> str | None:
    sandbox = DockerSandbox(lambda variant: f"image:{variant}")
    return sandbox.find_problem(SandboxOptions(**options))


def test_an_engine_with_all_that_is_needed_has_no_problem(scripted: ScriptedEngine) -> None:
    assert find_problem() is None
    assert find_problem(n_gpus=1) is None


def test_an_engine_that_knows_no_gpus_is_a_problem_unless_processors_will_do(
    scripted: ScriptedEngine,
) -> None:
    scripted.about["Runtimes"] = {"runc": {}}
    scripted.about |= {"CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": None}
    problem = find_problem(n_gpus=1)
    assert problem is not None and "install the NVIDIA Container Toolkit" in problem
    assert find_problem(n_gpus=1, cpu_fallback=True) is None


def test_one_of_the_images_is_enough_where_processors_will_do(scripted: ScriptedEngine) -> None:
    del scripted.images["image:gpu"]
    problem = find_problem(n_gpus=1)
    assert problem is not None and problem.endswith(f"{BUILD} --variant gpu")
    assert find_problem(n_gpus=1, cpu_fallback=True) is None
    scripted.images.clear()
    problem = find_problem(n_gpus=1, cpu_fallback=True)
    assert problem is not None and problem.endswith(BUILD)
