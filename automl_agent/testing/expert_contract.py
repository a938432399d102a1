"""The tests that every expert for tables must pass; plugin authors inherit them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from automl_agent.cards.metric import Task
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.cards.profile import DEFAULT_METRIC, profile_table
from automl_agent.environment import environment_without_keys
from automl_agent.experts.expert import Expert
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.scripts import check_scripts
from automl_agent.experts.search_space import complete_settings, default_settings, starting_points
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.step import JobEnd
from automl_agent.testing.tables import TARGET, load_example
from automl_agent.training.batch import Batch, link_data
from automl_agent.training.dataset import Dataset, write_dataset
from automl_agent.training.job import HOLDOUT_DATA, REFIT_DATA, TRIAL_DATA, Job
from automl_agent.training.scoring import BUILTIN_METRICS, chance_score, score_predictions
from automl_agent.training.training_log import read_log, read_predictions

if TYPE_CHECKING:
    from numpy import ndarray as Array

_RESOURCES = Resources(cpus=2, memory_mib=4096)
_TIME_LIMIT_S = 120.0
_TASKS: tuple[Task, ...] = ("binary_classification", "multiclass_classification", "regression")


class ExpertContract:
    """Subclass it as `TestMyExpert` and override the fixture `expert`; the tests are inherited."""

    @pytest.fixture
    def expert(self) -> Expert:
        """The expert under test."""
        raise AssertionError("Override the fixture `expert` in your subclass.")

    @pytest.fixture(params=_TASKS)
    def task(self, request: pytest.FixtureRequest, expert: Expert) -> Task:
        """Each task; those that the card does not name are skipped."""
        if request.param not in expert.card.tasks:
            pytest.skip(f"{expert.card.name} does not do {request.param}")
        task: Task = request.param
        return task

    def test_its_card_fits_the_schema_and_survives_a_round_trip(self, expert: Expert) -> None:
        document = json.loads(json.dumps(expert.card.to_json()))
        assert ModelCard.from_json(document) == expert.card

    def test_its_scripts_import_only_what_the_card_declares(
        self, expert: Expert, task: Task, tmp_path: Path
    ) -> None:
        plan, _ = make_plan(expert, task, tmp_path)
        check_scripts(plan.scripts, expert.card)

    def test_no_name_of_a_users_table_reaches_its_scripts(
        self, expert: Expert, task: Task, tmp_path: Path
    ) -> None:
        hostile = 'x"; import os; os.system("touch /tmp/owned") #'
        plan, _ = make_plan(expert, task, tmp_path, rename=hostile)
        assert not any(hostile in text for text in plan.scripts.values())

    def test_it_learns_logs_and_saves(self, expert: Expert, task: Task, tmp_path: Path) -> None:
        plan, dataset = make_plan(expert, task, tmp_path)
        with open_batch(plan, dataset, tmp_path) as batch:
            end = batch.run(make_job(plan, TRIAL_DATA))
            assert end.status == "ok", end.message
            assert (end.folder / "output.txt").read_text() == "", "a warning is a fault too"
            predictions = read_end(end, dataset, len(dataset.valid_labels))
        metric = next(m for m in BUILTIN_METRICS if m.name == dataset.card.metric)
        chance = chance_score(metric, dataset.card)
        assert chance is not None
        assert metric.is_better(
            score_predictions(metric, dataset.valid_labels, predictions), chance
        )
        records = read_log(end.folder / "training_log.jsonl")
        assert any(DEFAULT_METRIC[task] in r.metrics for r in records if r.split == "valid")
        batch.collect(end.job_id, tmp_path / "collected")

    def test_predict_gives_what_train_gave(
        self, expert: Expert, task: Task, tmp_path: Path
    ) -> None:
        plan, dataset = make_plan(expert, task, tmp_path)
        with open_batch(plan, dataset, tmp_path) as batch:
            trained = batch.run(make_job(plan, REFIT_DATA, n_steps=5))
            assert trained.status == "ok", trained.message
            model = f"../out/{trained.job_id}/model"
            again = batch.run(make_job(plan, HOLDOUT_DATA, script="predict.py", model=model))
            assert again.status == "ok", again.message
            n_rows = len(dataset.holdout_labels)
            first, second = (read_end(end, dataset, n_rows) for end in (trained, again))
        # Scripts may predict in float32; more than that is another model.
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)

    def test_the_same_seed_gives_the_same_predictions(
        self, expert: Expert, task: Task, tmp_path: Path
    ) -> None:
        plan, dataset = make_plan(expert, task, tmp_path)
        with open_batch(plan, dataset, tmp_path) as batch:
            ends = [batch.run(make_job(plan, TRIAL_DATA)) for _ in range(2)]
            n_rows = len(dataset.valid_labels)
            first, second = (read_end(end, dataset, n_rows) for end in ends)
        # Threads may add up in another order.
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-4)

    def test_rows_of_nothing_but_surprises_are_predicted(
        self, expert: Expert, task: Task, tmp_path: Path
    ) -> None:
        plan, dataset = make_plan(expert, task, tmp_path)
        _write_surprises(dataset)
        with open_batch(plan, dataset, tmp_path) as batch:
            trained = batch.run(make_job(plan, TRIAL_DATA))
            data = {**HOLDOUT_DATA, "predict": "data/surprises.parquet"}
            model = f"../out/{trained.job_id}/model"
            end = batch.run(make_job(plan, data, script="predict.py", model=model))
            assert end.status == "ok", end.message
            read_end(end, dataset, 2)

    def test_the_ends_of_its_search_space_and_its_starting_points_train(
        self, expert: Expert, tmp_path: Path
    ) -> None:
        plan, dataset = make_plan(expert, expert.card.tasks[0], tmp_path)
        with open_batch(plan, dataset, tmp_path) as batch:
            for settings in (*starting_points(expert.card), *_space_ends(expert.card)):
                end = batch.run(make_job(plan, REFIT_DATA, settings=settings, n_steps=3))
                assert end.status == "ok", f"{settings}: {end.message}"

    def test_it_stops_at_its_time_limit_with_a_model(self, expert: Expert, tmp_path: Path) -> None:
        plan, dataset = make_plan(expert, expert.card.tasks[0], tmp_path)
        with open_batch(plan, dataset, tmp_path) as batch:
            end = batch.run(make_job(plan, TRIAL_DATA, time_limit_s=0.001))
        assert end.status == "ok", end.message
        assert (end.folder / "model").is_dir()

    def test_its_training_script_runs_alone(self, expert: Expert, tmp_path: Path) -> None:
        plan, dataset = make_plan(expert, expert.card.tasks[0], tmp_path)
        with open_batch(plan, dataset, tmp_path) as batch:
            del batch  # it has laid out in/ and code/
        folder = tmp_path / "step"
        job = make_job(plan, TRIAL_DATA, n_steps=5).to_json("alone")
        (folder / "in" / "job.json").write_text(json.dumps(job))
        alone = folder / "alone"
        alone.mkdir()
        variables = {"AUTOML_IN": str(folder / "in"), "AUTOML_OUT": str(alone)}
        subprocess.run(
            [sys.executable, folder / "code" / "train.py"],
            check=True,
            env=environment_without_keys() | variables,
        )
        path = alone / "predictions.npy"
        n_rows = len(dataset.valid_labels)
        read_predictions(path, n_rows=n_rows, n_classes=dataset.card.n_classes)


def make_plan(
    expert: Expert, task: Task, folder: Path, *, rename: str | None = None
) -> tuple[Plan, Dataset]:
    """A plan with scripts for an example table, and the divided table."""
    frame = load_example(task)
    if rename:
        frame = frame.rename(columns={frame.columns[0]: rename})
    card = profile_table(frame, target=TARGET, name="example", task=task)
    (folder / "data").mkdir()
    dataset = write_dataset(frame, card, folder / "data", seed=0)
    plan = Plan("plan", card, expert.card, _RESOURCES, default_settings(expert.card))
    scripts = expert.write_scripts(plan)
    return Plan(plan.plan_id, card, expert.card, _RESOURCES, plan.settings, scripts), dataset


@contextmanager
def open_batch(plan: Plan, dataset: Dataset, folder: Path) -> Iterator[Batch]:
    """A batch in the process sandbox, in `folder`/step."""
    step = folder / "step"
    link_data(dataset.folder, step / "in" / "data")
    batch = Batch(plan, ProcessSandbox(), step)
    try:
        yield batch
    finally:
        batch.close()


def make_job(
    plan: Plan,
    data: dict[str, str | None],
    *,
    script: str = "train.py",
    settings: Settings | None = None,
    n_steps: int | None = None,
    time_limit_s: float = _TIME_LIMIT_S,
    model: str | None = None,
) -> Job:
    """A job for the plan's data card and settings."""
    return Job(
        script=script,
        card=plan.data_card,
        settings=plan.settings if settings is None else settings,
        resources=plan.resources,
        seed=0,
        time_limit_s=time_limit_s,
        data=data,
        n_steps=n_steps,
        model=model,
    )


def read_end(end: JobEnd, dataset: Dataset, n_rows: int) -> "Array":
    """The checked predictions of a job."""
    path = end.folder / "predictions.npy"
    return read_predictions(path, n_rows=n_rows, n_classes=dataset.card.n_classes)


def _space_ends(card: ModelCard) -> list[dict[str, Any]]:
    """For each parameter the settings at each of its ends, the others at their defaults."""
    ends = []
    for parameter in card.search_space:
        if parameter.type == "choice":
            values: list[Any] = list(parameter.choices)
        elif parameter.type == "int":
            values = [int(parameter.low or 0), int(parameter.high or 0)]
        else:
            values = [parameter.low, parameter.high]
        condition = parameter.condition
        base = {condition.parameter: condition.values[0]} if condition else {}
        ends += [complete_settings(card, {**base, parameter.name: value}) for value in values]
    return ends


def _write_surprises(dataset: Dataset) -> None:
    """Two rows: nothing but missing cells; categories that training never saw."""
    import pandas as pd

    rows = pd.read_parquet(dataset.folder / "holdout_features.parquet").head(2)
    for column in rows.columns:
        is_text = rows[column].dtype == object or pd.api.types.is_string_dtype(rows[column])
        surprise = "never seen before" if is_text else rows[column].iloc[1]
        rows[column] = pd.Series([None, surprise], index=rows.index, dtype=rows[column].dtype)
    rows.to_parquet(dataset.folder / "surprises.parquet", index=False)
