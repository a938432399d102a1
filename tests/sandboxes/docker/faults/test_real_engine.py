"""The faults of a real engine."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.errors import NotFound

from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker import engine as engine_module
from automl_agent.sandboxes.docker import handle
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions, StepEnd, StepSpec
from automl_agent.sandboxes.step import Step

from ...conftest import wait_until

if TYPE_CHECKING:
    from docker import APIClient

from .conftest import BUILD, GPU, JOB, StartStep

# docker-py drops, and does not close, the sockets of connections that could not be made.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


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
