"""Predicting new rows with a delivered model, in the sandbox."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.data_card import Classes, Column, DataCard, read_data_card
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.tables import check_has_columns, type_features
from automl_agent.errors import GpuMissingError, InputError, SandboxError, TrainingError
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.scripts import SCRIPT_NAMES
from automl_agent.runs.run_directory import RunDirectory
from automl_agent.sandboxes.folders import remove_tree
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions
from automl_agent.training.batch import Batch
from automl_agent.training.blend import blend_predictions
from automl_agent.training.dataset import column_ids, write_table
from automl_agent.training.job import NEW_DATA, Job
from automl_agent.training.measuring import MEASURE_LIMIT_S, time_predictions
from automl_agent.training.training_log import read_predictions

if TYPE_CHECKING:
    from numpy import ndarray as Array
    from pandas import DataFrame

_TIME_LIMIT_S = 3600.0
# Where a job finds the model.
_MODEL = "model"


@dataclass(frozen=True)
class Prediction:
    """Predictions for new rows, in their order.

    values: probabilities, shape (n, n_classes), or values, shape (n,).
    notes: how columns that do not fit were treated, in sentences.
    """

    card: DataCard
    values: "Array"
    notes: tuple[str, ...]

    def labels(self) -> "Array":
        """The most probable class of each row, as the training data wrote it; or the values."""
        import numpy as np

        if not isinstance(self.card.label_space, Classes):
            return self.values
        labels: Array = np.array(self.classes())[self.values.argmax(axis=1)]
        return labels

    def classes(self) -> list[str] | list[int] | list[bool]:
        """The classes as the training data wrote them, in the order of the probabilities.

        Raises: InputError for a regression.
        """
        space = self.card.label_space
        if not isinstance(space, Classes):
            raise InputError("A regression has no probabilities; predict values instead.")
        if space.value_type == "integer":
            return [int(name) for name in space.classes]
        if space.value_type == "boolean":
            return [name == "True" for name in space.classes]
        return list(space.classes)


def predict_table(
    directory: RunDirectory,
    frame: "DataFrame",
    sandbox: Sandbox,
    resources: Resources,
    options: SandboxOptions,
) -> Prediction:
    """Predict the rows of a table.

    Columns are found by name: their order does not matter and others are ignored. A category that
    training did not see counts as missing, as does a cell that is not of the column's kind.
    Raises: InputError if the run has no model or the table lacks a column; GpuMissingError if the
        sandbox lacks its GPUs and the options allow to do without.
    """
    card, manifest = _read_saved(directory)
    names = [column.name for column in card.features]
    check_has_columns(frame, names, source="The table")
    typed = type_features(frame, card.features)
    notes = tuple(_describe_misfits(frame, typed, card, manifest.get("categories", {})))
    predictions, weights = {}, {}
    for member in manifest["members"]:
        name = member["trial_id"]
        plan = _read_plan(member, directory.model, card, resources)
        predictions[name] = _predict_member(plan, directory.model / name, typed, sandbox, options)
        weights[name] = member["weight"]
    return Prediction(card, blend_predictions(weights, predictions), notes)


def _read_plan(member: dict[str, Any], model: Path, card: DataCard, resources: Resources) -> Plan:
    """The plan of which a member of the delivered model was made."""
    name = member["trial_id"]
    return Plan(
        plan_id=name,
        data_card=card,
        model_card=ModelCard.from_json(member["model_card"]),
        resources=resources,
        settings=member["settings"],
        scripts={s: (model / f"{name}-scripts" / s).read_text("utf-8") for s in SCRIPT_NAMES},
        generated=frozenset(member["generated"]),
    )


def time_saved_model(
    directory: RunDirectory, sandbox: Sandbox, resources: Resources, options: SandboxOptions
) -> float:
    """The milliseconds that a delivered model takes to predict a further row.

    Raises: InputError if the run has no model; TrainingError if it cannot be timed.
    """
    card, manifest = _read_saved(directory)
    features = directory.data / "holdout_features.parquet"
    total = 0.0
    for member in manifest["members"]:
        plan = _read_plan(member, directory.model, card, resources)
        model = directory.model / member["trial_id"]
        with _open_saved(plan, model, sandbox, options) as batch:
            batch.wait_until_warm()
            total += time_predictions(
                batch, plan, plan.settings, _MODEL, features, limit_s=MEASURE_LIMIT_S
            )
    return total


def _read_saved(directory: RunDirectory) -> tuple[DataCard, dict[str, Any]]:
    """The data card and the manifest of a delivered model."""
    manifest_path = directory.model / "manifest.json"
    if not manifest_path.is_file():
        raise InputError(f"The run {directory.run_id} delivered no model; look at runs show.")
    return read_data_card(directory.data_card), json.loads(manifest_path.read_text("utf-8"))


def _predict_member(
    plan: Plan, model: Path, typed: "DataFrame", sandbox: Sandbox, options: SandboxOptions
) -> "Array":
    with _open_saved(plan, model, sandbox, options, rows=typed) as batch:
        return _run_predict_job(batch, plan, len(typed))


@contextmanager
def _open_saved(
    plan: Plan,
    model: Path,
    sandbox: Sandbox,
    options: SandboxOptions,
    *,
    rows: "DataFrame | None" = None,
) -> Iterator[Batch]:
    """A sandbox with a member of a delivered model in it, and the rows to predict."""
    folder = Path(tempfile.mkdtemp(prefix="automl-agent-"))
    try:
        (folder / "in" / "data").mkdir(parents=True)
        if rows is not None:
            write_table(column_ids(rows), folder / "in" / "data" / "new_features.parquet")
        shutil.copytree(model, folder / "in" / _MODEL)
        # The folder's name is random, so that no two predictions share a step.
        batch = Batch(plan, sandbox, folder, run_id=folder.name, options=options)
        try:
            yield batch
        finally:
            batch.close()
            batch.discard()
    except GpuMissingError as exc:
        if options.cpu_fallback:
            raise
        raise TrainingError(
            f"Predicting with {plan.plan_id} failed: {exc} Or allow --cpu-fallback."
        ) from exc
    except SandboxError as exc:
        raise TrainingError(f"Predicting with {plan.plan_id} failed: {exc}") from exc
    finally:
        # A script may have left what `rmtree` fails at.
        remove_tree(folder)


def _run_predict_job(batch: Batch, plan: Plan, n_rows: int) -> "Array":
    job = Job(
        script="predict.py",
        card=plan.data_card,
        settings=plan.settings,
        resources=plan.resources,
        seed=0,
        time_limit_s=_TIME_LIMIT_S,
        data=NEW_DATA,
        model=_MODEL,
    )
    end = batch.run(job)
    if end.status != "ok":
        raise SandboxError(f"it ended with {end.status}. {end.message}")
    return read_predictions(
        end.folder / "predictions.npy", n_rows=n_rows, n_classes=plan.data_card.n_classes
    )


def _describe_misfits(
    frame: "DataFrame", typed: "DataFrame", card: DataCard, categories: Mapping[str, list[str]]
) -> Iterator[str]:
    for position, column in enumerate(card.features):
        cells = typed.iloc[:, position]
        n_lost = int((frame[column.name].notna().to_numpy() & cells.isna().to_numpy()).sum())
        if n_lost:
            yield _describe_missing(column, f"is not {column.role}", n_lost, len(frame))
        present = cells.dropna()
        unseen = present[~present.isin(categories.get(column.name, present))]
        if len(unseen):
            what = f"has categories that training did not have ({unseen.unique()[:3].tolist()})"
            yield _describe_missing(column, what, len(unseen), len(frame))
    known = {column.name for column in card.columns or ()} | {card.target}
    extra = [str(name) for name in frame.columns if str(name) not in known]
    if extra:
        yield f"Ignored {len(extra)} columns that training did not have: {extra[:5]}."


def _describe_missing(column: Column, what: str, n_rows: int, n_all: int) -> str:
    return f"Column {column.name!r} {what} in {n_rows} of {n_all} rows; it counts as missing there."
