"""What a hostile script leaves to its batch: forged results, links and a log without end."""

import json
from pathlib import Path

import pytest

from automl_agent.errors import SandboxError
from automl_agent.training.dataset import Dataset
from automl_agent.training.training_log import LogRecord, read_log, read_predictions

from ..sandboxes.conftest import is_running, wait_until
from .conftest import LOG, SLEEP, OpenBatch, make_job, make_plan

GOOD = {
    "status": "ok",
    "exit_code": 0,
    "seconds": 1.0,
    "max_rss_mib": 1.0,
    "start_delay_s": 0.0,
    "evidence": {},
}
FORGERIES = {
    "no JSON": "path.write_text('nonsense')",
    "no object": "path.write_text('[]')",
    "nothing in it": "path.write_text('{}')",
    "deep": "path.write_text('[' * 100_000)",
    "an unknown status": f"path.write_text(json.dumps({GOOD} | {{'status': 'best'}}))",
    "a status that only the agent gives": (
        f"path.write_text(json.dumps({GOOD} | {{'status': 'stopped'}}))"
    ),
    "a status that is a list": f"path.write_text(json.dumps({GOOD} | {{'status': ['ok']}}))",
    "seconds that are no number": f"path.write_text(json.dumps({GOOD} | {{'seconds': 'x'}}))",
    "seconds that are infinite": f"path.write_text(json.dumps({GOOD} | {{'seconds': 1e999}}))",
    "memory that is huge": f"path.write_text(json.dumps({GOOD} | {{'max_rss_mib': 10**400}}))",
    "a text as exit code": f"path.write_text(json.dumps({GOOD} | {{'exit_code': '0'}}))",
    "too large": f"path.write_text(json.dumps({GOOD}) + ' ' * 2**21)",
    "a link": f"(OUT / 'x').write_text(json.dumps({GOOD})); path.symlink_to(OUT / 'x')",
    "a pipe": "os.mkfifo(path)",
    "a folder": "path.mkdir()",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_result_is_refused(dataset: Dataset, open_batch: OpenBatch, forgery: str) -> None:
    train = f"{LOG}\npath = OUT.parent / '0001.result.json'\n{forgery}\n{SLEEP}"
    plan = make_plan(dataset.card, train)
    with pytest.raises(SandboxError, match="The result of job 0001 cannot be read"):
        open_batch(plan).run(make_job(plan))


def test_a_result_forged_well_frees_no_job_from_its_limit(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    train = (
        f"{LOG}\nprint(os.getpid(), flush=True)\n"
        f"(OUT / 'part').write_text(json.dumps({GOOD}))\n"
        f"(OUT / 'part').rename(OUT.parent / '0001.result.json')\n{SLEEP}"
    )
    plan = make_plan(dataset.card, train, "pass")
    batch = open_batch(plan)
    assert batch.run(make_job(plan, time_limit_s=0.1)).seconds == 1.0
    job = int((batch.job_folder("0001") / "output.txt").read_text())
    wait_until(lambda: not is_running(job))
    assert batch.run(make_job(plan, script="predict.py")).status == "ok"


def test_a_result_that_was_there_before_its_job_is_refused(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    train = f"{LOG}\n(OUT.parent / '0002.result.json').write_text(json.dumps({GOOD}))"
    plan = make_plan(dataset.card, train)
    batch = open_batch(plan)
    assert batch.run(make_job(plan)).status == "ok"
    with pytest.raises(SandboxError, match="An earlier job wrote the result of job 0002"):
        batch.run(make_job(plan))


LINKS = {
    "the log": "(OUT / 'training_log.jsonl').unlink()\n"
    "(OUT / 'training_log.jsonl').symlink_to(SECRET / 'training_log.jsonl')",
    "its folder": "OUT.rename(f'{OUT}-moved')\nOUT.symlink_to(SECRET)",
}


@pytest.mark.parametrize("swap", LINKS.values(), ids=LINKS)
def test_a_link_in_the_place_of_is_not_followed(
    dataset: Dataset, open_batch: OpenBatch, tmp_path: Path, swap: str
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    fields = {"step": 1, "epoch": None, "split": "valid", "metrics": {"key": 1}, "time_s": 0}
    (secret / "training_log.jsonl").write_text(json.dumps(fields) + "\n")
    (secret / "output.txt").write_text("a secret")
    (secret / "predictions.npy").symlink_to("/dev/zero")
    assert len(read_log(secret / "training_log.jsonl")) == 1
    train = f"{LOG}\nSECRET = Path({str(secret)!r})\n{swap}\nsys.exit(1)"
    plan = make_plan(dataset.card, train)
    records: list[LogRecord] = []
    end = open_batch(plan).run(make_job(plan), records.append)
    assert end.message == "It printed nothing; its exit code is 1."
    assert records == read_log(end.folder / "training_log.jsonl") == []
    with pytest.raises(SandboxError, match="no predictions that can be read"):
        read_predictions(end.folder / "predictions.npy", n_rows=1, n_classes=None)


def test_a_large_log_is_not_read(dataset: Dataset, open_batch: OpenBatch) -> None:
    plan = make_plan(dataset.card, f"{LOG}\nlog.truncate(2**26 + 1)")
    records: list[LogRecord] = []
    end = open_batch(plan).run(make_job(plan), records.append)
    assert (end.status, records) == ("ok", [])
