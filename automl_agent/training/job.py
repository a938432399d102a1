"""The job: everything a script needs to know, as job.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import Settings
from automl_agent.experts.plan import Resources


@dataclass(frozen=True)
class Job:
    """One run of one script; see schemas/job.schema.json for the fields."""

    script: str
    card: DataCard
    settings: Settings
    resources: Resources
    seed: int
    time_limit_s: float
    data: Mapping[str, str | None]
    n_steps: int | None = None
    model: str | None = None

    def to_json(self, job_id: str) -> dict[str, Any]:
        """The job as a JSON object that fits schemas/job.schema.json."""
        return {
            "job_id": job_id,
            "script": self.script,
            "task": self.card.task,
            "n_classes": self.card.n_classes,
            "metric": self.card.metric,
            "seed": self.seed,
            "settings": dict(self.settings),
            "n_steps": self.n_steps,
            "data": dict(self.data),
            "columns": [
                {"id": f"c{index}", "name": column.name, "role": column.role}
                for index, column in enumerate(self.card.features)
            ],
            "resources": self.resources.to_json(),
            "time_limit_s": self.time_limit_s,
            "model": self.model,
        }


TRIAL_DATA: dict[str, str | None] = {
    "train": "data/train.parquet",
    "valid": "data/valid.parquet",
    "predict": "data/valid_features.parquet",
}
REFIT_DATA: dict[str, str | None] = {
    "train": "data/development.parquet",
    "valid": None,
    "predict": "data/holdout_features.parquet",
}
HOLDOUT_DATA: dict[str, str | None] = {
    "train": None,
    "valid": None,
    "predict": "data/holdout_features.parquet",
}
NEW_DATA: dict[str, str | None] = {
    "train": None,
    "valid": None,
    "predict": "data/new_features.parquet",
}
