"""The process sandbox: its environment, its limits, its end, and when it cannot start."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes import runner_config
from automl_agent.sandboxes.process import MAX_FILE_BYTES, ProcessSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions, StepEnd, StepSpec

from .conftest import MakeStep, Step, is_running, wait_until
from .test_runner import SLEEP, START_CHILD, START_DAEMON

SAVE_MODEL = """
import os
from pathlib import Path
model = Path(os.environ["AUTOML_OUT"]) / "model"
model.mkdir()
(model / "weights.json").write_text("[1, 2]")
"""


def test_nothing_stands_in_its_way_here() -> None:
    assert ProcessSandbox().find_problem(SandboxOptions()) is None


def test_a_script_sees_the_built_environment_and_nothing_else(
    make_step: MakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_API_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.delenv("OPENBLAS_L2_SIZE", raising=False)
    step = make_step()
    step.run("import json, os; print(json.dumps(dict(os.environ)))")
    temporary = str(step.folder / "tmp")
    assert json.loads(step.output("0001")) == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": temporary,
        "TMPDIR": temporary,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMEXPR_NUM_THREADS": "1",
        "GOMP_SPINCOUNT": "1000",
        "OPENBLAS_CORETYPE": "Haswell",
        "AUTOML_IN": str(step.folder / "in"),
        "AUTOML_OUT": str(step.out("0001")),
        "AUTOML_JOB": str(step.folder / "in" / "jobs" / "0001.json"),
    }


def test_a_script_runs_in_a_session_and_a_folder_of_its_own_without_input(
    make_step: MakeStep,
) -> None:
    step = make_step()
    step.run(
        "import os, sys; pid = os.getpid()\n"
        "print(os.getsid(0), os.getpgid(0) == pid, os.getcwd(), repr(sys.stdin.read()))"
    )
    assert step.output("0001") == f"{step.handle.pid} True {step.folder / 'tmp'} ''\n"
    assert step.handle.pid != os.getsid(0)


def test_a_script_has_limits_on_core_dumps_file_sizes_and_open_files(make_step: MakeStep) -> None:
    step = make_step()
    step.run(
        "from resource import *\n"
        "print([getrlimit(limit) for limit in (RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_NOFILE)])"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    n_files = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    expected = [(0, 0), (MAX_FILE_BYTES, MAX_FILE_BYTES), (n_files, n_files)]
    assert step.output("0001") == f"{expected}\n"


def test_a_script_has_less_than_its_caller(make_step: MakeStep) -> None:
    step = make_step()
    step.run(
        "import os; from pathlib import Path\n"
        "status = dict(l.split(':', 1) for l in Path('/proc/self/status').open())\n"
        "print(status['NoNewPrivs'].strip(), status['Umask'].strip())\n"
        "print(Path('/proc/self/oom_score_adj').read_text().strip())\n"
        "print(Path(f'/proc/{os.getppid()}/oom_score_adj').read_text().strip())"
    )
    assert step.output("0001").split() == ["1", "0077", "1000", "500"]


def test_a_setuid_program_gives_a_script_no_rights(make_step: MakeStep, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a program that would give rights to another user")
    program = tmp_path / "id"
    shutil.copy("/usr/bin/id", program)
    for folder in (*tmp_path.parents, tmp_path):
        if str(folder).startswith(tempfile.gettempdir() + "/"):
            folder.chmod(0o755)
    program.chmod(0o4755)
    become_nobody = f"import os; os.setuid(65534); os.execv({str(program)!r}, ['id', '-u'])"
    # The positive control: without the sandbox, it does give them.
    control = subprocess.run([sys.executable, "-c", become_nobody], capture_output=True, text=True)
    step = make_step()
    step.run(become_nobody)
    assert (control.stdout, step.output("0001")) == ("0\n", "65534\n")


def test_a_script_inherits_no_open_file_but_the_standard_ones(
    make_step: MakeStep, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("")
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)
        step = make_step()
        step.run(
            "import os; from pathlib import Path\n"
            "print([str(p.readlink()) for p in Path('/proc/self/fd').iterdir() if p.is_symlink()])"
        )
    assert "output.txt" in step.output("0001")
    assert "secret" not in step.output("0001")


def test_a_step_ends_itself_when_its_time_is_over(make_step: MakeStep, monkeypatch: Any) -> None:
    monkeypatch.setattr(runner_config, "STEP_MARGIN_S", 0.5)
    step = make_step(time_limit_s=3.0)  # enough for a busy machine to begin the job
    job = step.submit(SLEEP)
    assert step.wait(job)["status"] == "timeout"
    wait_until(step.handle.poll)
    end = step.handle.poll()
    assert end is not None
    assert (end.status, end.message) == ("timeout", "The step took longer than its 3 s.")


FILL_DISK = """
import os, time
from pathlib import Path
out = Path(os.environ["AUTOML_OUT"])
print("filling", flush=True)
for number in range(100_000):
    (out / f"{number}").write_bytes(bytes(SIZE))
time.sleep(600)
"""


@pytest.mark.parametrize("size", [2**20, 0], ids=["bytes", "files"])
def test_a_job_that_fills_the_disk_is_ended_and_what_it_wrote_is_gone(
    make_step: MakeStep, size: int
) -> None:
    step = make_step(sandbox=ProcessSandbox(max_out_bytes=100 * 2**20))
    result = step.run(FILL_DISK.replace("SIZE", str(size)))
    assert result["status"] == "disk"
    assert result["evidence"]["out_limit_bytes"] == 100 * 2**20
    assert [path.name for path in step.out("0001").iterdir()] == ["output.txt"]
    assert step.run("pass")["status"] == "ok"


def test_nothing_beside_the_caller_or_the_runner_is_imported(
    make_step: MakeStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stray.py").write_text("")
    monkeypatch.chdir(tmp_path)
    step = make_step(warm_imports=["stray", "runner"])
    step.run("import sys; print({'stray', 'runner'} & set(sys.modules)); import stray")
    step.run("import runner")
    assert step.output("0001").startswith("set()\n")
    assert "No module named 'stray'" in step.output("0001")
    assert "No module named 'runner'" in step.output("0002")


def test_a_relative_folder_is_found_from_the_steps_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    step = Step(Path("step"))
    handle = step.start(ProcessSandbox())
    try:
        assert step.run("pass")["status"] == "ok"
    finally:
        handle.stop()


@pytest.mark.parametrize("script", [START_CHILD, START_DAEMON], ids=["a child", "a daemon"])
def test_stop_ends_the_runner_its_job_and_what_the_job_started(
    make_step: MakeStep, script: str
) -> None:
    step = make_step()
    job = step.submit(f"{script}\nwrite_pid('job', os.getpid())\n{SLEEP}")
    pids = [step.handle.pid, step.read_pid(job, "job"), step.read_pid(job, "child")]
    assert all(map(is_running, pids))
    step.handle.stop()
    assert not any(map(is_running, pids))
    assert step.wait(job)["status"] == "killed"
    assert not (step.folder / "tmp").exists()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGKILL, id="is killed"),
        pytest.param(signal.SIGSTOP, id="does not answer"),
    ],
)
def test_stop_ends_the_job_of_a_runner_that(make_step: MakeStep, number: signal.Signals) -> None:
    step = make_step()
    job = step.submit(f"{START_CHILD}\nwrite_pid('job', os.getpid())\n{SLEEP}")
    pids = [step.handle.pid, step.read_pid(job, "job"), step.read_pid(job, "child")]
    os.kill(step.handle.pid, number)
    step.handle.stop()
    wait_until(lambda: not any(map(is_running, pids)))


def test_stop_is_harmless_twice_and_after_the_end(make_step: MakeStep) -> None:
    step = make_step()
    (step.folder / "in" / "jobs" / "end").touch()
    wait_until(step.handle.poll)
    step.handle.stop()
    step.handle.stop()
    evidence = {"exit_code": 0, "pid": step.handle.pid, "time_limit_s": 3600.0}
    assert step.handle.poll() == StepEnd("ok", evidence=evidence)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param("import os; os.kill(os.getppid(), 9)", "killed", id="killed"),
        pytest.param(
            "import os; os.mkdir(os.environ['AUTOML_OUT'] + '/../0002')", "error", id="error"
        ),
    ],
)
def test_the_status_tells_how_the_runner_ended(
    make_step: MakeStep, script: str, status: str
) -> None:
    step = make_step()
    assert step.handle.poll() is None
    step.submit(script)
    step.submit("pass")
    wait_until(lambda: step.handle.poll() is not None)
    end = step.handle.poll()
    assert end is not None and end.status == status
    assert ("FileExistsError" in step.handle.output_tail()) == (status == "error")


def test_the_tail_of_the_output_is_its_last_4_kib(make_step: MakeStep) -> None:
    step = make_step()
    (step.folder / "output.txt").write_bytes(b"x" * 10_000 + b"\xff the end")
    assert step.handle.output_tail() == "x" * (4096 - 9) + "\\xff the end"


def test_a_model_is_collected_after_the_end(make_step: MakeStep, tmp_path: Path) -> None:
    step = make_step()
    assert step.run(SAVE_MODEL)["status"] == "ok"
    step.handle.stop()
    step.handle.collect("0001", tmp_path / "model")
    collected = {path.name: path.read_text() for path in (tmp_path / "model").iterdir()}
    assert collected == {"weights.json": "[1, 2]"}


def test_a_job_without_a_model_has_nothing_to_collect(make_step: MakeStep, tmp_path: Path) -> None:
    step = make_step()
    step.run("pass")
    with pytest.raises(SandboxError, match="cannot be collected"):
        step.handle.collect("0001", tmp_path / "model")


def test_a_python_that_is_not_there_is_a_sandbox_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(SandboxError, match=r"cannot start Python: .*'/no/such/python'"):
        Step(tmp_path / "step").start(ProcessSandbox())


def test_a_folder_that_cannot_be_written_is_a_sandbox_error(tmp_path: Path) -> None:
    step = Step(tmp_path / "step")
    (step.folder / "in" / "runner.json").mkdir()
    with pytest.raises(SandboxError, match="Is a directory"):
        step.start(ProcessSandbox())


@pytest.mark.parametrize("allowed", [False, True], ids=["not allowed", "allowed"])
def test_generated_code_runs_only_where_the_person_allowed_it(
    tmp_path: Path, allowed: bool
) -> None:
    folder = Step(tmp_path / "step").folder
    spec = StepSpec("step", folder, (), Resources(1, 4096), True, options=SandboxOptions(allowed))
    if allowed:
        ProcessSandbox().start(spec).stop()
    else:
        with pytest.raises(SandboxError, match="a language model wrote some of the scripts"):
            ProcessSandbox().start(spec)
