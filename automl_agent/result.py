"""The result of a run: its numbers, its plan, its log, and predictions for new rows."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.errors import GpuMissingError
from automl_agent.runs.run_directory import RunDirectory, gpu_folder
from automl_agent.sandboxes.gpus import Emit, hold_gpus
from automl_agent.sandboxes.resources import available_resources
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions
from automl_agent.training.prediction import Prediction, predict_table
from automl_agent.training.training_log import read_log

if TYPE_CHECKING:
    from numpy import ndarray as Array
    from pandas import DataFrame


class Result:
    """What a run delivered."""

    def __init__(
        self,
        directory: RunDirectory,
        document: Mapping[str, Any],
        sandbox: Sandbox,
        options: SandboxOptions,
        *,
        emit: Emit,
    ) -> None:
        """emit: told of each event of a prediction, its name and plain JSON values."""
        self.directory = directory
        self._document = dict(document)
        self._sandbox = sandbox
        self._options = options
        self._emit = emit

    def __repr__(self) -> str:
        return f"<Result {self.run_id}: {self._document['metric']} {self.score}>"

    @property
    def run_id(self) -> str:
        """The run's id, for `Agent.load` and `automl-agent predict`."""
        return str(self._document["run_id"])

    @property
    def score(self) -> float | None:
        """The delivered model's score on held-out labels."""
        score: float | None = self._document["score"]
        return score

    @property
    def plan(self) -> dict[str, Any]:
        """The plan of the model with the largest part in what was delivered."""
        return dict(self._document["plan"])

    @property
    def leaderboard(self) -> "DataFrame":
        """One row for each model, the delivered one first."""
        import pandas as pd

        rows = [
            {
                "name": row["name"],
                "expert": row["expert"],
                "valid_score": row["valid_score"],
                **{f"holdout_{metric}": value for metric, value in (row["scores"] or {}).items()},
                "seconds": row["seconds"],
            }
            for row in self._document["leaderboard"]
        ]
        return pd.DataFrame(rows)

    @property
    def training_log(self) -> "DataFrame":
        """The log of the model with the largest part: step, split, time_s and the metrics."""
        import pandas as pd

        records = read_log(Path(self._document["paths"]["training_log"]))
        rows = [
            {"step": r.step, "split": r.split, "time_s": r.time_s, **r.metrics} for r in records
        ]
        return pd.DataFrame(rows)

    def predict(self, data: "DataFrame") -> "Array":
        """The label of each row, as the training data wrote labels, or its value."""
        return self.predict_rows(data).labels()

    def predict_proba(self, data: "DataFrame") -> "DataFrame":
        """The probability of each class for each row, one column a class.

        Raises: InputError if the model is a regression.
        """
        import pandas as pd

        prediction = self.predict_rows(data)
        return pd.DataFrame(prediction.values, columns=prediction.classes(), index=data.index)

    def predict_rows(self, data: "DataFrame") -> Prediction:
        """Predictions with notes on how columns that do not fit were treated.

        Raises: InputError if a column is missing; SetupError if there are no GPUs and must be.
        """
        folder = gpu_folder(self.directory.home)
        with hold_gpus(self._options, self._sandbox, folder, self._emit) as lease:
            try:
                return self._predict_with(data, lease.device_ids)
            except GpuMissingError as exc:
                self._emit("gpus_missing", {"reason": str(exc)})
                return self._predict_with(data, ())

    def _predict_with(self, data: "DataFrame", gpus: tuple[str, ...]) -> Prediction:
        frame = data.rename(columns=str).reset_index(drop=True)
        resources = replace(available_resources(), gpus=gpus)
        return predict_table(self.directory, frame, self._sandbox, resources, self._options)

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object that fits schemas/run_result.schema.json."""
        return dict(self._document)
