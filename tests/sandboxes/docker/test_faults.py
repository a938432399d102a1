"""What a step says when its engine, container or machine fails: never that it was the script."""

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import NotFound

from automl_agent.errors import GpuMissingError, SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker import disk, handle
from automl_agent.sandboxes.docker import engine as engine_module
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.policy import Policy
from automl_agent.sandboxes.sandbox import SandboxOptions, StepEnd, StepSpec
from automl_agent.sandboxes.step import Step

from ..conftest import wait_until
from .scripted_engine import Hang, Reaction, Reset, Say, ScriptedContainer, ScriptedEngine, Vanish

if TYPE_CHECKING:
    from docker import APIClient

GPU = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
# Of an engine's call and of its silence here. A test waits for several of them.
LIMIT_S = 0.4
# More than the deadlines of a start, a watch and a stop together, and little enough to be one.
PATIENCE_S = 12 * LIMIT_S + 3.0
JOB = {"script": "job.py", "time_limit_s": 60.0}
BUILD = "build it: automl-agent sandbox build"
NO_SPACE = "mkdir /var/lib/docker/overlay2/x: no space left on device"
NO_DRIVER = 'could not select device driver "nvidia" with capabilities: [[gpu]]'
NO_OPTIONS = SandboxOptions()
StartStep = Callable[..., Step]
# docker-py drops, and does not close, the sockets of connections that could not be made.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CALL_LIMIT_S", LIMIT_S)
    monkeypatch.setattr(handle, "CALL_LIMIT_S", LIMIT_S)
    monkeypatch.setattr(handle, "LOST_AFTER_S", LIMIT_S)
    monkeypatch.setattr(handle, "_WATCH_S", 0.05)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    """The engine that DOCKER_HOST names."""
    engine = ScriptedEngine()
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    yield engine
    engine.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartStep]:
    """Starts steps; after the test they are closed, and no thread of theirs is left."""
    steps: list[Step] = []
    before = set(threading.enumerate())

    def start_step(
        *gpus: str, time_limit_s: float = 3600.0, options: SandboxOptions = NO_OPTIONS
    ) -> Step:
        spec = StepSpec(
            step_id=f"step{len(steps)}",
            folder=tmp_path / f"step{len(steps)}",
            warm_imports=(),
            resources=Resources(1, 512, gpus),
            is_generated=True,
            run_id=f"faults-{os.getpid()}",
            time_limit_s=time_limit_s,
            options=options,
        )
        policy = Policy(65534, 65534, stop_grace_s=0)
        sandbox = DockerSandbox(lambda variant: f"image:{variant}", policy=policy)
        steps.append(Step(sandbox, spec, {"job.py": ""}))
        return steps[-1]

    yield start_step
    for step in steps:
        started = time.monotonic()
        step.close()
        step.discard()
        assert time.monotonic() - started < PATIENCE_S
    wait_until(lambda: not [t for t in threading.enumerate() if is_ours(t) and t not in before])
    gc.collect()


def is_ours(thread: threading.Thread) -> bool:
    """Whether a handle has started it."""
    return "container of" in thread.name or "_read_output" in thread.name


def wait_for_end(step: Step) -> StepEnd:
    """How the step ends, within the deadlines; a job that waits for it is not blamed."""
    started = time.monotonic()
    with pytest.raises(SandboxError) as caught:
        step.run(JOB)
    assert time.monotonic() - started < PATIENCE_S
    end = step.find_end()
    assert end is not None
    assert str(caught.value) == end.message
    assert isinstance(caught.value, GpuMissingError) == (end.status == "gpu_missing")
    return end


def wait_for_start(engine: ScriptedEngine) -> ScriptedContainer:
    wait_until(lambda: engine.containers and engine.container.state == "running")
    return engine.container


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


GPU_FAULTS = {
    "no toolkit": (NO_DRIVER, "install the NVIDIA Container Toolkit"),
    "no vendor": (
        "failed to discover GPU vendor from CDI: no known GPU vendor found",
        "install the NVIDIA Container Toolkit",
    ),
    "not described": (
        f"CDI device injection failed: unresolvable CDI devices nvidia.com/gpu={GPU}",
        "sudo nvidia-ctk cdi generate",
    ),
    "driver gone": (
        "OCI runtime create failed: nvidia-container-cli: initialization error: nvml error: driver "
        "not loaded: unknown",
        "check `nvidia-smi`",
    ),
}


@pytest.mark.parametrize(("text", "remedy"), GPU_FAULTS.values(), ids=GPU_FAULTS.keys())
def test_an_engine_that_cannot_give_the_gpu_has_a_status_of_its_own(
    scripted: ScriptedEngine, start: StartStep, text: str, remedy: str
) -> None:
    scripted.react("start", Say(500, text))
    end = wait_for_end(start(GPU))
    assert end.status == "gpu_missing"
    assert text in end.message and remedy in end.message
    assert scripted.containers == {}


def test_without_the_image_for_gpus_they_count_as_missing(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    del scripted.images["image:gpu"]
    end = wait_for_end(start(GPU))
    assert end.status == "gpu_missing"
    assert end.message.endswith(f"{BUILD} --variant gpu")


BREAKS = {"hangs": Hang, "breaks off": Reset, "vanishes": Vanish}
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


@pytest.mark.parametrize("reaction", [*BREAKS.values(), Say(500, "no")], ids=[*BREAKS, "refuses"])
def test_an_engine_that_fails_while_a_job_runs_loses_the_step_in_time(
    scripted: ScriptedEngine, start: StartStep, reaction: Reaction
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react("inspect", reaction)
    end = wait_for_end(step)
    assert end.status == "lost"
    assert end.message.startswith("Cannot look at the container: ")
    assert end.message.endswith(" The step is lost.")
    assert end.evidence["container"]


def test_of_a_lost_step_no_thread_waits_for_more_output(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    wait_until(lambda: "attach" in scripted.calls)
    scripted.react("inspect", Say(500, "no"))
    wait_for_end(step)
    # The engine lives, and so does the container, whose output has not ended.
    wait_until(lambda: not any(map(is_ours, threading.enumerate())))


def test_an_engine_that_is_stopped_in_mid_step_is_named_with_the_command_that_starts_it(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.vanish()
    end = wait_for_end(step)
    assert end.status == "lost"
    assert f"no Docker engine is at {scripted.address}" in end.message


@pytest.mark.parametrize("reaction", [Reset, Say(500, "busy")], ids=["break", "refusal"])
def test_a_short_trouble_of_the_engine_loses_nothing(
    scripted: ScriptedEngine, start: StartStep, reaction: Reaction
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react("inspect", reaction, reaction, None)
    n_before = scripted.calls.count("inspect")
    wait_until(lambda: scripted.calls.count("inspect") > n_before + 4)
    assert step.find_end() is None


@pytest.mark.parametrize("call", ["stop", "kill", "remove"])
@pytest.mark.parametrize("reaction", BREAKS.values(), ids=BREAKS.keys())
def test_an_engine_that_fails_at_the_end_of_a_step_keeps_nobody_waiting(
    scripted: ScriptedEngine, start: StartStep, call: str, reaction: Reaction
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react(call, reaction)
    started = time.monotonic()
    step.close()
    step.discard()
    assert time.monotonic() - started < PATIENCE_S
    end = step.find_end()
    assert end is not None and end.status in ("ok", "lost")


def test_an_engine_that_cannot_stop_a_container_is_asked_to_kill_it(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react("stop", Say(500, "no"))
    step.close()
    end = step.find_end()
    assert end is not None and end.status == "ok"
    assert scripted.container.state != "running"


def test_a_container_that_nothing_ends_is_lost_and_no_limit_of_the_job(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    scripted.react("kill", Say(500, "tried to kill container, but did not receive an exit event"))
    step = start(time_limit_s=0.1)
    end = wait_for_end(step)
    assert end.status == "lost"
    assert end.message.startswith("The engine does not end the container: it hangs")


def test_an_engine_that_is_gone_after_the_step_does_not_change_its_end(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    step.close()
    scripted.vanish()
    step.discard()
    end = step.find_end()
    assert end is not None and end.status == "ok"


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


@pytest.mark.parametrize(
    ("exit_code", "oom_killed", "status", "message"),
    [
        pytest.param(137, False, "killed", "(?i)somebody else", id="killed"),
        pytest.param(1, False, "error", "The sandbox ended with 'error': no output", id="error"),
        pytest.param(90, False, "error", "The sandbox ended with 'error': no output", id="90"),
        pytest.param(0, False, "killed", "Somebody else ended", id="stopped"),
    ],
)
def test_a_container_that_ends_by_itself_is_no_fault_of_a_job(
    scripted: ScriptedEngine,
    start: StartStep,
    exit_code: int,
    oom_killed: bool,
    status: str,
    message: str,
) -> None:
    step = start()
    wait_for_start(scripted).end(exit_code, oom_killed=oom_killed)
    with pytest.raises(SandboxError, match=message):
        step.run(JOB)
    end = step.find_end()
    assert end is not None
    assert (end.status, end.evidence["exit_code"]) == (status, exit_code)


def test_memory_that_the_whole_step_used_up_is_a_limit_of_the_job(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted).end(137, oom_killed=True)
    end = step.run(JOB)
    assert (end.status, end.message) == ("oom", "The step used more than its 512 MiB.")


def test_a_container_that_is_gone_is_named_as_removed_by_somebody(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    scripted.containers.pop(wait_for_start(scripted).name).ended.set()
    end = wait_for_end(step)
    assert end.status == "killed"
    assert end.message == "Somebody else removed the container; start the step again."


def test_what_a_container_printed_is_in_the_message_and_in_the_evidence(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    scripted.on_start = lambda container: container.output.extend(
        [(1, b"hello \xff\n"), (2, b"Traceback: no module\n")]
    )
    step = start()
    wait_until(lambda: "attach" in scripted.calls)
    wait_for_start(scripted).end(1)
    with pytest.raises(SandboxError, match="no module"):
        step.run(JOB)
    end = step.find_end()
    assert end is not None
    assert end.evidence["output"] == "hello \\xff\nTraceback: no module\n"


# Without the breaks that take the whole engine away.
UNREAD = {name: reaction for name, reaction in BREAKS.items() if reaction is not Vanish}


@pytest.mark.parametrize("reaction", [*UNREAD.values(), Say(500, "no")], ids=[*UNREAD, "refuses"])
def test_an_output_that_cannot_be_read_ends_no_step(
    scripted: ScriptedEngine, start: StartStep, reaction: Reaction
) -> None:
    scripted.react("attach", reaction)
    step = start()
    wait_until(lambda: "attach" in scripted.calls)
    time.sleep(3 * LIMIT_S)
    assert step.find_end() is None


def test_a_full_disk_of_this_machine_starts_nothing(
    scripted: ScriptedEngine, start: StartStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "FLOOR_BYTES", 2**60)
    monkeypatch.setattr(disk, "FLOOR_SHARE", 1.0)
    end = wait_for_end(start())
    assert end.status == "start_failed"
    assert "set AUTOML_AGENT_HOME to another disk" in end.message
    assert "create" not in scripted.calls


MISSING = b"Leased: ['GPU-5d5b']; visible: \n"


def test_a_gpu_that_does_not_show_up_is_looked_for_once_more(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    def fail_first(container: ScriptedContainer) -> None:
        if container.name.endswith("-1"):
            container.end(90)

    scripted.on_start = fail_first
    step = start(GPU)
    wait_until(lambda: any(name.endswith("-2") for name in scripted.containers))
    wait_for_start(scripted)
    assert step.find_end() is None
    assert [body["Labels"]["automl-agent.attempt"] for body in scripted.bodies] == ["1", "2"]


def test_a_gpu_that_is_missing_twice_ends_the_step(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    def fail(container: ScriptedContainer) -> None:
        container.output.append((2, MISSING))
        container.end(90)

    scripted.on_start = fail
    end = wait_for_end(start(GPU))
    assert end.status == "gpu_missing"
    assert end.message == (
        "The container does not see the GPUs that it was given (Leased: ['GPU-5d5b']; visible:); "
        "check `nvidia-smi` and the NVIDIA Container Toolkit."
    )
    assert end.evidence["attempt"] == 2


def discover(*names: str) -> list[dict[str, str]]:
    return [{"Source": "cdi", "ID": f"nvidia.com/gpu={name}"} for name in names]


BY_DRIVER = {"Driver": "nvidia", "DeviceIDs": [GPU], "Capabilities": [["gpu"]]}
BY_CDI = {"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={GPU}"]}
ENGINES = {
    "20.10 with the runtime": ({}, BY_DRIVER),
    "28 with folders and nothing in them": (
        {"CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": None},
        BY_DRIVER,
    ),
    "28 with the GPU described": (
        {"CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": discover("0", GPU, "all")},
        BY_CDI,
    ),
    "28 that knows it by number only": (
        {"CDISpecDirs": ["/etc/cdi"], "DiscoveredDevices": discover("0", "all")},
        BY_DRIVER,
    ),
    "27 with CDI only": ({"CDISpecDirs": ["/etc/cdi"], "Runtimes": {"runc": {}}}, BY_CDI),
    "27 with both": ({"CDISpecDirs": ["/etc/cdi"]}, BY_DRIVER),
}


@pytest.mark.parametrize(("about", "request_made"), ENGINES.values(), ids=ENGINES.keys())
def test_the_engine_is_asked_for_exactly_the_leased_gpu(
    scripted: ScriptedEngine, start: StartStep, about: dict[str, Any], request_made: dict[str, Any]
) -> None:
    scripted.about |= about
    start(GPU)
    wait_for_start(scripted)
    (body,) = scripted.bodies
    host = body["HostConfig"]
    assert host["DeviceRequests"] == [request_made]
    assert body["Image"] == "sha256:d"
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in body["Env"]
    assert host["ShmSize"] == 2048 * 2**20
    assert {"Name": "memlock", "Soft": -1, "Hard": -1} in host["Ulimits"]


def test_without_a_leased_gpu_none_is_asked_for_whatever_the_options_say(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    start(options=SandboxOptions(n_gpus=1, cpu_fallback=True))
    wait_for_start(scripted)
    (body,) = scripted.bodies
    assert body["Image"] == "sha256:c"
    assert "DeviceRequests" not in body["HostConfig"]
    assert not [variable for variable in body["Env"] if "NVIDIA" in variable]
    assert body["HostConfig"]["ShmSize"] == 256 * 2**20


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


# With the engine of this machine.


@pytest.fixture
def start_real(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartStep]:
    """Starts steps in real containers, with the deadlines that they have."""
    for module in (engine_module, handle):
        monkeypatch.setattr(module, "CALL_LIMIT_S", 15.0)
    monkeypatch.setattr(handle, "LOST_AFTER_S", 15.0)
    steps: list[Step] = []

    def start_step(*gpus: str, name: str = "", runtime: str = "") -> Step:
        spec = StepSpec(
            step_id=f"step{len(steps)}",
            folder=tmp_path / f"step{len(steps)}",
            warm_imports=(),
            resources=Resources(1, 512, gpus),
            is_generated=True,
            run_id=f"faults-{os.getpid()}",
            options=SandboxOptions(runtime=runtime),
        )
        sandbox = DockerSandbox(lambda _variant: name or image)
        steps.append(Step(sandbox, spec, {"job.py": "import time\ntime.sleep(600)"}))
        return steps[-1]

    yield start_step
    for step in steps:
        step.close()
        step.discard()


def find_names(engine: "APIClient") -> list[str]:
    """The containers of this process's steps, whatever their state."""
    filters = {"label": f"automl-agent.run=faults-{os.getpid()}"}
    return [c["Names"][0].lstrip("/") for c in engine.containers(all=True, filters=filters)]


def wait_for_real_end(step: Step) -> StepEnd:
    with pytest.raises(SandboxError):
        step.run(JOB)
    end = step.find_end()
    assert end is not None
    return end


@pytest.mark.docker
def test_a_real_engine_without_gpus_refuses_one_and_nothing_is_left(
    engine: "APIClient", start_real: StartStep
) -> None:
    end = wait_for_real_end(start_real(GPU))
    assert end.status == "gpu_missing"
    assert "install the NVIDIA Container Toolkit" in end.message
    assert find_names(engine) == []


@pytest.mark.docker
def test_a_real_engine_without_the_runtime_says_so(
    engine: "APIClient", start_real: StartStep
) -> None:
    end = wait_for_real_end(start_real(runtime="no-such-runtime"))
    assert end.status == "start_failed"
    assert "no-such-runtime" in end.message and "leave --runtime out" in end.message
    assert find_names(engine) == []


@pytest.mark.docker
def test_a_real_engine_without_the_image_names_the_command_that_builds_it(
    engine: "APIClient", start_real: StartStep
) -> None:
    end = wait_for_real_end(start_real(name="automl-agent-sandbox:cpu-none"))
    assert (end.status, BUILD in end.message) == ("start_failed", True)


@pytest.mark.docker
def test_a_name_that_is_taken_on_a_real_engine_is_left_alone_and_named(
    engine: "APIClient", image: str, start_real: StartStep
) -> None:
    name = f"automl-faults-{os.getpid()}-step0-1"
    other = engine.create_container(image, ["sleep", "60"], name=name)
    try:
        end = wait_for_real_end(start_real())
        assert end.status == "start_failed"
        assert f"docker rm -f {name}" in end.message
        assert engine.inspect_container(name)["Id"] == other["Id"]
    finally:
        engine.remove_container(other["Id"], force=True)


def wait_for_running(engine: "APIClient") -> str:
    names: list[str] = []

    def is_running() -> bool:
        # The container of the test before may still be on its way out, under the same name.
        names[:] = find_names(engine)
        with contextlib.suppress(NotFound):
            return bool(names) and engine.inspect_container(names[0])["State"]["Running"]
        return False

    wait_until(is_running)
    return names[0]


@pytest.mark.docker
@pytest.mark.parametrize("how", ["killed", "removed"])
def test_a_real_container_that_somebody_else_ends_is_no_fault_of_the_job(
    engine: "APIClient", start_real: StartStep, how: str
) -> None:
    step = start_real()
    name = wait_for_running(engine)
    step.wait_until_warm()
    ending = {
        "killed": lambda: engine.kill(name),
        "removed": lambda: engine.remove_container(name, force=True),
    }
    timer = threading.Timer(0.3, ending[how])
    timer.start()
    end = wait_for_real_end(step)
    timer.join()
    assert end.status == "killed"
    assert "somebody else" in end.message.lower()
