"""The policy: how much a container may use, whatever its step asks for."""

import os
from dataclasses import dataclass
from pathlib import Path

from automl_agent.sandboxes.runner_config import (
    JOB_GRACE_S,
    MAX_FILE_BYTES,
    MAX_OUT_BYTES,
    STEP_MARGIN_S,
)

# Debian's `nobody`: for an agent that is root, whose uid no container may have.
NOBODY = 65534


@dataclass(frozen=True)
class Policy:
    """Limits of a container; the numbers of the table in docs/sandbox.md.

    user_id, group_id: never 0. runtime: empty for the engine's default.
    tmp_exec: whether programs may be started from /tmp; torch.compile and Triton need it.
    shm_mib: of /dev/shm, which data loaders fill. ttl_margin_s: from the end of a step's time to
    the end that the container makes by itself. max_output_bytes: of what the step itself prints.
    max_out_*: of all that it writes to /out.
    """

    user_id: int
    group_id: int
    runtime: str = ""
    tmp_mib: int = 512
    tmp_inodes: int = 65_536
    tmp_exec: bool = False
    shm_mib: int = 256
    gpu_shm_mib: int = 2048
    max_file_bytes: int = MAX_FILE_BYTES
    max_out_bytes: int = MAX_OUT_BYTES
    max_out_files: int = 20_000
    max_out_depth: int = 8
    max_output_bytes: int = 64 * 2**20
    job_grace_s: float = JOB_GRACE_S
    ttl_margin_s: float = STEP_MARGIN_S
    stop_grace_s: int = 5

    def __post_init__(self) -> None:
        if 0 in (self.user_id, self.group_id):
            raise ValueError("A container never runs as root.")


def default_policy() -> Policy:
    """The policy for this process's user."""
    user_id, group_id = os.getuid(), os.getgid()
    return Policy(user_id or NOBODY, group_id or NOBODY)


def has_user(user_id: int) -> bool:
    """Whether files can be given to a user: root of a user namespace knows some users only."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return True  # no Linux, so no such namespaces
    ranges = [[int(number) for number in line.split()] for line in lines]
    return any(first <= user_id < first + count for first, _outside, count in ranges)


def count_pids(cpus: int) -> int:
    """How many processes and threads a container may have; too few break BLAS and OpenMP."""
    return max(256, 64 * cpus)
