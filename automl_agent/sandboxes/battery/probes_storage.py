"""Probes of memory and disks."""

from automl_agent.sandboxes.battery.probe import Probe
from automl_agent.sandboxes.sandbox import Status

_DISK: frozenset[Status] = frozenset({"disk"})

PROBES = (
    Probe("H04-memory", "touch memory until death", ("h04_memory.py",), ends=frozenset({"oom"})),
    Probe("H06-memory-disks", "fill /tmp and /dev/shm", ("h06_fill_memory_disks.py",)),
    Probe("H08-file-size", "write a file beyond the limit", ("h08_file_size.py",)),
    Probe("H10-inodes", "make empty files in /tmp until refused", ("h10_inodes.py",)),
    Probe(
        "H07-fill-out",
        "fill /out with files of 1 MiB",
        ("h07_fill_out.py",),
        ends=_DISK,
        own_step=True,
    ),
    Probe(
        "H10-many-files",
        "make files in /out for ever",
        ("h10_many_files.py",),
        ends=_DISK,
        own_step=True,
    ),
    Probe(
        "H11-deep-folders",
        "nest folders with the longest names",
        ("h11_deep_folders.py",),
        ends=_DISK,
        own_step=True,
    ),
)
