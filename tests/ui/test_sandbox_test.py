"""`automl-agent sandbox test`."""

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from automl_agent.sandboxes.battery.battery import PROBES
from automl_agent.ui import sandbox_test_command

from .conftest import Program

if TYPE_CHECKING:
    from docker import APIClient


def test_without_an_engine_one_sentence_says_what_to_do(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    outcome = program("sandbox", "test")
    assert outcome.code == 7
    assert outcome.err.startswith("Error: The sandbox cannot be tested: Cannot reach the Docker")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.docker
def test_a_runtime_that_the_engine_does_not_have_is_named(program: Program, image: str) -> None:
    outcome = program("sandbox", "test", "--runtime", "nothing")
    assert outcome.code == 7
    assert "'nothing'" in outcome.err


@pytest.mark.docker
@pytest.mark.slow
def test_all_probes_hold_within_90_seconds_and_leave_nothing(
    program: Program, image: str, engine: "APIClient"
) -> None:
    started = time.monotonic()
    outcome = program("sandbox", "test", "--output-format", "json")
    # Ninety of a machine that has nothing else to do; a shared one may be a third as fast.
    assert time.monotonic() - started < 3 * 90
    broken = [probe for probe in outcome.document["probes"] if probe["verdict"] != "held"]
    assert broken == []
    assert outcome.code == 0
    assert outcome.document["ok"] is True
    assert outcome.document["n_held"] == len(PROBES) + 3
    assert _find_containers(engine, os.getpid()) == []


@pytest.mark.docker
def test_a_broken_probe_is_shown_and_is_exit_code_1(
    program: Program, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weaken(*arguments: object, **options: object) -> object:
        # A policy that the container does not have.
        from dataclasses import replace

        chosen = [probe for probe in PROBES if probe.name in ("H10-inodes", "H58-clock")]
        sandbox, policy, *_ = arguments
        return run_battery(sandbox, replace(policy, tmp_inodes=99), probes=chosen)

    run_battery = sandbox_test_command.run_battery
    monkeypatch.setattr(sandbox_test_command, "run_battery", weaken)
    outcome = program("sandbox", "test")
    assert outcome.code == 1
    assert "BROKEN: H10-inodes." in outcome.out
    assert "H58-clock" in outcome.out


@pytest.mark.docker
def test_ctrl_c_leaves_no_container(image: str, engine: "APIClient") -> None:
    program = [sys.executable, "-m", "automl_agent", "sandbox", "test"]
    process = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ),
        # A shell that started the tests in the background ignores SIGINT for all of them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not _find_containers(engine, process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed.endswith(b"Error: Interrupted.\n")
    assert b"Traceback" not in printed
    assert _find_containers(engine, process.pid) == []


def _find_containers(engine: "APIClient", owner_pid: int) -> list[dict[str, object]]:
    label = f"automl-agent.owner_pid={owner_pid}"
    found: list[dict[str, object]] = engine.containers(all=True, filters={"label": label})
    return found
