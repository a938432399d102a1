"""An engine that cannot give the leased GPU; what it is asked for."""

from typing import Any

import pytest

from automl_agent.sandboxes.sandbox import SandboxOptions

from ...conftest import wait_until
from ..scripted_engine import Say, ScriptedContainer, ScriptedEngine
from .conftest import BUILD, GPU, NO_DRIVER, StartStep, wait_for_end, wait_for_start

# docker-py drops, and does not close, the sockets of connections that could not be made.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
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
