"""How a probe is judged, without an engine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from automl_agent.sandboxes.battery import battery
from automl_agent.sandboxes.battery.battery import PROBES, read_scripts
from automl_agent.sandboxes.battery.canaries import VARIABLE, Canaries
from automl_agent.sandboxes.battery.probe import (
    Attempt,
    Check,
    Finding,
    Probe,
    judge,
    read_report,
    summarize,
)
from automl_agent.sandboxes.step import JobEnd, Step

PROBE = Probe("H99-test", "try it", ("harmless.py",))
CONTROL = {"what": "control: it works", "held": True, "found": "yes"}
DENIED = {"what": "it is denied", "held": True, "found": "EPERM"}


def make_end(folder: Path, *lines: object, status: Any = "ok", message: str = "") -> JobEnd:
    folder.mkdir(exist_ok=True)
    if lines:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "report.jsonl").write_text(text)
    return JobEnd("0001", status, 0, 1.0, 1.0, 0.0, folder, message)


def judge_end(end: JobEnd, *, probe: Probe = PROBE, seconds: float = 1.0) -> Finding:
    return judge(probe, Attempt([end], cast(Step, None)), seconds=seconds)


def test_a_probe_holds_if_all_its_checks_do(tmp_path: Path) -> None:
    finding = judge_end(make_end(tmp_path, CONTROL, DENIED))
    assert finding.held
    assert finding.found == "ok, 4 checks"


@pytest.mark.parametrize(
    ("lines", "status", "seconds", "expected"),
    [
        ((CONTROL, {**DENIED, "held": False, "found": "it worked"}), "ok", 1.0, "it worked"),
        (({**CONTROL, "held": False}, DENIED), "ok", 1.0, "control: it works"),
        ((DENIED,), "ok", 1.0, "the script has a control"),
        ((), "ok", 1.0, "the script reports"),
        ((CONTROL, DENIED), "error", 1.0, "ends with ok: error boom"),
        ((CONTROL, DENIED), "ok", 100.0, "in time"),
        ((CONTROL, {"what": 1}), "ok", 1.0, "the script reports"),
        ((CONTROL, {**DENIED, "held": 1}), "ok", 1.0, "it is denied"),
    ],
    ids=["worked", "control", "no-control", "silent", "status", "late", "forged", "not-a-boolean"],
)
def test_a_probe_is_broken_by(
    tmp_path: Path, lines: tuple[object, ...], status: str, seconds: float, expected: str
) -> None:
    end = make_end(tmp_path, *lines, status=status, message="boom")
    finding = judge_end(end, seconds=seconds)
    assert finding.verdict == "BROKEN"
    assert expected in finding.found


def test_a_look_from_the_host_counts(tmp_path: Path) -> None:
    def look(attempt: Attempt) -> Iterator[Check]:
        yield Check("from the host", False, attempt.ends[0].status)

    probe = Probe("H99-test", "try it", ("harmless.py",), look=look)
    assert judge_end(make_end(tmp_path, CONTROL), probe=probe).found == "from the host: ok"


def test_nothing_checked_is_not_held() -> None:
    assert not summarize("x", "y", [], seconds=0).held


@pytest.mark.parametrize("content", [b"\xff", b"[" * 10**5, b"{}\n", b"x" * 2**19])
def test_a_report_that_cannot_be_read_is_no_report(tmp_path: Path, content: bytes) -> None:
    end = make_end(tmp_path)
    (tmp_path / "report.jsonl").write_bytes(content)
    assert [check.held for check in read_report(end)] == [False]


def test_a_report_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    end = make_end(tmp_path / "job")
    other = tmp_path / "other"
    other.write_text(json.dumps(CONTROL))
    (tmp_path / "job" / "report.jsonl").symlink_to(other)
    assert [check.held for check in read_report(end)] == [False]


def test_each_probe_has_its_scripts_and_each_script_its_probe() -> None:
    used = {script for probe in (*PROBES, battery.HARMLESS) for script in probe.scripts}
    assert used == set(read_scripts()) - {"probing.py"}


def test_canaries_notice_what_is_done_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import socket

    monkeypatch.delenv(VARIABLE, raising=False)
    steps = tmp_path / "steps"
    steps.mkdir()
    canaries = Canaries(tmp_path)
    try:
        assert os.environ[VARIABLE] == canaries.secret
        assert all(check.held for check in canaries.check(steps))
        # That look was itself a visitor.
        socket.create_connection(("127.0.0.1", canaries.port)).close()
        canaries.file.write_text("changed")
        (steps / "leak").write_text(f"x{canaries.secret}x")
        # The listener answers in a thread of its own, before the control's visit at the latest.
        list(canaries.check(steps))
        held = {check.what: check.held for check in canaries.check(steps)}
        assert list(held.values()) == [False, True, False, False]
    finally:
        canaries.close()
    assert VARIABLE not in os.environ
