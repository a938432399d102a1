"""What the probes' scripts share. It runs inside of the sandbox, on the standard library alone."""

import ctypes
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

OUT = Path(os.environ["AUTOML_OUT"])
# What the host tells a probe: addresses to reach, limits to find. Nothing that is secret.
FACTS: dict[str, Any] = json.loads(Path(os.environ["AUTOML_JOB"]).read_text())["facts"]
_LIBC = ctypes.CDLL(None, use_errno=True)


def check(what: str, held: bool, found: object) -> None:
    """Report one thing that was looked at; a script that is killed later has still said it."""
    with (OUT / "report.jsonl").open("a") as report:
        line = {"what": what, "held": bool(held), "found": str(found)[:300]}
        report.write(json.dumps(line) + "\n")


def denied(what: str, action: Callable[[], object], *errors: str) -> None:
    """Hold if the action fails with one of these errors, such as "EPERM"."""
    try:
        found = action()
    except OSError as exc:
        name = errno.errorcode.get(exc.errno or 0, repr(exc))
        check(what, name in errors, name)
    else:
        check(what, False, f"it worked: {found!r}")


def allowed(what: str, action: Callable[[], object]) -> None:
    """The positive control: hold if the action works."""
    try:
        action()
    except Exception as exc:  # noqa: BLE001 - whatever it is, the control does not work
        check(f"control: {what}", False, repr(exc))
    else:
        check(f"control: {what}", True, "it works")


def call(name: str, *arguments: object) -> int:
    """A function of the C library that returns -1 for a failure."""
    ctypes.set_errno(0)
    result = int(getattr(_LIBC, name)(*map(_convert, arguments)))
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def system_call(number: int, *arguments: object) -> int:
    """A system call by its number."""
    return call("syscall", number, *arguments)


def number_of(x86_64: int, aarch64: int) -> int:
    """The number of a system call that differs between the two."""
    return x86_64 if os.uname().machine == "x86_64" else aarch64


def in_child(action: Callable[[], object]) -> object:
    """What the action returns in a process of its own, whose changes end with it.

    Raises: the OSError that it raises; OSError(EINTR) if a signal ended it.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = {"found": str(action())}
        except OSError as exc:
            answer = {"errno": exc.errno}
        finally:
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) or not content:
        raise OSError(errno.EINTR, f"the wait status is {status}")
    told = json.loads(content)
    if "errno" in told:
        raise OSError(told["errno"], "in a child")
    return told["found"]


def _convert(value: object) -> object:
    if isinstance(value, str):
        return value.encode()
    return ctypes.c_long(value) if isinstance(value, int) else value
