"""The whole request for a container, and that no step, policy or option can make it dangerous."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker.owner import Owner
from automl_agent.sandboxes.docker.policy import Policy
from automl_agent.sandboxes.docker.specification import build_specification
from automl_agent.sandboxes.sandbox import SandboxOptions, StepSpec

SNAPSHOTS = Path(__file__).parent
SECCOMP = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}
OWNER = Owner(uuid="u1", pid=4321, start_ticks="98765", boot_id="b1", host_id="h1")
POLICY = Policy(user_id=1000, group_id=1001)
STEP = StepSpec(
    step_id="linear-1",
    folder=Path("/state/runs/r1/steps/linear-1"),
    warm_imports=("numpy", "sklearn.linear_model"),
    resources=Resources(cpus=2, memory_mib=4096),
    is_generated=True,
    run_id="r1",
    time_limit_s=900.0,
)
GPU_STEP = replace(STEP, resources=Resources(cpus=8, memory_mib=16_384, gpus=("GPU-aa", "GPU-bb")))
CASES = {
    "cpu": (STEP, POLICY, {}),
    "gpu": (GPU_STEP, POLICY, {"gpu_driver": "nvidia"}),
    "cdi": (GPU_STEP, POLICY, {"gpu_driver": "cdi"}),
    "site": (STEP, replace(POLICY, runtime="runsc", tmp_exec=True), {"apparmor": True}),
}


def build(spec: StepSpec, policy: Policy, **options: Any) -> dict[str, Any]:
    return build_specification(
        spec,
        policy,
        image="sha256:0123",
        seccomp=SECCOMP,
        owner=OWNER,
        now=1_000_000.0,
        **{"attempt": 1, **options},
    )


@pytest.mark.parametrize("name", CASES)
def test_the_whole_document(name: str) -> None:
    spec, policy, options = CASES[name]
    # To change it, change the file by hand: each line of it is a decision.
    expected = json.loads((SNAPSHOTS / f"specification_{name}.json").read_text())
    assert build(spec, policy, **options) == expected


def test_a_gpu_step_differs_by_its_devices_and_limits_only() -> None:
    cpu, gpu = (
        build(replace(GPU_STEP, resources=replace(GPU_STEP.resources, gpus=gpus)), POLICY)
        for gpus in ((), ("GPU-aa",))
    )
    assert {key for key in gpu if gpu[key] != cpu[key]} == {"Env", "Labels", "HostConfig"}
    host, gpu_host = cpu["HostConfig"], gpu["HostConfig"]
    different = {key for key in gpu_host if gpu_host[key] != host.get(key)}
    assert different == {"DeviceRequests", "ShmSize", "Ulimits"}
    assert set(gpu["Env"]) - set(cpu["Env"]) == {"NVIDIA_DRIVER_CAPABILITIES=compute,utility"}


texts = st.text(max_size=20) | st.sampled_from(["host", "privileged", "/", "/var/run/docker.sock"])
resources = st.builds(
    Resources,
    cpus=st.integers(1, 256),
    memory_mib=st.integers(64, 2**20),
    gpus=st.lists(texts.filter(bool), max_size=4).map(tuple),
)
steps = st.builds(
    StepSpec,
    step_id=texts,
    folder=st.just(STEP.folder),
    warm_imports=st.lists(texts, max_size=3).map(tuple),
    resources=resources,
    is_generated=st.booleans(),
    run_id=texts,
    time_limit_s=st.floats(0.1, 1e6),
    options=st.builds(
        SandboxOptions,
        allow_generated=st.booleans(),
        allow_degraded=st.lists(texts, max_size=4).map(tuple),
        runtime=texts,
        n_gpus=st.integers(0, 8),
        cpu_fallback=st.booleans(),
    ),
)
policies = st.builds(
    Policy,
    user_id=st.integers(1, 2**31 - 1),
    group_id=st.integers(1, 2**31 - 1),
    runtime=texts,
    tmp_mib=st.integers(1, 4096),
    tmp_inodes=st.integers(1, 10**6),
    tmp_exec=st.booleans(),
    shm_mib=st.integers(1, 4096),
    max_file_bytes=st.integers(1, 2**40),
    ttl_margin_s=st.floats(0, 1e4),
    stop_grace_s=st.integers(0, 100),
)
# What gives away the host, whatever it is set to.
NEVER = {
    *("CapAdd", "Devices", "DeviceCgroupRules", "VolumesFrom", "Links", "Binds", "GroupAdd"),
    *("PidMode", "UTSMode", "UsernsMode", "PortBindings", "PublishAllPorts", "ExposedPorts"),
    *("Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "CgroupParent", "Sysctls", "Isolation"),
    *("OomKillDisable", "MaskedPaths", "ReadonlyPaths", "Volumes", "Cgroup", "StorageOpt"),
}


@given(
    spec=steps,
    policy=policies,
    gpu_driver=st.sampled_from(["nvidia", "cdi"]),
    apparmor=st.booleans(),
    attempt=st.integers(1, 99),
)
def test_nothing_makes_it_give_away_the_host(
    spec: StepSpec, policy: Policy, gpu_driver: str, apparmor: bool, attempt: int
) -> None:
    body = build(spec, policy, gpu_driver=gpu_driver, apparmor=apparmor, attempt=attempt)
    host = body["HostConfig"]
    assert not NEVER & (set(body) | set(host))
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert (host["NetworkMode"], host["IpcMode"], host["CgroupnsMode"]) == (
        "none",
        "private",
        "private",
    )
    assert host["ReadonlyRootfs"] is True
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert f"seccomp={json.dumps(SECCOMP)}" in host["SecurityOpt"]
    assert not any("unconfined" in option for option in host["SecurityOpt"])
    assert host["Memory"] == host["MemorySwap"] > 0
    assert host["PidsLimit"] >= 256
    assert "0" not in body["User"].split(":")
    assert body["Entrypoint"][0] == "/usr/local/libexec/automl-timeout"
    assert int(body["Entrypoint"][3]) >= spec.time_limit_s - 1
    # GPUs by their names, never all of them.
    assert all(request.get("Count") is None for request in host.get("DeviceRequests", ()))


@given(spec=steps, policy=policies)
def test_nothing_but_the_three_folders_of_the_step_is_mounted(
    spec: StepSpec, policy: Policy
) -> None:
    mounts = build(spec, policy)["HostConfig"]["Mounts"]
    assert [(m["Source"], m["Target"], m["ReadOnly"]) for m in mounts] == [
        (f"{STEP.folder}/in", "/in", True),
        (f"{STEP.folder}/code", "/code", True),
        (f"{STEP.folder}/out", "/out", False),
    ]
    assert {m["BindOptions"]["Propagation"] for m in mounts} == {"rprivate"}


@pytest.mark.parametrize("ids", [(0, 1000), (1000, 0), (0, 0)])
def test_a_policy_never_gives_root(ids: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="never runs as root"):
        Policy(*ids)


def test_the_deadline_of_a_container_counts_from_its_request() -> None:
    body = build(STEP, POLICY)
    assert body["Labels"]["automl-agent.deadline_unix"] == str(1_000_000 + 900 + 60)
    assert body["Entrypoint"][1:4] == ["-k", "10", "960"]
