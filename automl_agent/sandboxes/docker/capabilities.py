"""The capability matrix: the rows of docs/sandbox.md, and what was seen of each on an engine.

Three sources are kept apart: what the engine says about itself, what it made of a container's
request, and what a probe inside the container sees. A row holds if every source says so.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from automl_agent.errors import InputError
from automl_agent.sandboxes.sandbox import SandboxOptions

# How CDI names an NVIDIA GPU, up to its uuid.
CDI_KIND = "nvidia.com/gpu="
Source = Literal["engine", "inspect", "inside"]
State = Literal["ok", "MISSING", "degraded"]


@dataclass(frozen=True)
class Row:
    """One limit of the table.

    number: in docs/sandbox.md. is_mandatory: a step does not start without it unless the person
    allows that by its name. remedy: for where it is missing, or what stands in for it.
    """

    number: int
    name: str
    what: str
    is_mandatory: bool
    remedy: str


@dataclass(frozen=True)
class Observation:
    """What one source says about a row. found: in a few words."""

    name: str
    source: Source
    is_met: bool
    found: str


@dataclass(frozen=True)
class Capability:
    """A row and all that was seen of it."""

    row: Row
    observations: tuple[Observation, ...]

    @property
    def is_met(self) -> bool:
        """Whether every source says so."""
        return all(observation.is_met for observation in self.observations)

    @property
    def state(self) -> State:
        """The row's state in one word."""
        return "ok" if self.is_met else "MISSING" if self.row.is_mandatory else "degraded"

    @property
    def found(self) -> str:
        """What speaks against it; if nothing does, what the source nearest to a script saw."""
        against = [o for o in self.observations if not o.is_met]
        shown = against or self.observations[-1:]
        return "; ".join(f"{o.found} ({o.source})" for o in shown)

    @property
    def remedy(self) -> str:
        """What to do; empty if nothing is to be done."""
        return "" if self.is_met else self.row.remedy

    def to_json(self) -> dict[str, Any]:
        """The capability as a JSON object."""
        return {
            "row": self.row.number,
            "name": self.row.name,
            "what": self.row.what,
            "is_mandatory": self.row.is_mandatory,
            "state": self.state,
            "found": {o.source: {"is_met": o.is_met, "text": o.found} for o in self.observations},
            "remedy": self.remedy,
        }


_CGROUPS = (
    "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1); a rootless engine needs its "
    "controllers delegated by systemd"
)
_ENGINE = "use Docker 20.10 or newer; this engine does not do what it was asked"
_IMAGE = "build the image again: automl-agent sandbox build --fresh"
ROWS = (
    Row(1, "image", "local image, by its digest", False, _IMAGE),
    Row(2, "image-content", "no setuid, devices, volumes, compilers", False, _IMAGE),
    Row(3, "user", "a user that is not root", True, _ENGINE),
    Row(4, "capabilities", "no capabilities of root", True, _ENGINE),
    Row(5, "no-new-privileges", "no rights gained by setuid programs", True, _ENGINE),
    Row(5, "apparmor", "AppArmor", False, "use a host with AppArmor; seccomp stands in for it"),
    Row(6, "seccomp", "our list of system calls, no others", True, "use a kernel with seccomp"),
    Row(7, "host-access", "no mode, device or mount of the host", True, _ENGINE),
    Row(8, "network", "no network", True, _ENGINE),
    Row(9, "shared-memory", "shared memory of its own, limited", False, _ENGINE),
    Row(10, "cgroup-namespace", "does not see the host's cgroups", False, _ENGINE),
    Row(11, "read-only", "nothing of the image can be changed", True, _ENGINE),
    Row(12, "tmpfs", "/tmp and /run limited, no programs there", False, _ENGINE),
    Row(13, "input", "/in can be read only", False, _ENGINE),
    Row(14, "code", "/code can be read only", False, _ENGINE),
    Row(15, "output", "/out is the only lasting place", False, _ENGINE),
    Row(16, "memory", "limit on memory", True, _CGROUPS),
    Row(16, "swap", "no swap beyond it", True, f"{_CGROUPS}; or swapaccount=1, or swapoff -a"),
    Row(
        16,
        "swappiness",
        "nothing of it is swapped out",
        False,
        "boot with cgroup v2; until then a step may take as much swap as it gives back memory",
    ),
    Row(17, "cpu", "limit on processors", False, f"{_CGROUPS}; its lower share stands in for it"),
    Row(18, "pids", "limit on processes and threads", True, _CGROUPS),
    Row(19, "ulimits", "no core dumps; limits on files", False, _ENGINE),
    Row(
        20,
        "disk",
        "quota on what it writes",
        False,
        "ext4 has none; the agent measures /out each second and ends a step that wrote too much",
    ),
    Row(21, "oom-score", "out of memory, it goes before others", False, _ENGINE),
    Row(22, "first-process", "an end of its own that nothing inside reaches", True, _IMAGE),
    Row(23, "deadline", "ends itself when nobody else does", True, _ENGINE),
    Row(24, "stop", "SIGTERM, a grace, SIGKILL", True, _ENGINE),
    Row(25, "evidence", "is kept until its end was read", True, _ENGINE),
    Row(26, "labels", "tells whose it is and until when", True, _ENGINE),
    Row(27, "reaper", "is removed when its owner is gone", True, "use a Linux host with /proc"),
    Row(28, "restart", "never starts again by itself", False, _ENGINE),
    Row(29, "log", "a bounded log", False, "give the engine its plugin for `local` logs"),
    Row(30, "capture", "what it prints is read as it comes", True, _ENGINE),
    Row(32, "environment", "only the variables that were built", True, _IMAGE),
    Row(37, "collector", "results without links, devices, surprises", True, "report this fault"),
    Row(39, "labels-hidden", "nothing but its own folders is there", True, _ENGINE),
    Row(
        40,
        "runtime",
        "a kernel of its own",
        False,
        "runc shares the host's kernel; for data you do not trust, install gVisor: --runtime runsc",
    ),
)
_SHARED_KERNEL = ("runc", "crun", "io.containerd.runc.v2")


def gather(observations: Iterable[Observation]) -> list[Capability]:
    """The rows that were seen, in the table's order."""
    seen = list(observations)
    found = [(row, tuple(o for o in seen if o.name == row.name)) for row in ROWS]
    return [Capability(row, own) for row, own in found if own]


def observe_engine(
    about: Mapping[str, Any], *, runtime: str = "", swap_mib: int | None = None
) -> Iterator[Observation]:
    """What the engine says it can enforce.

    about: its answer to `docker info`. runtime: what is asked for, empty for its default.
    swap_mib: what this machine has, None if that is not known.
    """
    warnings = " ".join(map(str, about.get("Warnings") or ())).lower()
    has_cgroups = about.get("CgroupDriver") != "none" and "without cgroups" not in warnings
    for name, field, complaint in _ENGINE_LIMITS:
        # The field may say yes while a warning says that the limit is ignored.
        is_met = has_cgroups and bool(about.get(field)) and complaint not in warnings
        text = f"cgroup v{about.get('CgroupVersion') or '1'}, {about.get('CgroupDriver')}"
        if name == "swap" and not is_met and swap_mib == 0:
            is_met, text = True, "the machine has no swap"
        yield Observation(name, "engine", is_met, text if is_met else f"not enforced, {text}")
    options = [str(option) for option in about.get("SecurityOptions") or ()]
    for name in ("seccomp", "apparmor"):
        is_met = any(f"name={name}" in option for option in options)
        yield Observation(name, "engine", is_met, "the kernel has it" if is_met else "not there")
    is_v2 = str(about.get("CgroupVersion") or "1") == "2"
    yield Observation(
        "swappiness",
        "engine",
        is_v2 or swap_mib == 0,
        "the machine has no swap" if swap_mib == 0 else "none beyond" if is_v2 else "cgroup v1",
    )
    yield _observe_quota(about)
    used = runtime or str(about.get("DefaultRuntime") or "runc")
    yield Observation("runtime", "engine", used not in _SHARED_KERNEL, used)


def find_missing_limits(
    about: Mapping[str, Any], options: SandboxOptions, *, swap_mib: int | None = None
) -> str | None:
    """Why the engine must not run a step; None if nothing stands in the way."""
    seen = observe_engine(about, runtime=options.runtime, swap_mib=swap_mib)
    problem = describe_missing(gather(seen), options)
    if problem:
        return problem
    runtimes = about.get("Runtimes") or {}
    if options.runtime and options.runtime not in runtimes:
        return f"The engine has no runtime {options.runtime!r}; it has {', '.join(runtimes)}."
    if options.n_gpus and not options.cpu_fallback and not knows_gpus(about):
        return (
            "The engine knows no GPUs; install the NVIDIA Container Toolkit, or allow "
            "--cpu-fallback."
        )
    return None


def knows_gpus(about: Mapping[str, Any]) -> bool:
    """Whether the engine may have a way to give a GPU; only a container shows that it has."""
    has_described = any(device.startswith(CDI_KIND) for device in _list_cdi_devices(about))
    return has_described or _has_toolkit(about) or _may_know_cdi(about)


def choose_gpu_driver(about: Mapping[str, Any], gpus: Iterable[str]) -> str:
    """By which of its two ways the engine is asked for these GPUs: "cdi" or "nvidia".

    Engines have folders for CDI also where nobody has described a GPU in them, so the folders alone
    say nothing. Engine 28.2 and later list what they found.
    """
    listed = _list_cdi_devices(about)
    if all(f"{CDI_KIND}{gpu}" in listed for gpu in gpus):
        return "cdi"
    return "cdi" if _may_know_cdi(about) and not _has_toolkit(about) else "nvidia"


def _list_cdi_devices(about: Mapping[str, Any]) -> set[str]:
    devices = about.get("DiscoveredDevices") or ()
    return {str(device.get("ID")) for device in devices if device.get("Source") == "cdi"}


def _has_toolkit(about: Mapping[str, Any]) -> bool:
    # The hook is what engines look for when they start; they do not tell that they have found it.
    hook = shutil.which("nvidia-container-runtime-hook")
    return hook is not None or "nvidia" in (about.get("Runtimes") or {})


def _may_know_cdi(about: Mapping[str, Any]) -> bool:
    """Whether it is an engine (25 to 28.1) that has CDI and does not tell for which devices."""
    return bool(about.get("CDISpecDirs")) and "DiscoveredDevices" not in about


def describe_missing(capabilities: Iterable[Capability], options: SandboxOptions) -> str | None:
    """The mandatory rows that do not hold and that the person has not allowed to be missing."""
    missing = [
        capability
        for capability in capabilities
        if capability.state == "MISSING" and capability.row.name not in options.allow_degraded
    ]
    if not missing:
        return None
    named = "; ".join(f"{c.row.name} ({c.row.what}): {c.found}" for c in missing)
    allow = " ".join(f"--allow-degraded {c.row.name}" for c in missing)
    return (
        f"The engine does not enforce {named}. To have it, {missing[0].remedy}. "
        f"To do without it: {allow}"
    )


def check_allowed_names(names: Iterable[str]) -> None:
    """Raises: InputError for a name that is no mandatory row's; it lists those."""
    known = [row.name for row in ROWS if row.is_mandatory]
    for name in names:
        if name not in known:
            raise InputError(
                f"--allow-degraded {name}: there is no such limit that is needed; those are "
                f"{', '.join(known)}."
            )


def read_swap_mib() -> int | None:
    """The swap of this machine; None where it does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (total,) = (line.split()[1] for line in lines if line.startswith("SwapTotal:"))
        return int(total) // 1024
    except (OSError, ValueError):
        return None


def _observe_quota(about: Mapping[str, Any]) -> Observation:
    status = {str(key): str(value) for key, value in about.get("DriverStatus") or ()}
    system = status.get("Backing Filesystem", "an unknown file system")
    # No quota is set on a bind mount; the image itself is read-only.
    return Observation("disk", "engine", False, f"{about.get('Driver')} on {system}, no quota")


# The row, the field of `docker info`, and the beginning of its warning.
_ENGINE_LIMITS = (
    ("memory", "MemoryLimit", "no memory limit support"),
    ("swap", "SwapLimit", "no swap limit support"),
    ("pids", "PidsLimit", "no pids limit support"),
    ("cpu", "CpuCfsQuota", "no cpu cfs quota support"),
)
