"""The GPUs of this machine, and who has which: a table of leases that several processes share.

A lease is a lock on a file of its device, which the kernel lets go when the process ends, however
it ends. A device whose step was lost may still be at work: it is in quarantine until a person has
looked.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from automl_agent.environment import environment_without_keys
from automl_agent.errors import SetupError
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions

Emit = Callable[[str, Mapping[str, Any]], None]
# Without its daemon the driver is loaded for each call, which takes seconds a GPU.
NVIDIA_SMI_LIMIT_S = 20.0
# A desktop shows its windows with less; a training that has begun holds more.
BUSY_MIB = 1024
# The driver gives memory back somewhat after the process that had it is gone.
_RESIDUE_WAIT_S = 5.0
_QUERY = "--query-gpu=uuid,name,memory.total,memory.used"
_LISTED_GPU = re.compile(r"GPU \d+: .*\(UUID: (\S+)\)")
_LISTED_MIG = re.compile(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (\S+)\)")


@dataclass(frozen=True)
class Gpu:
    """A device that can be leased: a GPU, or a part of one (MIG).

    memory_mib, used_mib: None where the driver does not tell, as for a part of a GPU.
    """

    device_id: str
    name: str
    memory_mib: int | None
    used_mib: int | None

    @property
    def is_busy(self) -> bool:
        """Whether somebody trains on it, lease or not."""
        return self.used_mib is not None and self.used_mib > BUSY_MIB


class GpuLease:
    """Devices that are this process's own until they are released; there may be none."""

    def __init__(self, gpus: Sequence[Gpu], locks: Sequence[int], folder: Path) -> None:
        """locks: a descriptor of the locked file of each device."""
        self._gpus = tuple(gpus)
        self._locks = list(locks)
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def names(self) -> tuple[str, ...]:
        """The devices as a person knows them, with their ids."""
        return tuple(map(_describe, self._gpus))

    @property
    def device_ids(self) -> tuple[str, ...]:
        """What an engine is asked for."""
        return tuple(gpu.device_id for gpu in self._gpus)

    def quarantine(self, reason: str) -> None:
        """Keep everybody from these devices until a person lifts it; reason: a sentence."""
        for device_id in self.device_ids:
            _marker_path(self._folder, device_id).write_text(reason, encoding="utf-8")

    def find_residue(self, wait_s: float = _RESIDUE_WAIT_S) -> list[str]:
        """The devices whose memory is in use although nothing of ours runs any more, described."""
        deadline = time.monotonic() + wait_s
        while busy := self._list_busy():
            if time.monotonic() > deadline:
                return [f"{_describe(gpu)} still has {gpu.used_mib} MiB in use" for gpu in busy]
            time.sleep(wait_s / 10)
        return []

    def release(self) -> None:
        """Let others have the devices; harmless if they have them already."""
        while self._locks:
            os.close(self._locks.pop())

    def _list_busy(self) -> list[Gpu]:
        if not self._locks:
            return []
        with contextlib.suppress(SetupError):
            return [gpu for gpu in list_gpus() if gpu.device_id in self.device_ids and gpu.is_busy]
        return []


def no_gpus() -> GpuLease:
    """A lease of nothing."""
    return GpuLease((), (), Path())


def lease_gpus(n_gpus: int, folder: Path) -> GpuLease:
    """So many devices, the emptiest first, for as long as the lease is open; a context manager.

    folder: of the table; processes that share it never get the same device.
    Raises: SetupError if there are not so many free ones; it says what keeps each from being one.
    """
    gpus = list_gpus()
    leased: list[Gpu] = []
    locks: list[int] = []
    obstacles = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for gpu in sort_by_room(gpus):
            if len(leased) == n_gpus:
                break
            obstacle = _find_obstacle(gpu, folder)
            lock = None if obstacle else _lock(_lock_path(folder, gpu.device_id))
            if lock is None:
                obstacles.append(f"{_describe(gpu)} {obstacle or 'is leased by another run'}")
                continue
            leased.append(gpu)
            locks.append(lock)
    except OSError as exc:
        GpuLease(leased, locks, folder).release()
        raise SetupError(f"The table of GPU leases cannot be written: {exc}.") from exc
    if len(leased) < n_gpus:
        GpuLease(leased, locks, folder).release()
        raise SetupError(_describe_shortage(n_gpus, len(leased), obstacles))
    return GpuLease(leased, locks, folder)


@contextlib.contextmanager
def hold_gpus(
    options: SandboxOptions, sandbox: Sandbox, folder: Path, emit: Emit
) -> Iterator[GpuLease]:
    """The devices that a person asks for or, where she allows that, none.

    emit: told of each event: `gpus_leased`, `gpus_missing` with the reason, `gpus_not_empty`.
    Raises: SetupError.
    """
    with _lease_as_allowed(options, sandbox, folder, emit) as lease:
        if lease.device_ids:
            emit("gpus_leased", {"gpus": list(lease.names)})
        try:
            yield lease
        finally:
            residue = lease.find_residue()
            if residue:
                emit("gpus_not_empty", {"gpus": residue})


def list_gpus() -> list[Gpu]:
    """The devices that can be leased: each GPU, or its parts where it is divided.

    Raises: SetupError if there are none or the driver does not answer.
    """
    gpus = parse_gpus(_ask_driver(_QUERY, "--format=csv,noheader,nounits"))
    parts = parse_parts(_ask_driver("-L"))
    found = [part for gpu in gpus for part in split_gpu(gpu, parts.get(gpu.device_id, ()))]
    if not found:
        raise SetupError("nvidia-smi shows no GPU; check the driver, or leave --gpus out.")
    return found


def parse_gpus(table: str) -> list[Gpu]:
    """The GPUs in what nvidia-smi answers to a query of uuid, name, total and used memory."""
    gpus = []
    for line in table.splitlines():
        device_id, _, rest = line.partition(",")
        # A name may hold commas.
        fields = [field.strip() for field in rest.rsplit(",", 2)]
        if len(fields) == 3 and device_id.startswith("GPU-"):
            name, total, used = fields
            gpus.append(Gpu(device_id.strip(), name, _read_mib(total), _read_mib(used)))
    return gpus


def parse_parts(listing: str) -> dict[str, list[tuple[str, str]]]:
    """For each GPU in the answer to `nvidia-smi -L`, the profiles and ids of its parts."""
    parts: dict[str, list[tuple[str, str]]] = {}
    device_id = ""
    for line in listing.splitlines():
        if gpu := _LISTED_GPU.match(line):
            device_id = gpu[1]
            parts[device_id] = []
        elif (part := _LISTED_MIG.match(line)) and device_id:
            parts[device_id].append((part[1], part[2]))
    return parts


def split_gpu(gpu: Gpu, parts: Sequence[tuple[str, str]]) -> list[Gpu]:
    """The GPU itself, or its parts if it has some; how much a part has in use is not known."""
    return [
        Gpu(device_id, f"{gpu.name} {profile}", memory_mib=None, used_mib=None)
        for profile, device_id in parts
    ] or [gpu]


def sort_by_room(gpus: Iterable[Gpu]) -> list[Gpu]:
    """The one with the least in use first, of those that are as empty the largest."""
    return sorted(gpus, key=lambda gpu: (gpu.used_mib or 0, -(gpu.memory_mib or 0)))


def _lease_as_allowed(
    options: SandboxOptions, sandbox: Sandbox, folder: Path, emit: Emit
) -> GpuLease:
    if not options.n_gpus:
        return no_gpus()
    try:
        if not sandbox.is_container:
            raise SetupError(f"The sandbox {sandbox.name!r} gives no GPUs; use --sandbox docker.")
        return lease_gpus(options.n_gpus, folder)
    except SetupError as exc:
        if not options.cpu_fallback:
            raise SetupError(f"{exc} Or allow --cpu-fallback.") from exc
        emit("gpus_missing", {"reason": str(exc)})
        return no_gpus()


def _ask_driver(*arguments: str) -> str:
    try:
        process = subprocess.Popen(
            ["nvidia-smi", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            env=environment_without_keys(),
            start_new_session=True,
        )
    except OSError as exc:
        raise SetupError(
            f"There is no GPU: nvidia-smi cannot be started ({exc.strerror}); install the NVIDIA "
            "driver, or leave --gpus out."
        ) from exc
    try:
        answer, _ = process.communicate(timeout=NVIDIA_SMI_LIMIT_S)
    except subprocess.TimeoutExpired as exc:
        raise SetupError(
            f"The NVIDIA driver hangs: nvidia-smi did not answer in {NVIDIA_SMI_LIMIT_S:g} s; "
            "restart the machine, or leave --gpus out."
        ) from exc
    finally:
        _end(process)
    if process.returncode:
        first_line = (answer.strip().splitlines() or [f"exit code {process.returncode}"])[0]
        raise SetupError(
            f"There is no GPU: nvidia-smi says {first_line.rstrip('.')!r}; check the NVIDIA "
            "driver, or leave --gpus out."
        )
    return answer


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill all of it; what hangs in the kernel is not waited for."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
    if process.stdout:
        process.stdout.close()


def _read_mib(field: str) -> int | None:
    """A number of MiB; None for "[N/A]" and "[Insufficient Permissions]"."""
    return int(field) if field.isascii() and field.isdecimal() else None


def _find_obstacle(gpu: Gpu, folder: Path) -> str | None:
    marker = _marker_path(folder, gpu.device_id)
    with contextlib.suppress(FileNotFoundError):
        reason = marker.read_text(encoding="utf-8").strip().rstrip(".")
        return f"is in quarantine ({reason}): if nvidia-smi shows it idle, rm {marker}"
    if gpu.is_busy:
        return f"has {gpu.used_mib} MiB in use by others"
    return None


def _lock(path: Path) -> int | None:
    """A descriptor of the locked file; None if another one has the lock."""
    import fcntl  # not on Windows

    # The file is never removed: a lock on a removed file keeps nobody out.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _lock_path(folder: Path, device_id: str) -> Path:
    return folder / f"{device_id.replace('/', '_')}.lock"


def _marker_path(folder: Path, device_id: str) -> Path:
    return folder / f"{device_id.replace('/', '_')}.quarantine"


def _describe(gpu: Gpu) -> str:
    return f"{gpu.name} {gpu.device_id}"


def _describe_shortage(n_gpus: int, n_free: int, obstacles: Sequence[str]) -> str:
    asked = "1 GPU is" if n_gpus == 1 else f"{n_gpus} GPUs are"
    reasons = f" ({'; '.join(obstacles)})" if obstacles else ""
    fewer = f"ask for --gpus {n_free}" if n_free else "leave --gpus out"
    return f"{asked} asked for and {n_free} free{reasons}; wait for others to end, or {fewer}."
