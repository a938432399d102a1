"""What a step says when its engine, container or machine fails: never that it was the script."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automl_agent.errors import GpuMissingError, SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker import engine as engine_module
from automl_agent.sandboxes.docker import handle
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.policy import Policy
from automl_agent.sandboxes.sandbox import SandboxOptions, StepEnd, StepSpec
from automl_agent.sandboxes.step import Step

from ...conftest import wait_until
from ..scripted_engine import Hang, Reset, ScriptedContainer, ScriptedEngine, Vanish

GPU = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
# Of an engine's call and of its silence here. A test waits for several of them.
LIMIT_S = 0.4
# More than the deadlines of a start, a watch and a stop together, and little enough to be one.
PATIENCE_S = 12 * LIMIT_S + 20.0
JOB = {"script": "job.py", "time_limit_s": 60.0}
BUILD = "build it: automl-agent sandbox build"
NO_SPACE = "mkdir /var/lib/docker/overlay2/x: no space left on device"
NO_DRIVER = 'could not select device driver "nvidia" with capabilities: [[gpu]]'
NO_OPTIONS = SandboxOptions()
StartStep = Callable[..., Step]


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


BREAKS = {"hangs": Hang, "breaks off": Reset, "vanishes": Vanish}
