"""Get a namespace in which everything is allowed."""

import ctypes
import os

from probing import allowed, call, denied, in_child, system_call

REFUSALS = ("EPERM", "ENOSYS", "EACCES")
FLAGS = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
    "time": 0x00000080,
}


def clone3(flags: int) -> str:
    arguments = (ctypes.c_uint64 * 8)(flags, 0, 0, 0, 17, 0, 0, 0)
    pid = system_call(435, arguments, 64)
    if pid == 0:
        os._exit(0)
    return f"process {pid}"


allowed("a child of its own namespaces", lambda: in_child(os.getpid))
for name, flag in FLAGS.items():
    denied(f"unshare {name}", lambda f=flag: in_child(lambda: call("unshare", f)), *REFUSALS)
denied("clone3 with a user namespace", lambda: in_child(lambda: clone3(FLAGS["user"])), *REFUSALS)
descriptor = os.open("/proc/self/ns/mnt", os.O_RDONLY)
denied("setns", lambda: in_child(lambda: call("setns", descriptor, 0)), *REFUSALS)
