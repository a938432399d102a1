"""Probes of processes: bombs, those that will not end, those that stay."""

import time
from collections.abc import Iterator

from automl_agent.sandboxes.battery.probe import Attempt, Check, Probe
from automl_agent.sandboxes.sandbox import Status
from automl_agent.sandboxes.untrusted import read_tail

_TIMED_OUT: frozenset[Status] = frozenset({"timeout", "pids"})


def _look_for_struck_limit(attempt: Attempt) -> Iterator[Check]:
    struck = attempt.ends[-1].evidence.get("pids_limit_struck", 0)
    yield Check("the kernel counts it", struck > 0, f"{struck} times")


def _look_for_heartbeat(attempt: Attempt) -> Iterator[Check]:
    heartbeat = attempt.ends[-1].folder / "heartbeat"
    before = read_tail(heartbeat)
    time.sleep(0.5)
    yield Check("the daemon has ended", read_tail(heartbeat) == before, f"heartbeat {before}")


def _look_at_message(attempt: Attempt) -> Iterator[Check]:
    end = attempt.ends[-1]
    yield Check("the exit code", end.exit_code == 3, str(end.exit_code))
    is_text = "\\xff\\xfe" in end.message and end.message.encode("utf-8").endswith(b"c")
    yield Check("the bytes are shown as escapes", is_text, ascii(end.message))


def _look_at_signal(attempt: Attempt) -> Iterator[Check]:
    code = attempt.ends[-1].exit_code
    yield Check("the signal is told", code == -11, str(code))


# The bounded ones first: they say whether there is a limit before a bomb relies on it.
PROBES = (
    Probe("H01-fork-limit", "fork until refused", ("h01_fork_limit.py",)),
    Probe("H02-thread-limit", "start threads until refused", ("h02_thread_limit.py",)),
    Probe(
        "H01-fork-bomb",
        "fork for ever",
        ("h01_fork_bomb.py",),
        ends=_TIMED_OUT,
        time_limit_s=1.0,
        look=_look_for_struck_limit,
    ),
    Probe(
        "H03-setsid-bomb",
        "fork twice with a new session, for ever",
        ("h03_setsid_bomb.py",),
        ends=_TIMED_OUT,
        time_limit_s=1.0,
    ),
    Probe(
        "H15-native-loop",
        "hold the interpreter's lock in native code",
        ("h15_native_loop.py",),
        ends=frozenset({"timeout"}),
        time_limit_s=1.0,
    ),
    Probe(
        "H16-deaf",
        "ignore all signals and stay",
        ("h16_deaf.py",),
        ends=frozenset({"timeout"}),
        time_limit_s=1.0,
    ),
    Probe("H17-daemon", "leave a daemon behind", ("h17_daemon.py",), look=_look_for_heartbeat),
    Probe("H19-time-bombs", "have something run later", ("h19_time_bombs.py",)),
    Probe(
        "H12-flood",
        "print for ever",
        ("h12_flood.py",),
        ends=frozenset({"output_flood"}),
    ),
    Probe(
        "H14-bytes",
        "print bytes that are no text",
        ("h14_bytes.py",),
        ends=frozenset({"error"}),
        look=_look_at_message,
    ),
    Probe(
        "H61-segfault",
        "die of a forbidden address",
        ("h61_segfault.py",),
        ends=frozenset({"error"}),
        look=_look_at_signal,
    ),
    Probe("H28-pid1", "stop and kill PID 1", ("h28_pid1.py",)),
)
