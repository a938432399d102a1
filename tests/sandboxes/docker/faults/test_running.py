"""An engine or a container that fails in mid-step, and at its end."""

import threading
import time

import pytest

from automl_agent.errors import SandboxError

from ...conftest import wait_until
from ..scripted_engine import Reaction, Reset, Say, ScriptedEngine, Vanish
from .conftest import (
    BREAKS,
    JOB,
    LIMIT_S,
    PATIENCE_S,
    StartStep,
    is_ours,
    wait_for_end,
    wait_for_start,
)

# docker-py drops, and does not close, the sockets of connections that could not be made.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.mark.parametrize("reaction", [*BREAKS.values(), Say(500, "no")], ids=[*BREAKS, "refuses"])
def test_an_engine_that_fails_while_a_job_runs_loses_the_step_in_time(
    scripted: ScriptedEngine, start: StartStep, reaction: Reaction
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react("inspect", reaction)
    end = wait_for_end(step)
    assert end.status == "lost"
    assert end.message.startswith("Cannot look at the container: ")
    assert end.message.endswith(" The step is lost.")
    assert end.evidence["container"]


def test_of_a_lost_step_no_thread_waits_for_more_output(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    wait_until(lambda: "attach" in scripted.calls)
    scripted.react("inspect", Say(500, "no"))
    wait_for_end(step)
    # The engine lives, and so does the container, whose output has not ended.
    wait_until(lambda: not any(map(is_ours, threading.enumerate())))


def test_an_engine_that_is_stopped_in_mid_step_is_named_with_the_command_that_starts_it(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.vanish()
    end = wait_for_end(step)
    assert end.status == "lost"
    assert f"no Docker engine is at {scripted.address}" in end.message


@pytest.mark.parametrize("reaction", [Reset, Say(500, "busy")], ids=["break", "refusal"])
def test_a_short_trouble_of_the_engine_loses_nothing(
    scripted: ScriptedEngine, start: StartStep, reaction: Reaction
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react("inspect", reaction, reaction, None)
    n_before = scripted.calls.count("inspect")
    wait_until(lambda: scripted.calls.count("inspect") > n_before + 4)
    assert step.find_end() is None


@pytest.mark.parametrize("call", ["stop", "kill", "remove"])
@pytest.mark.parametrize("reaction", BREAKS.values(), ids=BREAKS.keys())
def test_an_engine_that_fails_at_the_end_of_a_step_keeps_nobody_waiting(
    scripted: ScriptedEngine, start: StartStep, call: str, reaction: Reaction
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react(call, reaction)
    started = time.monotonic()
    step.close()
    step.discard()
    assert time.monotonic() - started < PATIENCE_S
    end = step.find_end()
    assert end is not None and end.status in ("ok", "lost")


def test_an_engine_that_cannot_stop_a_container_is_asked_to_kill_it(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    scripted.react("stop", Say(500, "no"))
    step.close()
    end = step.find_end()
    assert end is not None and end.status == "ok"
    assert scripted.container.state != "running"


def test_a_container_that_nothing_ends_is_lost_and_no_limit_of_the_job(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    scripted.react("kill", Say(500, "tried to kill container, but did not receive an exit event"))
    step = start(time_limit_s=0.1)
    end = wait_for_end(step)
    assert end.status == "lost"
    assert end.message.startswith("The engine does not end the container: it hangs")


def test_an_engine_that_is_gone_after_the_step_does_not_change_its_end(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted)
    step.close()
    scripted.vanish()
    step.discard()
    end = step.find_end()
    assert end is not None and end.status == "ok"


@pytest.mark.parametrize(
    ("exit_code", "oom_killed", "status", "message"),
    [
        pytest.param(137, False, "killed", "(?i)somebody else", id="killed"),
        pytest.param(1, False, "error", "The sandbox ended with 'error': no output", id="error"),
        pytest.param(90, False, "error", "The sandbox ended with 'error': no output", id="90"),
        pytest.param(0, False, "killed", "Somebody else ended", id="stopped"),
    ],
)
def test_a_container_that_ends_by_itself_is_no_fault_of_a_job(
    scripted: ScriptedEngine,
    start: StartStep,
    exit_code: int,
    oom_killed: bool,
    status: str,
    message: str,
) -> None:
    step = start()
    wait_for_start(scripted).end(exit_code, oom_killed=oom_killed)
    with pytest.raises(SandboxError, match=message):
        step.run(JOB)
    end = step.find_end()
    assert end is not None
    assert (end.status, end.evidence["exit_code"]) == (status, exit_code)


def test_memory_that_the_whole_step_used_up_is_a_limit_of_the_job(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    wait_for_start(scripted).end(137, oom_killed=True)
    end = step.run(JOB)
    assert (end.status, end.message) == ("oom", "The step used more than its 512 MiB.")


def test_a_container_that_is_gone_is_named_as_removed_by_somebody(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    step = start()
    scripted.containers.pop(wait_for_start(scripted).name).ended.set()
    end = wait_for_end(step)
    assert end.status == "killed"
    assert end.message == "Somebody else removed the container; start the step again."


def test_what_a_container_printed_is_in_the_message_and_in_the_evidence(
    scripted: ScriptedEngine, start: StartStep
) -> None:
    scripted.on_start = lambda container: container.output.extend(
        [(1, b"hello \xff\n"), (2, b"Traceback: no module\n")]
    )
    step = start()
    wait_until(lambda: "attach" in scripted.calls)
    wait_for_start(scripted).end(1)
    with pytest.raises(SandboxError, match="no module"):
        step.run(JOB)
    end = step.find_end()
    assert end is not None
    assert end.evidence["output"] == "hello \\xff\nTraceback: no module\n"


# Without the breaks that take the whole engine away.
UNREAD = {name: reaction for name, reaction in BREAKS.items() if reaction is not Vanish}


@pytest.mark.parametrize("reaction", [*UNREAD.values(), Say(500, "no")], ids=[*UNREAD, "refuses"])
def test_an_output_that_cannot_be_read_ends_no_step(
    scripted: ScriptedEngine, start: StartStep, reaction: Reaction
) -> None:
    scripted.react("attach", reaction)
    step = start()
    wait_until(lambda: "attach" in scripted.calls)
    time.sleep(3 * LIMIT_S)
    assert step.find_end() is None
