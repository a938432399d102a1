"""What a container is: one pure function from a step and a policy to the engine's request.

Every row of the hardening table in docs/sandbox.md is here and nowhere else. A test pins the whole
document, and another compares it with what the engine made of it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from automl_agent.sandboxes.docker.capabilities import CDI_KIND
from automl_agent.sandboxes.docker.owner import Owner
from automl_agent.sandboxes.docker.policy import Policy, count_pids
from automl_agent.sandboxes.sandbox import StepSpec
from automl_agent.sandboxes.thread_environment import build_thread_environment

LABEL = "automl-agent"
SCHEMA = "1"
PYTHON = "/opt/venv/bin/python"
# Mode 0711: what cannot be read cannot be dumped, so nobody of the same uid can patch PID 1.
TIMEOUT = "/usr/local/libexec/automl-timeout"
# After the container's own deadline: from SIGTERM to SIGKILL.
KILL_AFTER_S = 10
SCRATCH = ("/tmp", "/dev/shm")
_MIB = 2**20


def build_specification(
    spec: StepSpec,
    policy: Policy,
    *,
    image: str,
    seccomp: Mapping[str, Any],
    owner: Owner,
    attempt: int,
    now: float,
    gpu_driver: str = "nvidia",
    apparmor: bool = False,
) -> dict[str, Any]:
    """The body of the engine's request to create the container.

    image: by digest. attempt: counts from 1. now: seconds since 1970.
    gpu_driver: "nvidia", or "cdi" where the engine knows the Container Device Interface.
    apparmor: whether the engine has it.
    """
    ttl_s = round(spec.time_limit_s + policy.ttl_margin_s)
    labels = build_labels(spec, owner=owner, attempt=attempt, deadline_unix=round(now) + ttl_s)
    return {
        "Image": image,
        "User": f"{policy.user_id}:{policy.group_id}",
        "Hostname": "sandbox",
        "WorkingDir": "/tmp",
        "Env": [f"{name}={value}" for name, value in build_environment(spec).items()],
        "Entrypoint": [
            *(TIMEOUT, "-k", str(KILL_AFTER_S), str(ttl_s), "tini", "-s", "--"),
            *(PYTHON, "-I", "-u", "/code/main.py", "/in", "/out", "/code"),
        ],
        "Cmd": [],
        "Labels": labels,
        "NetworkDisabled": True,
        "StopSignal": "SIGTERM",
        "StopTimeout": policy.stop_grace_s,
        "HostConfig": _build_host_config(
            spec, policy, seccomp=seccomp, gpu_driver=gpu_driver, apparmor=apparmor
        ),
    }


def name_container(spec: StepSpec, attempt: int) -> str:
    """A name that the same attempt of the same step always has: it cannot be made twice."""
    return f"automl-{spec.run_id}-{spec.step_id}-{attempt}"


def build_labels(
    spec: StepSpec, *, owner: Owner, attempt: int, deadline_unix: int
) -> dict[str, str]:
    """What tells, without any memory of ours, whose container it is and until when."""
    labels = {
        "schema": SCHEMA,
        "run": spec.run_id,
        "step": spec.step_id,
        "attempt": str(attempt),
        "folder": str(spec.folder),
        "fingerprint": fingerprint_step(spec),
        "deadline_unix": str(deadline_unix),
        **{f"owner_{key}": value for key, value in owner.to_json().items()},
    }
    return {f"{LABEL}.{key}": value for key, value in labels.items()}


def fingerprint_step(spec: StepSpec) -> str:
    """Tells steps apart that have a name in common; 16 hex digits."""
    document = [spec.run_id, spec.step_id, str(spec.folder), spec.resources.to_json()]
    text = json.dumps([*document, list(spec.warm_imports)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_environment(spec: StepSpec) -> dict[str, str]:
    """The whole environment of a container; nothing is inherited."""
    environment = {
        "PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        # An unknown uid makes getpass.getuser() raise, which PyTorch calls.
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "NUMBA_CACHE_DIR": "/tmp/numba",
        "TORCHINDUCTOR_CACHE_DIR": "/tmp/inductor",
        "XDG_CACHE_HOME": "/tmp/cache",
        "JOBLIB_TEMP_FOLDER": "/tmp",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        **build_thread_environment(spec.resources.cpus),
    }
    if spec.resources.gpus:
        environment["NVIDIA_DRIVER_CAPABILITIES"] = "compute,utility"
    return environment


def _build_host_config(
    spec: StepSpec, policy: Policy, *, seccomp: Mapping[str, Any], gpu_driver: str, apparmor: bool
) -> dict[str, Any]:
    memory_bytes = spec.resources.memory_mib * _MIB
    shm_mib = policy.gpu_shm_mib if spec.resources.gpus else policy.shm_mib
    return {
        "NetworkMode": "none",
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Privileged": False,
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": [
            "no-new-privileges:true",
            f"seccomp={json.dumps(seccomp)}",
            *(["apparmor=docker-default"] if apparmor else []),
        ],
        "Mounts": [
            _build_mount(f"{spec.folder}/in", "/in", read_only=True),
            _build_mount(f"{spec.folder}/code", "/code", read_only=True),
            _build_mount(f"{spec.folder}/out", "/out", read_only=False),
        ],
        "Tmpfs": {
            "/tmp": _describe_tmpfs(
                policy.tmp_mib, inodes=policy.tmp_inodes, is_executable=policy.tmp_exec
            ),
            "/run": _describe_tmpfs(16, inodes=1024, is_executable=False),
        },
        "ShmSize": shm_mib * _MIB,
        "Memory": memory_bytes,
        # The same: no swap, which would be memory beyond the limit.
        "MemorySwap": memory_bytes,
        "NanoCpus": spec.resources.cpus * 10**9,
        # Half of what a process of the host gets when both want the processor.
        "CpuShares": 512,
        "PidsLimit": count_pids(spec.resources.cpus),
        "OomScoreAdj": 500,
        "Ulimits": _build_ulimits(spec, policy),
        "Init": False,
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "local", "Config": {"max-size": "8m", "max-file": "2"}},
        **({"Runtime": policy.runtime} if policy.runtime else {}),
        **_build_devices(spec, gpu_driver),
    }


def _build_mount(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": source,
        "Target": target,
        "ReadOnly": read_only,
        "BindOptions": {"Propagation": "rprivate"},
    }


def _describe_tmpfs(size_mib: int, *, inodes: int, is_executable: bool) -> str:
    execution = "exec" if is_executable else "noexec"
    return f"rw,nosuid,nodev,{execution},size={size_mib}m,nr_inodes={inodes},mode=1777"


def _build_ulimits(spec: StepSpec, policy: Policy) -> list[dict[str, Any]]:
    # No limit on processes: that one counts for a uid over all containers. None on the address
    # space: CUDA reserves far more of it than it uses.
    limits = {"core": 0, "nofile": 4096, "fsize": policy.max_file_bytes}
    if spec.resources.gpus:
        limits["memlock"] = -1  # CUDA pins memory
    return [{"Name": name, "Soft": value, "Hard": value} for name, value in limits.items()]


def _build_devices(spec: StepSpec, gpu_driver: str) -> dict[str, Any]:
    gpus = spec.resources.gpus
    if not gpus:
        return {}
    if gpu_driver == "cdi":
        devices = [f"{CDI_KIND}{gpu}" for gpu in gpus]
        return {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": devices}]}
    request = {"Driver": "nvidia", "DeviceIDs": list(gpus), "Capabilities": [["gpu"]]}
    return {"DeviceRequests": [request]}
