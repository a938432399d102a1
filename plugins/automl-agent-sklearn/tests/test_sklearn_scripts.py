"""The scripts, run alone, on tables that the contract does not have."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import automl_agent_sklearn
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import KFold

NAMES = [expert.card.name for expert in automl_agent_sklearn.register_experts()]
TASKS = ["binary_classification", "multiclass_classification", "regression"]
TEMPLATES = Path(automl_agent_sklearn.__file__).parent / "templates"
SETTINGS: dict[str, dict[str, Any]] = {
    expert.card.name: {p.name: p.default for p in expert.card.search_space if p.condition is None}
    for expert in automl_agent_sklearn.register_experts()
}
MODEL_FILES = {
    "linear": "pipeline.skops",
    "hist-gradient-boosting": "model.skops",
    "extra-trees": "model.skops",
}
ROLES = {"c0": "numeric", "c1": "numeric", "c2": "categorical", "c3": "datetime", "c4": "boolean"}
N_CLASSES = {"binary_classification": 2, "multiclass_classification": 3, "regression": None}


def make_table(task: str, n_rows: int = 240) -> pd.DataFrame:
    """A table of each role whose target follows c0 and c2, with missing cells."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "c0": random.normal(size=n_rows),
            "c1": random.normal(size=n_rows),
            "c2": random.choice(["a", "b", "c", "d"], n_rows),
            "c3": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n_rows), unit="h"),
            "c4": random.integers(0, 2, n_rows).astype("float64"),
        }
    )
    value = table["c0"] + 2 * (table["c2"] == "a") + random.normal(scale=0.5, size=n_rows)
    if task == "regression":
        table["target"] = value
    else:
        table["target"] = pd.qcut(value, N_CLASSES[task], labels=False).astype("int64")
    table.loc[::7, "c1"] = None
    table.loc[::9, "c2"] = None
    table.loc[::11, "c3"] = None
    return table


def write_input(
    name: str,
    task: str,
    folder: Path,
    train: pd.DataFrame,
    valid: pd.DataFrame | None,
    *,
    roles: dict[str, str] = ROLES,
    **changes: Any,
) -> None:
    """The tables and job.json; predicted are the validation rows, or else the training rows."""
    rows = train if valid is None else valid
    tables = {"train": train, "valid": valid, "predict": rows.drop(columns="target")}
    for part, table in tables.items():
        if table is not None:
            table.to_parquet(folder / f"{part}.parquet", index=False)
    job = {
        "job_id": "alone",
        "script": "train.py",
        "task": task,
        "n_classes": N_CLASSES[task],
        "metric": "log_loss",
        "seed": 0,
        "settings": SETTINGS[name],
        "n_steps": None,
        "data": {p: f"{p}.parquet" if t is not None else None for p, t in tables.items()},
        "columns": [{"id": i, "name": i, "role": role} for i, role in roles.items()],
        "resources": {"cpus": 2, "memory_mib": 4096, "gpus": []},
        "time_limit_s": 60,
        "model": "model",
    }
    (folder / "job.json").write_text(json.dumps(job | changes))


def run_script(name: str, script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A script with `folder` as its input and its output."""
    variables = {
        "AUTOML_IN": str(folder),
        "AUTOML_OUT": str(folder),
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, TEMPLATES / name / script],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def read_losses(folder: Path) -> dict[int, float]:
    """The logged loss after each step."""
    records = map(json.loads, (folder / "training_log.jsonl").read_text().splitlines())
    return {record["step"]: next(iter(record["metrics"].values())) for record in records}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_empty_constant_and_infinite_columns_break_nothing_and_warn_of_nothing(
    name: str, task: str, tmp_path: Path
) -> None:
    table = make_table(task).assign(
        c5=np.nan, c6=None, c7=pd.NaT, c8=np.nan, c9=1.0, c10="same", c11=np.inf, c12=1e300
    )
    table["c7"] = table["c7"].astype("datetime64[us]")
    table.loc[1:, "c12"] = table["c0"]
    odd = ["numeric", "categorical", "datetime", "boolean", "numeric", "categorical"]
    roles = ROLES | {f"c{5 + i}": role for i, role in enumerate([*odd, "numeric", "numeric"])}
    write_input(name, task, tmp_path, table[:180], table[180:], roles=roles)
    for script in ("train.py", "predict.py"):
        done = run_script(name, script, tmp_path)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert np.isfinite(np.load(tmp_path / "predictions.npy")).all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_categories_alone_and_one_of_numbers_alone_train(
    name: str, task: str, tmp_path: Path
) -> None:
    table = make_table(task)
    for column in ("c0", "c2"):
        folder = tmp_path / column
        folder.mkdir()
        part = table[[column, "target"]]
        write_input(name, task, folder, part, None, roles={column: ROLES[column]}, n_steps=3)
        done = run_script(name, "train.py", folder)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_class_that_no_training_row_has_gets_a_column_of_probabilities(
    name: str, tmp_path: Path
) -> None:
    task = "multiclass_classification"
    table = make_table(task).sort_values("target")
    train, valid = table[table["target"] < 2], table[table["target"] > 0]
    write_input(name, task, tmp_path, train, valid, n_steps=3)
    done = run_script(name, "train.py", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    predictions = np.load(tmp_path / "predictions.npy")
    assert predictions.shape == (len(valid), 3)
    np.testing.assert_allclose(predictions.sum(axis=1), 1)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_its_predictions_have_the_lowest_loss_of_its_log(
    name: str, task: str, tmp_path: Path
) -> None:
    table = make_table(task)
    # Few rows and a weak penalty: each expert is better before its end than at it.
    settings = SETTINGS[name] | ({"alpha": 0.01} if name == "linear" else {})
    train, valid = table[:40], table[40:]
    write_input(name, task, tmp_path, train, valid, settings=settings)
    run_script(name, "train.py", tmp_path)
    losses = read_losses(tmp_path)
    predictions = np.load(tmp_path / "predictions.npy")
    loss = root_mean_squared_error if task == "regression" else log_loss
    # The log's losses are sums of float64 in another order.
    assert loss(valid["target"], predictions) == pytest.approx(min(losses.values()))


def test_boosting_goes_on_for_its_patience_and_no_longer(tmp_path: Path) -> None:
    table = make_table("regression")
    name = "hist-gradient-boosting"
    write_input(name, "regression", tmp_path, table[:180], table[180:])
    run_script(name, "train.py", tmp_path)
    losses = read_losses(tmp_path)
    best = min(losses, key=lambda step: losses[step])
    assert list(losses) == list(range(1, len(losses) + 1))
    assert len(losses) - best <= 50
    assert json.loads((tmp_path / "model" / "n_iterations.json").read_text()) == best


@pytest.mark.parametrize("name", NAMES)
def test_without_validation_rows_it_trains_the_given_steps_and_logs_nothing(
    name: str, tmp_path: Path
) -> None:
    write_input(name, "binary_classification", tmp_path, make_table(TASKS[0]), None, n_steps=7)
    done = run_script(name, "train.py", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "training_log.jsonl").read_text() == ""
    if name == "hist-gradient-boosting":
        assert (tmp_path / "model" / "n_iterations.json").read_text() == "7"
    if name == "extra-trees":
        model = skops.io.load(tmp_path / "model" / "model.skops", ["sklearn.tree._tree.Tree"])
        assert len(model.estimators_) == 7


@pytest.mark.parametrize("name", ["hist-gradient-boosting", "extra-trees"])
def test_a_training_of_many_steps_ends_at_its_time_limit(name: str, tmp_path: Path) -> None:
    table = make_table("multiclass_classification", 20_000)
    task = "multiclass_classification"

    def measure(title: str, n_steps: int) -> float:
        (folder := tmp_path / title).mkdir()
        write_input(name, task, folder, table, None, n_steps=n_steps, time_limit_s=2)
        started = time.monotonic()
        assert run_script(name, "train.py", folder).returncode == 0
        return time.monotonic() - started

    # Most of it is the imports, which a busy machine makes last longer than the training.
    least = measure("short", n_steps=1)
    # The sandbox kills a script ten seconds after its limit.
    assert measure("long", n_steps=100_000) - least < 2 + 10


@pytest.mark.parametrize("name", NAMES)
def test_a_model_file_of_another_type_is_refused_by_name(name: str, tmp_path: Path) -> None:
    write_input(name, "regression", tmp_path, make_table("regression"), None, n_steps=2)
    run_script(name, "train.py", tmp_path)
    skops.io.dump(KFold(), tmp_path / "model" / MODEL_FILES[name])
    done = run_script(name, "predict.py", tmp_path)
    assert done.returncode == 1
    assert "KFold, which no" in done.stderr.splitlines()[-1]
