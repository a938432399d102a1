"""The Docker sandbox on a real engine: jobs, limits, ends, and what is left of them."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.policy import Policy, default_policy
from automl_agent.sandboxes.sandbox import SandboxOptions, StepEnd, StepSpec
from automl_agent.sandboxes.step import JobEnd, Step

from ..conftest import wait_until

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.docker

OUT = 'import os\nfrom pathlib import Path\nOUT = Path(os.environ["AUTOML_OUT"])\n'
SLEEP = "import time\ntime.sleep(600)\n"
RunStep = Callable[..., Step]


def policy(**limits: Any) -> Policy:
    """Limits that a test meets soon."""
    return replace(default_policy(), job_grace_s=0.5, **limits)


@pytest.fixture
def start(image: str, tmp_path: Path) -> Iterator[RunStep]:
    """Starts steps whose scripts a test gives by name; after it no container of theirs is left."""
    steps: list[Step] = []

    def start_step(
        *,
        limits: Policy | None = None,
        memory_mib: int = 512,
        time_limit_s: float = 120.0,
        **scripts: str,
    ) -> Step:
        folder = tmp_path / f"step{len(steps)}"
        spec = StepSpec(
            step_id=f"step{len(steps)}",
            folder=folder,
            warm_imports=(),
            resources=Resources(1, memory_mib),
            is_generated=True,
            run_id=f"{tmp_path.name[-20:]}-{os.getpid()}",
            time_limit_s=time_limit_s,
        )
        sandbox = DockerSandbox(lambda _variant: image, policy=limits or policy())
        steps.append(Step(sandbox, spec, {f"{name}.py": text for name, text in scripts.items()}))
        return steps[-1]

    yield start_step
    for step in steps:
        step.close()
        step.discard()


def run(step: Step, script: str = "job", *, time_limit_s: float = 60.0, **options: Any) -> JobEnd:
    """How a job ends that runs this script."""
    return step.run({"script": f"{script}.py", "time_limit_s": time_limit_s}, **options)


def read_output(end: JobEnd) -> str:
    return (end.folder / "output.txt").read_text()


def wait_for_end(step: Step) -> StepEnd:
    wait_until(step.find_end)
    end = step.find_end()
    assert end is not None
    return end


def test_jobs_run_one_after_the_other_in_one_container(start: RunStep) -> None:
    step = start(first="print('first')", second="import sys; sys.exit(3)", third="print('third')")
    ends = [run(step, name) for name in ("first", "second", "third")]
    assert [(end.status, end.exit_code) for end in ends] == [("ok", 0), ("error", 3), ("ok", 0)]
    assert [read_output(end) for end in ends] == ["first\n", "", "third\n"]
    step.close()
    end = wait_for_end(step)
    assert (end.status, end.evidence["exit_code"]) == ("ok", 0)


def test_a_model_is_collected_after_the_end_and_not_before(start: RunStep, tmp_path: Path) -> None:
    step = start(job=f"{OUT}(OUT / 'model').mkdir()\n(OUT / 'model' / 'a.json').write_text('[1]')")
    end = run(step)
    with pytest.raises(SandboxError, match="after its end"):
        step.collect(end.job_id, tmp_path / "model")
    step.close()
    step.collect(end.job_id, tmp_path / "model")
    assert (tmp_path / "model" / "a.json").read_text() == "[1]"


def test_what_a_job_leaves_in_tmp_is_gone_for_the_next(start: RunStep) -> None:
    leave = "import os\nos.makedirs('/tmp/a/b')\nopen('/tmp/evil.py', 'w')\nopen('/dev/shm/x', 'w')"
    step = start(leave=leave, look="import os\nprint(os.listdir('/tmp'), os.listdir('/dev/shm'))")
    assert run(step, "leave").status == "ok"
    assert read_output(run(step, "look")) == "[] []\n"


def test_a_job_over_the_memory_limit_ends_with_oom_and_the_next_one_runs(start: RunStep) -> None:
    step = start(job="block = bytearray(2**30)", next="print('alive')", memory_mib=256)
    end = run(step)
    assert (end.status, end.exit_code) == ("oom", -signal.SIGKILL)
    assert end.evidence["memory_limit_mib"] == 256
    assert run(step, "next").status == "ok"


def test_memory_that_a_jobs_child_takes_counts_too(start: RunStep) -> None:
    child = "[sys.executable, '-c', 'bytearray(2**30)']"
    grow = f"import subprocess, sys\nsubprocess.run({child}, check=True)"
    end = run(start(job=grow, memory_mib=256))
    assert (end.status, end.evidence["oom_limit_struck"]) == ("oom", 1)


def test_a_job_that_starts_too_many_processes_ends_with_pids(start: RunStep) -> None:
    bomb = "import os, time\nfor _ in range(1000):\n    if os.fork() == 0:\n        time.sleep(60)"
    step = start(job=bomb, next="print('alive')")
    end = run(step)
    assert end.status == "pids"
    assert "BlockingIOError" in end.message
    assert end.evidence["pids_limit_struck"] >= 1
    assert run(step, "next").status == "ok"


def test_a_job_that_floods_its_output_is_ended_and_its_tail_kept(start: RunStep) -> None:
    end = run(start(job="while True: print('y' * 999)"))
    assert end.status == "output_flood"
    assert end.message.endswith("y" * 999)
    assert end.evidence["output_bytes"] > 64 * 2**20


def test_a_job_over_its_time_is_killed_whatever_it_ignores(start: RunStep) -> None:
    deaf = "import signal\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: pass"
    end = run(start(job=deaf), time_limit_s=0.5)
    assert end.status == "timeout"
    assert 0.9 < end.seconds < 10


WRITERS = {
    "too many bytes": (
        {"max_out_bytes": 8 * 2**20},
        "n = 0\nwhile True:\n    (OUT / str(n)).write_bytes(bytes(2**20)); n += 1\n"
        "    import time; time.sleep(0.05)",
        "wrote more than 8 MiB",
    ),
    "too many files": (
        {"max_out_files": 500},
        f"for n in range(2000): (OUT / str(n)).touch()\n{SLEEP}",
        "wrote more than 500 files",
    ),
    "too deep folders": (
        {"max_out_depth": 5},
        f"(OUT / '/'.join('abcdefgh')).mkdir(parents=True)\n{SLEEP}",
        "folders more than 5 deep",
    ),
}


@pytest.mark.parametrize(("limits", "script", "message"), WRITERS.values(), ids=WRITERS)
def test_a_step_that_fills_its_folder_ends_with_disk(
    start: RunStep, limits: dict[str, int], script: str, message: str
) -> None:
    end = run(start(job=OUT + script, limits=policy(**limits)))
    assert (end.status, message in end.message) == ("disk", True)


def test_a_file_over_the_size_limit_cannot_be_written(start: RunStep) -> None:
    write = f"{OUT}(OUT / 'large').write_bytes(bytes(9 * 2**20))"
    end = run(start(job=write, limits=policy(max_file_bytes=8 * 2**20)))
    assert (end.status, "File too large" in end.message) == ("error", True)


def test_what_is_printed_behind_the_runners_back_counts_and_is_kept_in_part(start: RunStep) -> None:
    # The runner's own output is a pipe that a process of the same user can open.
    flood = (
        "import os\nout = open(f'/proc/{os.getppid()}/fd/1', 'w')\n"
        "while True: print('z' * 999, file=out)"
    )
    end = run(start(job=flood, limits=policy(max_output_bytes=2**20)))
    assert end.status == "output_flood"
    assert "printed more than 1 MiB" in end.message
    assert end.evidence["printed_bytes"] > 2**20
    assert len(end.evidence["output"]) <= 2**16


def test_a_step_ends_at_its_own_limit(start: RunStep) -> None:
    end = run(start(job=SLEEP, time_limit_s=2))
    assert (end.status, end.message) == ("timeout", "The step took longer than its 2 s.")


def test_a_job_that_stops_the_runner_is_ended_from_outside(
    start: RunStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_agent.sandboxes.step.OVERDUE_S", 1.0)
    end = run(start(job=f"import os\nos.kill(os.getppid(), 19)\n{SLEEP}"), time_limit_s=0.5)
    assert (end.status, end.evidence["enforced_by"]) == ("timeout", "agent")


def test_a_container_that_somebody_else_removes_is_no_fault_of_the_job(
    start: RunStep, engine: "APIClient"
) -> None:
    step = start(job=f"{OUT}(OUT / 'started').touch()\n{SLEEP}")

    def remove() -> None:
        if (step.job_folder("0001") / "started").exists():
            step_id = json.dumps(find_labels(step))
            for container in engine.containers(filters={"label": json.loads(step_id)}):
                engine.remove_container(container["Id"], force=True)

    with pytest.raises(SandboxError, match="Somebody else"):
        run(step, while_waiting=remove)


def find_labels(step: Step) -> list[str]:
    return [f"automl-agent.folder={step.job_folder('0001').parent.parent.resolve()}"]


def test_closing_ends_what_runs_and_discarding_leaves_nothing(
    start: RunStep, engine: "APIClient"
) -> None:
    step = start(job=SLEEP)
    with pytest.raises(KeyboardInterrupt):
        run(step, while_waiting=interrupt_after(0.5))
    started = time.monotonic()
    step.close()
    assert time.monotonic() - started < 20
    labels = {"label": find_labels(step)}
    assert len(engine.containers(all=True, filters=labels)) == 1
    step.discard()
    assert engine.containers(all=True, filters=labels) == []


def interrupt_after(seconds: float) -> Callable[[], None]:
    deadline = time.monotonic() + seconds

    def interrupt() -> None:
        if time.monotonic() > deadline:
            raise KeyboardInterrupt

    return interrupt


def test_a_missing_image_is_a_problem_with_the_command_that_builds_it(engine: "APIClient") -> None:
    del engine
    sandbox = DockerSandbox(lambda _variant: "automl-agent-sandbox:none")
    problem = sandbox.find_problem(SandboxOptions())
    assert problem is not None
    assert "automl-agent sandbox build" in problem


def test_nothing_stands_in_its_way_where_engine_and_image_are_there(image: str) -> None:
    assert DockerSandbox(lambda _variant: image).find_problem(SandboxOptions()) is None


def test_a_runtime_that_the_engine_does_not_have_is_a_problem(image: str) -> None:
    problem = DockerSandbox(lambda _variant: image).find_problem(SandboxOptions(runtime="fast"))
    assert problem is not None
    assert "runc" in problem
