"""What only a machine with a GPU and an engine can show; `tests/gpu/run.sh` runs it there."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from sklearn.datasets import load_breast_cancer

from automl_agent import Agent
from automl_agent.errors import SandboxError, SetupError
from automl_agent.experts.plan import Resources
from automl_agent.installed_requirements import installed_requirements
from automl_agent.sandboxes import runner_config
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.policy import default_policy
from automl_agent.sandboxes.gpus import Gpu, GpuLease, lease_gpus, list_gpus
from automl_agent.sandboxes.image.build import find_image, image_name
from automl_agent.sandboxes.sandbox import SandboxOptions, StepSpec
from automl_agent.sandboxes.step import JobEnd, Step

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = [pytest.mark.gpu, pytest.mark.docker, pytest.mark.slow]
# Set where a machine must have a GPU, so that nothing is skipped unseen.
REQUIRE_VARIABLE = "AUTOML_AGENT_REQUIRE_GPU"
StartStep = Callable[..., Step]


@pytest.fixture(scope="module")
def gpus() -> list[Gpu]:
    """The devices of this machine."""
    try:
        return list_gpus()
    except SetupError as exc:
        _do_without(str(exc))


@pytest.fixture(scope="module")
def gpu_image(gpus: list[Gpu], engine: "APIClient") -> str:
    """The name of the image with the NVIDIA libraries."""
    name = image_name(installed_requirements(), "gpu")
    if find_image(engine, name) is None:
        _do_without(f"The image {name} is missing; tests/gpu/run.sh builds it.")
    return name


def _do_without(reason: str) -> NoReturn:
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def lease(gpu_image: str, home: Path) -> Iterator[GpuLease]:
    """One device."""
    with lease_gpus(1, home / "gpus") as leased:
        yield leased


@pytest.fixture
def start(gpu_image: str, tmp_path: Path) -> Iterator[StartStep]:
    """Starts steps on the devices that are named, whose scripts a test gives by name."""
    steps: list[Step] = []

    def start_step(
        device_ids: tuple[str, ...], *, warm_imports: tuple[str, ...] = (), **scripts: str
    ) -> Step:
        spec = StepSpec(
            step_id=f"step{len(steps)}",
            folder=tmp_path / f"step{len(steps)}",
            warm_imports=warm_imports,
            resources=Resources(2, 8192, device_ids),
            is_generated=True,
            run_id=f"gpu-{os.getpid()}-{tmp_path.name[-20:]}",
        )
        sandbox = DockerSandbox(
            lambda _variant: gpu_image, policy=replace(default_policy(), job_grace_s=1.0)
        )
        steps.append(Step(sandbox, spec, {f"{name}.py": text for name, text in scripts.items()}))
        return steps[-1]

    yield start_step
    for step in steps:
        step.close()
        step.discard()


def run(step: Step, script: str, *, time_limit_s: float = 300.0) -> JobEnd:
    """How a job ends that runs this script."""
    return step.run({"script": f"{script}.py", "time_limit_s": time_limit_s})


def read_output(end: JobEnd) -> str:
    return (end.folder / "output.txt").read_text()


LOOK = """
import glob, json, subprocess
listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
print(json.dumps({"listed": listed, "nodes": glob.glob("/dev/nvidia[0-9]*")}))
"""


def test_the_leased_device_and_no_other_is_visible_inside(
    lease: GpuLease, gpus: list[Gpu], start: StartStep
) -> None:
    end = run(start(lease.device_ids, look=LOOK), "look")
    assert end.status == "ok", end.message
    seen = json.loads(read_output(end))
    (device_id,) = lease.device_ids
    assert device_id in seen["listed"]
    for gpu in gpus:
        assert gpu.device_id == device_id or gpu.device_id not in seen["listed"]
    assert len(seen["nodes"]) == 1


def test_without_a_lease_no_device_is_visible_inside(start: StartStep) -> None:
    end = run(start((), look="import glob\nprint(glob.glob('/dev/nvidia*'))"), "look")
    assert (end.status, read_output(end)) == ("ok", "[]\n")


def test_a_device_that_does_not_exist_has_a_status_of_its_own(start: StartStep) -> None:
    step = start(("GPU-00000000-0000-0000-0000-000000000000",), look=LOOK)
    with pytest.raises(SandboxError):
        step.wait_until_warm()
    end = step.find_end()
    assert end is not None
    assert end.status == "gpu_missing", end.message


def test_two_leases_never_overlap(gpus: list[Gpu], home: Path) -> None:
    leases: list[GpuLease] = []
    try:
        for _ in gpus:
            with contextlib.suppress(SetupError):  # others may train here
                leases.append(lease_gpus(1, home / "gpus"))
        with pytest.raises(SetupError, match="0 free"):
            lease_gpus(1, home / "gpus")
        device_ids = [lease.device_ids[0] for lease in leases]
        assert 0 < len(device_ids) == len(set(device_ids)) <= len(gpus)
    finally:
        for lease in leases:
            lease.release()


TRAIN = """
import json
import numpy as np
import xgboost
rows = np.random.default_rng(0).normal(size=(20_000, 20))
matrix = xgboost.QuantileDMatrix(rows, rows[:, 0] > 0)
booster = xgboost.train({"device": "cuda", "objective": "binary:logistic"}, matrix, 20)
print(json.loads(booster.save_config())["learner"]["generic_param"]["device"])
"""


def test_xgboost_computes_on_the_device(lease: GpuLease, start: StartStep) -> None:
    end = run(start(lease.device_ids, warm_imports=("xgboost",), train=TRAIN), "train")
    assert end.status == "ok", end.message
    # Without a device that it can use it warns, and writes "cpu".
    assert read_output(end).splitlines()[-1].startswith("cuda")


def test_a_whole_run_trains_and_predicts_on_the_device(gpu_image: str, home: Path) -> None:
    events: list[tuple[str, Any]] = []
    agent = Agent(
        sandbox="docker",
        sandbox_options=SandboxOptions(n_gpus=1),
        on_event=lambda name, fields: events.append((name, fields)),
    )
    frame = load_breast_cancer(as_frame=True).frame
    result = agent.run(frame, "target", experts="xgboost", n_trials=2)
    (device_id,) = result.plan["resources"]["gpus"]
    assert device_id in {gpu.device_id for gpu in list_gpus()}
    # Published results for this table lie between 0.95 and 0.98.
    assert result.to_json()["scores"]["accuracy"] > 0.93
    assert len(result.predict(frame.head(5))) == 5
    outputs = [path.read_text() for path in result.directory.root.rglob("output.txt")]
    assert outputs
    assert not [text for text in outputs if "No visible GPU" in text]
    assert "gpus_missing" not in {name for name, _ in events}
    assert "gpus_not_empty" not in {name for name, _ in events}
    with lease_gpus(1, home / "gpus"):
        pass


# The driver's own interface, which every container with a GPU has; no package is needed.
CUDA = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    if code:
        sys.exit(f"{name}: CUDA error {code}")
context, module, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
call("cuInit", 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
call("cuCtxSetCurrent", context)
"""
FILL = f"""{CUDA}
while True:
    call("cuMemAlloc_v2", ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(2**28))
"""
SPIN = f'''{CUDA}
PTX = b"""
.version 6.3
.target sm_75
.address_size 64
.visible .entry spin(.param .u64 where)
{{
    .reg .u64 %r;
    .reg .u32 %n;
    ld.param.u64 %r, [where];
again:
    ld.volatile.global.u32 %n, [%r];
    bra.uni again;
}}
"""
memory = ctypes.c_uint64()
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(4))
call("cuModuleLoadData", ctypes.byref(module), PTX)
call("cuModuleGetFunction", ctypes.byref(function), module, b"spin")
arguments = (ctypes.c_void_p * 1)(ctypes.cast(ctypes.byref(memory), ctypes.c_void_p))
call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, None, arguments, None)
print("spinning", flush=True)
call("cuCtxSynchronize")
'''
OUT_OF_MEMORY = 2


def test_a_device_that_is_full_is_an_error_of_the_job_and_the_next_one_runs(
    lease: GpuLease, start: StartStep
) -> None:
    step = start(lease.device_ids, fill=FILL, train=TRAIN)
    end = run(step, "fill")
    assert end.status == "error"
    assert end.message.strip() == f"cuMemAlloc_v2: CUDA error {OUT_OF_MEMORY}"
    assert run(step, "train").status == "ok"


def test_a_kernel_that_never_ends_is_a_timeout_and_the_next_job_runs(
    lease: GpuLease, start: StartStep
) -> None:
    step = start(lease.device_ids, spin=SPIN, train=TRAIN)
    end = run(step, "spin", time_limit_s=15.0)
    assert end.status == "timeout", end.message
    assert read_output(end) == "spinning\n"
    assert run(step, "train").status == "ok"


def test_memory_is_given_back_when_a_step_ends(lease: GpuLease, start: StartStep) -> None:
    step = start(lease.device_ids, spin=SPIN)
    assert run(step, "spin", time_limit_s=15.0).status == "timeout"
    step.close()
    assert lease.find_residue() == []


ALLOCATE = """
import torch
total = torch.cuda.get_device_properties(0).total_memory
torch.empty(int(0.05 * total), dtype=torch.uint8, device="cuda")
print("a small part", flush=True)
torch.empty(int(0.3 * total), dtype=torch.uint8, device="cuda")
"""


def test_pytorch_gets_no_more_than_its_fraction_of_the_memory(
    lease: GpuLease, start: StartStep, gpu_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_torch = ["docker", "run", "--rm", "--entrypoint", "/opt/venv/bin/python", gpu_image]
    if subprocess.run([*has_torch, "-c", "import torch"], check=False).returncode:
        pytest.skip("no installed expert asks for PyTorch, so the image lacks it")
    monkeypatch.setattr(runner_config, "GPU_MEMORY_FRACTION", 0.2)
    step = start(lease.device_ids, warm_imports=("torch",), allocate=ALLOCATE)
    end = run(step, "allocate")
    assert end.status == "error"
    assert read_output(end).startswith("a small part\n")
    assert "OutOfMemoryError" in end.message
