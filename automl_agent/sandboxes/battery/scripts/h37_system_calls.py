"""Make the system calls by which kernels were broken."""

import ctypes
import os

from probing import allowed, call, denied, in_child, number_of, system_call

REFUSALS = ("EPERM", "ENOSYS", "EACCES")
PAGE = ctypes.create_string_buffer(4096)
# The name; the number on x86_64 and on aarch64; arguments that would do nothing evil.
CALLS = (
    ("io_uring_setup", 425, 425, (1, PAGE)),
    ("userfaultfd", 323, 282, (1,)),
    ("perf_event_open", 298, 241, (PAGE, 0, -1, -1, 0)),
    ("bpf", 321, 280, (0, PAGE, 72)),
    ("kexec_load", 246, 104, (0, 0, 0, 0)),
    ("init_module", 175, 105, (PAGE, 0, "")),
    ("finit_module", 313, 273, (0, "", 0)),
    ("delete_module", 176, 106, ("none", 0)),
    ("open_by_handle_at", 304, 265, (0, PAGE, 0)),
    ("process_vm_readv", 310, 270, (1, 0, 0, 0, 0, 0)),
    ("process_vm_writev", 311, 271, (1, 0, 0, 0, 0, 0)),
    ("ptrace", 101, 117, (0, 0, 0, 0)),
    ("pidfd_getfd", 438, 438, (0, 0, 0)),
    ("kcmp", 312, 272, (1, 1, 0, 0, 0)),
    ("quotactl", 179, 60, (0, 0, 0, 0)),
    ("reboot", 169, 142, (0, 0, 0, 0)),
    ("swapon", 167, 224, ("/tmp", 0)),
    ("acct", 163, 89, (0,)),
    ("syslog", 103, 116, (3, PAGE, 10)),
)


def call_as_i386() -> int:
    """The getpid of the 32-bit kernel interface, which a filter for 64 bits does not see."""
    import mmap

    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    if result < 0:
        raise OSError(-result, "int 0x80")
    return result


allowed("a harmless system call", lambda: system_call(number_of(39, 172)))
for name, x86_64, aarch64, arguments in CALLS:
    number = number_of(x86_64, aarch64)
    denied(name, lambda n=number, a=arguments: in_child(lambda: system_call(n, *a)), *REFUSALS)
if os.uname().machine == "x86_64":
    # EINTR: a signal ended the child, as some filters do with a foreign architecture.
    denied("32-bit calls", lambda: in_child(call_as_i386), *REFUSALS, "EINTR")
denied("personality", lambda: in_child(lambda: call("personality", 0x0040000)), *REFUSALS)
