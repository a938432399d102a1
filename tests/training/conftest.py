"""A small table, an expert whose scripts a test writes, its batch and runs in a process sandbox."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.profile import profile_table
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.search_space import default_settings
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.training.batch import Batch, link_data
from automl_agent.training.constraints import Earlier, parse_constraint
from automl_agent.training.dataset import Dataset, write_dataset
from automl_agent.training.delivery import Delivery, deliver, save_model
from automl_agent.training.job import TRIAL_DATA, Job
from automl_agent.training.scoring import BUILTIN_METRICS
from automl_agent.training.trial import Trial, run_trial

# On a busy machine an example of a millisecond may take a second.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
LOG_LOSS = METRICS["log_loss"]

# An expert that knows that the first column tells the label; `rate` says how sure it is. Its model
# has the number of rows and the steps that it was trained with. It logs one record for each of
# three steps, of which the second is the best.
TRAIN = """
import json, os
from pathlib import Path
import numpy as np
import pyarrow.parquet as pq

IN, OUT = Path(os.environ["AUTOML_IN"]), Path(os.environ["AUTOML_OUT"])
job = json.loads(Path(os.environ["AUTOML_JOB"]).read_text())
rate = job["settings"]["rate"]

def predict_rows(path):
    size = np.array(pq.ParquetFile(IN / path).read()["c0"].to_pylist())
    positive = 1 / (1 + np.exp(-10 * rate * size))
    return np.column_stack([1 - positive, positive])

def save_model(**fields):
    (OUT / "model").mkdir()
    (OUT / "model" / "model.json").write_text(json.dumps(fields))

def save_log(metric="log_loss", values=(0.5, 0.3, 0.4)):
    with (OUT / "training_log.jsonl").open("w") as log:
        for step, value in enumerate(values, 1):
            fields = {"step": 10 * step, "epoch": None, "split": "valid", "time_s": 0}
            log.write(json.dumps({**fields, "metrics": {metric: value}}) + "\\n")
"""
TRAIN_AND_SAVE = f"""{TRAIN}
n_rows = pq.ParquetFile(IN / job["data"]["train"]).metadata.num_rows
save_model(n_rows=n_rows, n_steps=job["n_steps"], rate=rate)
save_log()
np.save(OUT / "predictions.npy", predict_rows(job["data"]["predict"]))
"""
PREDICT = f"""{TRAIN}
rate = json.loads((IN / job["model"] / "model.json").read_text())["rate"]
np.save(OUT / "predictions.npy", predict_rows(job["data"]["predict"]))
"""
# Each expert knows one half of the rows, told apart by the second digit of the number.
HALF = TRAIN_AND_SAVE.replace(
    "return np.column_stack",
    "knows = (np.abs(size) * 100).astype(int) % 2 == (rate > 0.2)\n"
    "    positive = np.where(knows, positive, 0.5)\n    return np.column_stack",
)
# The beginning of a script that writes its training log line by line.
LOG = """
import json, os, sys, time
from pathlib import Path

IN, OUT = Path(os.environ["AUTOML_IN"]), Path(os.environ["AUTOML_OUT"])
log = (OUT / "training_log.jsonl").open("w")

def make_line(step):
    metrics = {"log_loss": 1 / step}
    fields = {"step": step, "epoch": None, "split": "valid", "metrics": metrics, "time_s": step}
    return json.dumps(fields) + "\\n"

def write(text):
    log.write(text)
    log.flush()
"""
SLEEP = "import time; time.sleep(600)"
RATE = {"name": "rate", "type": "float", "low": 0.0, "high": 1.0, "default": 0.5}


def make_frame(n_rows: int = 60) -> pd.DataFrame:
    """Rows with a number that tells the label, a category and a boolean."""
    random = np.random.default_rng(0)
    size = random.normal(size=n_rows)
    return pd.DataFrame(
        {
            "size": size,
            "color": random.choice(["blue", "green", "red"], n_rows),
            "is_old": random.random(n_rows) < 0.5,
            "label": np.where(size + random.normal(scale=0.3, size=n_rows) > 0, "yes", "no"),
        }
    )


def make_model_card(
    search_space: Sequence[dict[str, Any]] = (RATE,), *, imports: Sequence[str] = ("numpy",)
) -> ModelCard:
    """The card of an expert that is nothing but what a test gives it."""
    tasks = ("binary_classification", "multiclass_classification", "regression")
    expectation = {"gain": [0.1, 0.5, 0.9], "n_steps": 100, "seconds_per_million_cells": 1.0}
    return ModelCard.from_json(
        {
            "name": "tiny",
            "structure": "what a test needs",
            "description": "An expert of a test",
            "architecture": {},
            "tasks": list(tasks),
            "input_types": ["tabular"],
            "search_space": list(search_space),
            "requirements": [{"package": "numpy", "version": "", "imports": list(imports)}],
            "expectations": {task: {**expectation, "memory_mib": 100} for task in tasks},
        }
    )


# For scripts that read tables: importing it anew in every job would take longer than all the rest.
ARROW_CARD = make_model_card(imports=["numpy", "pyarrow"])


def make_plan(card: DataCard, train: str, predict: str = "pass", **fields: Any) -> Plan:
    """A plan with these two scripts; the other two are empty."""
    scripts = {"data_processing.py": "", "model.py": "", "train.py": train, "predict.py": predict}
    model_card = make_model_card()
    plan = {
        "plan_id": "tiny",
        "data_card": card,
        "model_card": model_card,
        "resources": Resources(cpus=1, memory_mib=4096),
        "settings": default_settings(model_card),
        "scripts": scripts,
    }
    return Plan(**{**plan, **fields})


def make_job(plan: Plan, *, time_limit_s: float = 30.0, **fields: Any) -> Job:
    """A job of a trial."""
    job = {
        "script": "train.py",
        "card": plan.data_card,
        "settings": plan.settings,
        "resources": plan.resources,
        "seed": 0,
        "time_limit_s": time_limit_s,
        "data": TRIAL_DATA,
    }
    return Job(**{**job, **fields})


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """The small table, divided."""
    frame = make_frame()
    card = profile_table(frame, target="label", name="small")
    (tmp_path / "data").mkdir()
    return write_dataset(frame, card, tmp_path / "data", seed=0)


OpenBatch = Callable[..., Batch]


@pytest.fixture
def open_batch(dataset: Dataset, tmp_path: Path) -> Iterator[OpenBatch]:
    """Opens batches for plans."""
    batches: list[Batch] = []

    def open_one(plan: Plan, *, sandbox: ProcessSandbox | None = None) -> Batch:
        folder = tmp_path / f"step{len(batches)}"
        link_data(dataset.folder, folder / "in" / "data")
        chosen = sandbox or ProcessSandbox(job_grace_s=0.3)
        batches.append(Batch(plan, chosen, folder))
        return batches[-1]

    yield open_one
    for batch in batches:
        batch.close()


def make_trial(score: float | None, *, seconds: float = 1.0, trial_id: str = "t") -> Trial:
    """A trial that is known from its numbers alone."""
    return Trial(
        trial_id=trial_id,
        plan_id="tiny",
        expert="tiny",
        settings={},
        status="ok" if score is not None else "error",
        score=score,
        seconds=seconds,
        max_rss_mib=1.0,
        n_steps=None,
        job_id="0001",
        folder=Path("nowhere"),
    )


class Run:
    """Some trials of one plan, and what is needed to deliver them."""

    def __init__(self, plan: Plan, batch: Batch, dataset: Dataset, rates: list[float]) -> None:
        self.plan, self.batch, self.dataset = plan, batch, dataset
        self.trials = [
            run_trial(
                batch,
                plan,
                dataset,
                LOG_LOSS,
                trial_id=f"tiny-{number}",
                settings={"rate": rate},
                seed=0,
                time_limit_s=30.0,
            )
            for number, rate in enumerate(rates, 1)
        ]

    def deliver(
        self,
        *,
        time_left_s: Callable[[], float] = lambda: 60.0,
        constraints: Sequence[str] = (),
        earlier: Earlier | None = None,
        **changes: Any,
    ) -> Delivery:
        return deliver(
            constraints=[parse_constraint(text, METRICS) for text in constraints],
            earlier=earlier,
            trials=self.trials,
            plans={"tiny": self.plan},
            batches={"tiny": self.batch},
            dataset=replace(self.dataset, **changes),
            metric=LOG_LOSS,
            metrics=METRICS,
            seed=0,
            time_left_s=time_left_s,
        )

    def save(self, delivery: Delivery, folder: Path) -> None:
        self.batch.close()
        save_model(delivery, {"tiny": self.plan}, {"tiny": self.batch}, folder)


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(dataset: Dataset, open_batch: OpenBatch) -> MakeRun:
    """Makes runs with one trial for each rate."""

    def make(rates: list[float], train: str = TRAIN_AND_SAVE) -> Run:
        plan = make_plan(dataset.card, train, PREDICT, model_card=ARROW_CARD)
        return Run(plan, open_batch(plan), dataset, rates)

    return make
