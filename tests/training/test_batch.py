"""The batch: jobs to their ends, records as they come, and what interrupts them."""

import os
import signal
from pathlib import Path
from threading import Timer

import pytest

from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes import step as step_module
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.runner_config import MAX_OUTPUT_BYTES
from automl_agent.sandboxes.step import JobEnd, write_whole
from automl_agent.training.batch import link_data
from automl_agent.training.dataset import Dataset
from automl_agent.training.training_log import LogRecord, read_log

from ..sandboxes.conftest import is_running, wait_until
from .conftest import LOG, SLEEP, OpenBatch, make_job, make_model_card, make_plan


def make_record(step: int) -> LogRecord:
    return LogRecord(step, "valid", {"log_loss": 1 / step}, step)


def test_a_job_is_run_to_its_end(dataset: Dataset, open_batch: OpenBatch) -> None:
    plan = make_plan(dataset.card, "print('hello')")
    batch = open_batch(plan)
    end = batch.run(make_job(plan))
    assert end == JobEnd(
        job_id="0001",
        status="ok",
        exit_code=0,
        seconds=end.seconds,
        max_rss_mib=end.max_rss_mib,
        start_delay_s=end.start_delay_s,
        folder=batch.job_folder("0001"),
        message="",
        evidence=end.evidence,
    )
    assert end.evidence == {
        "memory_limit_mib": 4096,
        "time_limit_s": 30,
        "output_bytes": len("hello\n"),
        "output_limit_bytes": MAX_OUTPUT_BYTES,
        "ended_by_runner": 0,
    }
    assert 0 < end.seconds < 30
    assert 5 < end.max_rss_mib < 1000
    assert (end.folder / "output.txt").read_text() == "hello\n"


FAILURES = {
    "an exception": ("1 / 0", 1, "ZeroDivisionError: division by zero"),
    "an exit with a text": ("import sys; sys.exit('no rows')", 1, "no rows"),
    "a silent exit": (
        "import os; os._exit(3)",
        3,
        "It printed nothing; its exit code is 3.",
    ),
    "a signal": (
        "import os; os.kill(os.getpid(), 9)",
        -9,
        "It printed nothing; its exit code is -9.",
    ),
}


@pytest.mark.parametrize(("train", "exit_code", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failure_comes_with_the_end_of_what_was_printed(
    dataset: Dataset, open_batch: OpenBatch, train: str, exit_code: int, message: str
) -> None:
    plan = make_plan(dataset.card, train)
    end = open_batch(plan).run(make_job(plan))
    assert (end.status, end.exit_code) == ("error", exit_code)
    assert end.message.splitlines()[-1] == message


def test_a_job_over_a_limit_ends_with_the_limits_name(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    hog = "block = bytearray(400 * 2**20)\nimport time; time.sleep(600)"
    plan = make_plan(dataset.card, SLEEP, hog, resources=Resources(cpus=1, memory_mib=300))
    batch = open_batch(plan)
    late = batch.run(make_job(plan, time_limit_s=0.1))
    large = batch.run(make_job(plan, script="predict.py"))
    assert [late.status, large.status] == ["timeout", "oom"]


def test_records_come_while_the_job_runs_in_order_and_each_once(
    dataset: Dataset, open_batch: OpenBatch, tmp_path: Path
) -> None:
    # The script goes on only when the record that it wrote has come.
    plan = make_plan(
        dataset.card,
        f"{LOG}\nfor step in (1, 2, 3):\n    write(make_line(step))\n"
        "    while not (IN / f'seen{step}').exists(): time.sleep(0.005)",
    )
    batch = open_batch(plan)
    records: list[LogRecord] = []

    def keep(record: LogRecord) -> None:
        records.append(record)
        (tmp_path / "step0" / "in" / f"seen{record.step}").touch()

    end = batch.run(make_job(plan), keep)
    assert end.status == "ok", end.message
    assert records == [make_record(step) for step in (1, 2, 3)]
    assert read_log(end.folder / "training_log.jsonl") == records


def test_lines_in_parts_and_a_last_line_without_an_end_are_not_lost(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    plan = make_plan(
        dataset.card,
        f"{LOG}\nfor step in (1, 2):\n    line = make_line(step)\n"
        "    write(line[:20]); time.sleep(0.1); write(line[20:])\n"
        "write(make_line(3).strip())",
    )
    records: list[LogRecord] = []
    open_batch(plan).run(make_job(plan), records.append)
    assert records == [make_record(step) for step in (1, 2, 3)]


def test_the_records_of_a_killed_job_are_those_that_it_wrote(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    plan = make_plan(dataset.card, f"{LOG}\nwrite(make_line(1) + make_line(2)[:30])\n{SLEEP}")
    records: list[LogRecord] = []
    end = open_batch(plan).run(make_job(plan, time_limit_s=0.1), records.append)
    assert end.status == "timeout"
    assert records == [make_record(1)]


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_kills_the_job_and_the_batch_can_go_on(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    plan = make_plan(dataset.card, f"{LOG}\nprint(os.getpid())\nwrite(make_line(1))\n{SLEEP}", "")
    batch = open_batch(plan)

    def interrupt_soon(_record: LogRecord) -> None:
        Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        batch.run(make_job(plan), interrupt_soon)
    job = int((batch.job_folder("0001") / "output.txt").read_text())
    assert batch.run(make_job(plan, script="predict.py")).status == "ok"
    assert not is_running(job)


def test_a_listener_that_fails_kills_the_job(dataset: Dataset, open_batch: OpenBatch) -> None:
    plan = make_plan(dataset.card, f"{LOG}\nprint(os.getpid())\nwrite(make_line(1))\n{SLEEP}")
    batch = open_batch(plan)

    def fail(record: LogRecord) -> None:
        raise RuntimeError(record.step)

    with pytest.raises(RuntimeError, match="1"):
        batch.run(make_job(plan), fail)
    job = int((batch.job_folder("0001") / "output.txt").read_text())
    wait_until(lambda: not is_running(job))


def test_a_job_is_killed_when_its_time_with_saving_and_predicting_is_over(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    plan = make_plan(dataset.card, SLEEP, "pass")
    batch = open_batch(plan, sandbox=ProcessSandbox())
    end = batch.run(make_job(plan), kill_after_s=0.2)
    assert (end.status, end.exit_code) == ("timeout", -signal.SIGKILL)
    assert end.message == "It was killed after 0.2 s, when its time was over."
    assert batch.run(make_job(plan, script="predict.py"), kill_after_s=30.0).status == "ok"


def test_a_job_is_stopped_for_a_reason_and_the_batch_goes_on(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    train = f"{LOG}\nprint(os.getpid(), flush=True)\nwrite(make_line(1))\n{SLEEP}"
    plan = make_plan(dataset.card, train, "pass")
    batch = open_batch(plan)
    records: list[LogRecord] = []
    end = batch.run(
        make_job(plan), records.append, stop_when=lambda: "cannot win" if records else ""
    )
    assert (end.status, end.message, end.exit_code) == ("stopped", "cannot win", -signal.SIGKILL)
    assert end.evidence["enforced_by"] == "agent"
    assert [record.step for record in records] == [1]
    job = int((batch.job_folder("0001") / "output.txt").read_text())
    assert batch.run(make_job(plan, script="predict.py"), stop_when=lambda: "").status == "ok"
    assert not is_running(job)


def test_a_job_that_ends_before_it_is_stopped_has_ended_well(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    plan = make_plan(dataset.card, "pass")
    batch = open_batch(plan)
    result = batch.job_folder("0001").parent / "0001.result.json"
    end = batch.run(make_job(plan), stop_when=lambda: "too late" if result.exists() else "")
    assert (end.status, end.message) == ("ok", "")


def test_a_job_that_stops_its_runner_cannot_keep_from_being_stopped(
    dataset: Dataset, open_batch: OpenBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "OVERDUE_S", 0.2)
    train = f"{LOG}\nos.kill(os.getppid(), 19)\nwrite(make_line(1))\n{SLEEP}"
    plan = make_plan(dataset.card, train)
    records: list[LogRecord] = []
    end = open_batch(plan).run(
        make_job(plan), records.append, stop_when=lambda: "cannot win" if records else ""
    )
    assert end.status == "timeout"


def test_a_batch_is_warm_when_its_imports_are_done(
    dataset: Dataset, open_batch: OpenBatch, tmp_path: Path
) -> None:
    # The module `this` prints when it is imported.
    plan = make_plan(dataset.card, "pass", model_card=make_model_card(imports=["this"]))
    batch = open_batch(plan)
    batch.wait_until_warm()
    assert "The Zen of Python" in (tmp_path / "step0" / "output.txt").read_text()
    assert batch.run(make_job(plan)).start_delay_s < 5
    batch.close()
    (tmp_path / "step0" / "out" / "ready").unlink()
    with pytest.raises(SandboxError, match="The sandbox ended with"):
        batch.wait_until_warm()


def test_a_runner_that_dies_is_a_sandbox_error_with_what_it_printed(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    # The module `this` prints when it is imported.
    card = make_model_card(imports=["this"])
    kill_runner = "import os; os.kill(os.getppid(), 9)"
    plan = make_plan(dataset.card, kill_runner, model_card=card)
    with pytest.raises(SandboxError, match=r"(?s)ended with 'killed': The Zen of Python.*those!"):
        open_batch(plan).run(make_job(plan))


def test_a_job_that_stops_its_runner_ends_at_its_limit_all_the_same(
    dataset: Dataset, open_batch: OpenBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "OVERDUE_S", 0.2)
    plan = make_plan(dataset.card, f"import os; os.kill(os.getppid(), 19)\n{SLEEP}")
    end = open_batch(plan).run(make_job(plan, time_limit_s=0.1))
    assert (end.status, end.message) == (
        "timeout",
        "It kept its runner from ending it in time.",
    )


def test_a_closed_batch_runs_nothing(dataset: Dataset, open_batch: OpenBatch) -> None:
    plan = make_plan(dataset.card, "pass")
    batch = open_batch(plan)
    batch.close()
    batch.close()
    with pytest.raises(SandboxError, match="The sandbox ended with"):
        batch.run(make_job(plan))


def test_the_folders_of_a_step_are_the_owners_alone(
    dataset: Dataset, open_batch: OpenBatch, tmp_path: Path
) -> None:
    open_batch(make_plan(dataset.card, "pass"))
    folders = ("code", "out", "in/jobs", "in/data", "tmp")
    modes = {name: (tmp_path / "step0" / name).stat().st_mode & 0o777 for name in folders}
    assert modes == dict.fromkeys(folders, 0o700)


def test_a_model_is_collected_after_the_end(
    dataset: Dataset, open_batch: OpenBatch, tmp_path: Path
) -> None:
    save = "(OUT / 'model').mkdir(); (OUT / 'model' / 'rate.json').write_text('0.5')"
    plan = make_plan(dataset.card, f"{LOG}\n{save}")
    batch = open_batch(plan)
    end = batch.run(make_job(plan))
    batch.close()
    batch.collect(end.job_id, tmp_path / "model")
    assert (tmp_path / "model" / "rate.json").read_text() == "0.5"


def test_a_step_that_cannot_start_is_a_sandbox_error(
    dataset: Dataset, open_batch: OpenBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(SandboxError, match="cannot start Python"):
        open_batch(make_plan(dataset.card, "pass"), sandbox=ProcessSandbox())


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json", "{}")
    (tmp_path / "b.json").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "b.json", "{}")
    assert (tmp_path / "a.json").read_text() == "{}"


def test_data_is_linked_into_a_step_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    (source / "train.parquet").write_bytes(b"rows")
    link_data(source, tmp_path / "step" / "data")
    linked = tmp_path / "step" / "data" / "train.parquet"
    assert linked.read_bytes() == b"rows"
    assert linked.samefile(source / "train.parquet")
