"""Processes that will not end, end what they must not, print too much, or outlive their agent."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from automl_agent.errors import SandboxError
from automl_agent.sandboxes import step as step_module
from automl_agent.sandboxes.docker.reaper import reap

from .conftest import Arena

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = [pytest.mark.hostile, pytest.mark.docker]

FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
FLOOD = "import os\nwhile True: os.write(1, b'y\\n' * 2**19)\n"
# The runner's own output: a pipe to the engine that belongs to the same user.
FLOOD_OF_THE_RUNNER = """\
import os
out = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY)
while True: os.write(out, b"x" * 2**16)
"""
DEAF = """\
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
while True: time.sleep(1)
"""
# What a test starts, and then kills, to be an agent that dies.
AGENT = """\
import sys, time
from pathlib import Path
from dataclasses import replace
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.battery.battery import small_policy
from automl_agent.sandboxes.docker import docker_sandbox
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.sandbox import StepSpec
from automl_agent.sandboxes.step import Step
image, folder, run_id, limit_s, host_id = sys.argv[1:]
if host_id:
    owner = replace(docker_sandbox.current_owner(), host_id=host_id)
    docker_sandbox.current_owner = lambda: owner
policy = replace(small_policy(), ttl_margin_s=1.0)
spec = StepSpec("step", Path(folder), (), Resources(1, 256), True, run_id, float(limit_s))
scripts = {"sleep.py": "import time\\nwhile True: time.sleep(60)"}
step = Step(DockerSandbox(lambda _: image, policy=policy), spec, scripts)
step.wait_until_warm()
print("warm", flush=True)
step.run({"script": "sleep.py", "time_limit_s": 600}, kill_after_s=600)
"""


def test_a_flood_leaves_the_agent_small_and_keeps_its_end(arena: Arena) -> None:
    end = arena.attack(FLOOD)
    assert end.status == "output_flood"
    assert end.message.endswith("y")


def test_a_flood_through_the_runners_own_output_ends_the_step(arena: Arena) -> None:
    step = arena.start({"attack.py": FLOOD_OF_THE_RUNNER}, max_output_bytes=2**20)
    assert arena.run(step, "attack.py").status == "output_flood"


def test_a_step_whose_script_is_deaf_ends_when_it_is_closed(arena: Arena) -> None:
    step = arena.start({"attack.py": DEAF})
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(step.run, {"script": "attack.py", "time_limit_s": 30}, kill_after_s=30)
        time.sleep(0.5)
        started = time.monotonic()
        step.close()
        assert time.monotonic() - started < 20
        # The runner killed it, or there was nobody left to say so.
        problem = job.exception(timeout=10)
        assert isinstance(problem, SandboxError) or job.result().status == "killed"


def test_nothing_beats_three_seconds_after_the_containers_end(arena: Arena) -> None:
    script = """\
import os, pathlib, time
heartbeat = pathlib.Path(os.environ["AUTOML_OUT"], "heartbeat")
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    os.closerange(0, 256)
    while True:
        heartbeat.write_text(str(time.monotonic()))
        time.sleep(0.02)
while not heartbeat.exists(): time.sleep(0.01)
"""
    end = arena.attack(script)
    assert end.status == "ok"
    before = (end.folder / "heartbeat").read_text()
    assert before
    time.sleep(3)
    assert (end.folder / "heartbeat").read_text() == before


@pytest.mark.parametrize(
    "script",
    [
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time; time.sleep(60)",
        "import os, signal\nos.kill(-1, signal.SIGKILL)",
        "import os, signal\nos.kill(os.getppid(), signal.SIGSEGV)\nimport time; time.sleep(60)",
        "import os\nos.mkdir('/out/0002')",
        "import os\nos.chmod('/out', 0)\n",
    ],
    ids=["kills-the-runner", "kills-all", "crashes-the-runner", "takes-a-folder", "locks-out"],
)
def test_a_script_that_ends_its_runner_ends_its_step_and_no_more(arena: Arena, script: str) -> None:
    step = arena.start({"attack.py": script})

    def run_both() -> None:
        # The runner may notice only with the job after.
        assert arena.run(step, "attack.py").status == "ok"
        arena.run(step, "harmless.py")

    with pytest.raises(SandboxError):
        run_both()


def test_a_script_that_stops_its_runner_is_ended_by_the_agent(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "OVERDUE_S", 2.0)
    script = "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(60)"
    step = arena.start({"attack.py": script})
    end = arena.run(step, "attack.py", time_limit_s=1)
    assert end.status == "timeout"
    assert end.evidence["enforced_by"] == "agent"


@pytest.mark.parametrize(
    ("script", "status", "exit_code"),
    [
        ("import os\nos.abort()", "error", -6),
        ("import ctypes\nctypes.string_at(1)", "error", -11),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGBUS)", "error", -7),
        ("import os\nos._exit(0)", "ok", 0),
        ("import os\nos._exit(7)", "error", 7),
        ("import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()", "oom", -9),
    ],
    ids=["abort", "segfault", "bus", "exit-0", "exit-7", "recursion"],
)
def test_how_a_process_ends_is_told(arena: Arena, script: str, status: str, exit_code: int) -> None:
    end = arena.attack(script)
    assert end.status == status
    assert end.exit_code == exit_code


def test_eight_hostile_steps_at_once_leave_an_engine_that_answers(arena: Arena) -> None:
    memory = "x = []\nwhile True: x.append(b'x' * 2**24)"
    # What ends by another limit than time gets time to reach it: the eight share two processors.
    attacks = [(FORK_BOMB, 1.0), (FLOOD, 60.0), (DEAF, 1.0), (memory, 60.0)] * 2
    with ThreadPoolExecutor(8) as pool:
        steps = list(pool.map(lambda attack: arena.start({"attack.py": attack[0]}), attacks))

        def run(step: step_module.Step, limit_s: float) -> str:
            end = arena.run(step, "attack.py", time_limit_s=limit_s, within_s=60)
            step.close()
            return end.status

        statuses = list(pool.map(run, steps, [limit_s for _, limit_s in attacks]))
    assert statuses[1::4] == ["output_flood"] * 2
    assert statuses[3::4] == ["oom"] * 2
    assert set(statuses[0::4] + statuses[2::4]) <= {"timeout", "pids"}


def start_agent(
    arena: Arena, image: str, *, limit_s: float, host_id: str = ""
) -> "subprocess.Popen[str]":
    """An agent in a process of its own, whose script runs. host_id: of another machine."""
    folder = arena.folder / "steps" / f"agent{limit_s:.0f}"
    command = [sys.executable, "-c", AGENT, image, str(folder), arena.run_id]
    command += [str(limit_s), host_id]
    agent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert agent.stdout
    assert agent.stdout.readline() == "warm\n"
    return agent


def kill(agent: "subprocess.Popen[str]") -> None:
    agent.kill()
    agent.wait()
    if agent.stdout:
        agent.stdout.close()


def test_a_container_ends_itself_when_its_agent_was_killed(
    arena: Arena, image: str, engine: "APIClient"
) -> None:
    # Of another machine, as far as anybody here can know: nobody reaps it.
    kill(start_agent(arena, image, limit_s=3, host_id="elsewhere"))
    (found,) = arena.find_containers()
    assert found["State"] == "running"
    deadline = time.monotonic() + 30
    while arena.find_containers()[0]["State"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    engine.remove_container(found["Id"], v=True, force=True)


def test_a_dead_agents_container_is_reaped_and_a_living_ones_is_not(
    arena: Arena, image: str, engine: "APIClient"
) -> None:
    agent = start_agent(arena, image, limit_s=60)
    (found,) = arena.find_containers()
    name = found["Names"][0].lstrip("/")
    assert name not in [reaped.name for reaped in reap(engine)]
    kill(agent)
    # Another test's sandbox may reap it first.
    reap(engine)
    arena.wait_until_gone()


def test_no_program_of_the_image_runs_something_later(arena: Arena) -> None:
    script = """\
import os, subprocess
subprocess.Popen(["nohup", "sh", "-c", "sleep 1; echo late > $AUTOML_OUT/late"],
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
"""
    end = arena.attack(script)
    assert end.status == "ok"
    time.sleep(1.5)
    assert not Path(end.folder, "late").exists()
