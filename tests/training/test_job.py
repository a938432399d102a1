"""Job documents fit their schema and carry everything a script needs."""

import json
from pathlib import Path

import pandas as pd
import pytest

from automl_agent.cards.documents import check_document
from automl_agent.cards.metric import Task
from automl_agent.cards.profile import profile_table
from automl_agent.errors import CardError
from automl_agent.testing.tables import TARGET, load_example
from automl_agent.training.dataset import Dataset
from automl_agent.training.job import HOLDOUT_DATA, NEW_DATA, REFIT_DATA, TRIAL_DATA

from .conftest import OpenBatch, make_job, make_plan

DATA = {"trial": TRIAL_DATA, "refit": REFIT_DATA, "holdout": HOLDOUT_DATA, "new": NEW_DATA}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize(
    "task", ["binary_classification", "multiclass_classification", "regression"]
)
def test_jobs_of_every_kind_fit_the_schema(task: Task, data: dict[str, str | None]) -> None:
    card = profile_table(load_example(task), target=TARGET, name="example", task=task)
    job = make_job(make_plan(card, ""), data=data, n_steps=7, model="../out/0001/model")
    check_document(job.to_json("0001"), "job", source="job")


def test_a_job_says_everything_that_a_script_needs(dataset: Dataset) -> None:
    job = make_job(make_plan(dataset.card, ""), time_limit_s=2.5)
    assert job.to_json("0001") == {
        "job_id": "0001",
        "script": "train.py",
        "task": "binary_classification",
        "n_classes": 2,
        "metric": "log_loss",
        "seed": 0,
        "settings": {"rate": 0.5},
        "n_steps": None,
        "data": {
            "train": "data/train.parquet",
            "valid": "data/valid.parquet",
            "predict": "data/valid_features.parquet",
        },
        "columns": [
            {"id": "c0", "name": "size", "role": "numeric"},
            {"id": "c1", "name": "color", "role": "categorical"},
            {"id": "c2", "name": "is_old", "role": "boolean"},
        ],
        "resources": {"cpus": 1, "memory_mib": 4096, "gpus": []},
        "time_limit_s": 2.5,
        "model": None,
    }


def test_the_schema_refuses_a_job_without_time(dataset: Dataset) -> None:
    job = make_job(make_plan(dataset.card, ""), time_limit_s=0)
    with pytest.raises(CardError, match="/time_limit_s"):
        check_document(job.to_json("0001"), "job", source="job")


def test_a_script_is_given_the_document(dataset: Dataset, open_batch: OpenBatch) -> None:
    plan = make_plan(dataset.card, "import os; print(open(os.environ['AUTOML_JOB']).read())")
    job = make_job(plan)
    end = open_batch(plan).run(job)
    document = json.loads((end.folder / "output.txt").read_text())
    assert document == job.to_json("0001")
    check_document(document, "job", source="job")


def test_the_columns_are_those_of_the_data_in_their_order(dataset: Dataset) -> None:
    document = make_job(make_plan(dataset.card, "")).to_json("0001")
    ids = [column["id"] for column in document["columns"]]
    files = {key: Path(dataset.folder).parent / str(path) for key, path in TRIAL_DATA.items()}
    columns = {key: list(pd.read_parquet(path).columns) for key, path in files.items()}
    assert columns == {"train": [*ids, "target"], "valid": [*ids, "target"], "predict": ids}
