"""Who owns a container: enough to tell, also after a crash or a reboot, whether anybody does."""

import os
import platform
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process of a machine. start_ticks: tells it from a later process with the same id.

    boot_id, start_ticks: empty where the system does not tell; such an owner is never called dead.
    """

    uuid: str
    pid: int
    start_ticks: str
    boot_id: str
    host_id: str

    def to_json(self) -> dict[str, str]:
        """The owner as texts, as labels need them."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, fields: Mapping[str, str]) -> "Owner":
        """The owner that `to_json` wrote.

        Raises: KeyError, ValueError.
        """
        texts = {key: str(fields[key]) for key in ("uuid", "start_ticks", "boot_id", "host_id")}
        return cls(pid=int(fields["pid"]), **texts)

    def is_dead(self) -> bool:
        """Whether the process is known to be gone; False if nobody here can know."""
        here = current_owner()
        if self.host_id != here.host_id or not (self.boot_id and self.start_ticks):
            return False
        return self.boot_id != here.boot_id or _read_start_ticks(self.pid) != self.start_ticks


@cache
def current_owner() -> Owner:
    """This process."""
    pid = os.getpid()
    return Owner(
        uuid=uuid.uuid4().hex,
        pid=pid,
        start_ticks=_read_start_ticks(pid),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        host_id=_read("/etc/machine-id") or platform.node(),
    )


def _read_start_ticks(pid: int) -> str:
    """When a process started, in ticks since the boot; empty if there is none."""
    # The name in parentheses may hold anything, so count from behind it.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    is_running = len(fields) > 19 and fields[0] not in ("Z", "X")
    return fields[19] if is_running else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
