"""Fill what lies in memory: /tmp and /dev/shm."""

import os
from pathlib import Path

from probing import FACTS, allowed, check


def fill(folder: str, limit_mib: int) -> None:
    path = Path(folder) / "filler"
    allowed(f"{folder} can be written to", lambda: path.write_bytes(b"x" * 2**20))
    failure = "none"
    n_mib = 0
    with path.open("wb", buffering=0) as file:
        try:
            while n_mib <= limit_mib + 8:
                file.write(b"x" * 2**20)
                n_mib += 1
        except OSError as exc:
            failure = os.strerror(exc.errno or 0)
    path.unlink()
    check(f"{folder} has a size", failure == "No space left on device", f"{failure}, {n_mib} MiB")


for folder, limit_mib in FACTS["tmpfs_mib"].items():
    fill(folder, limit_mib)
