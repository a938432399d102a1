"""Change what is mounted where, and what is the root."""

import os

from probing import allowed, call, denied, in_child, number_of, system_call

REFUSALS = ("EPERM", "ENOSYS", "EACCES")
MS_REMOUNT, MS_BIND = 32, 4096

allowed("a folder below /tmp", lambda: os.mkdir("/tmp/place"))
denied("mount", lambda: call("mount", "none", "/tmp/place", "tmpfs", 0, 0), *REFUSALS)
denied("bind", lambda: call("mount", "/", "/tmp/place", "", MS_BIND, 0), *REFUSALS)
for path in ("/", "/in", "/tmp"):
    denied(
        f"remount {path}",
        lambda p=path: call("mount", "none", p, "", MS_REMOUNT | MS_BIND, 0),
        *REFUSALS,
    )
denied("umount", lambda: call("umount2", "/in", 2), *REFUSALS)
denied("chroot", lambda: in_child(lambda: call("chroot", "/tmp")), *REFUSALS)
pivot_root = number_of(155, 41)
denied("pivot_root", lambda: system_call(pivot_root, "/tmp", "/tmp"), *REFUSALS)
NEW_CALLS = {"fsopen": 430, "open_tree": 428, "move_mount": 429, "mount_setattr": 442}
for name, number in NEW_CALLS.items():
    # The arguments are those of fsopen; the others are refused before they are looked at.
    denied(name, lambda n=number: system_call(n, "tmpfs", 0, 0, 0, 0), *REFUSALS)
