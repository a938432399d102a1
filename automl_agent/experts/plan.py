"""The plan: what will be trained, and how, before any training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.cards.paragraph import Neighbour, Paragraph
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.experts.scripts import read_docstring


@dataclass(frozen=True)
class Resources:
    """What a training may use."""

    cpus: int
    memory_mib: int
    gpus: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The resources as a JSON object."""
        return {"cpus": self.cpus, "memory_mib": self.memory_mib, "gpus": list(self.gpus)}


@dataclass(frozen=True)
class Plan:
    """One expert for one data set: scripts A and B, hyperparameters C, predicted log D.

    generated: names of the scripts that a language model wrote or edited.
    """

    plan_id: str
    data_card: DataCard
    model_card: ModelCard
    resources: Resources
    settings: Settings
    scripts: Mapping[str, str] = field(default_factory=dict)
    generated: frozenset[str] = frozenset()
    predicted_log: PredictedLog | None = None
    constraints: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def expert(self) -> str:
        """The name of the expert."""
        return self.model_card.name

    def to_paragraph(self) -> Paragraph:
        """The plan as the prompt paragraph carries it."""
        return Paragraph(
            data_card=self.data_card,
            model_card=self.model_card,
            requirements=tuple(f"{r.package}{r.version}" for r in self.model_card.requirements),
            constraints=self.constraints,
            resources=self.resources.to_json(),
            data_processing=read_docstring(self.scripts.get("data_processing.py", "")),
            model_architecture=read_docstring(self.scripts.get("model.py", "")),
            settings=dict(self.settings),
            predicted_log=self.predicted_log,
            neighbours=self.neighbours,
        )

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object that fits schemas/plan.schema.json."""
        return {
            "plan_id": self.plan_id,
            "expert": self.expert,
            "data": self.data_card.name,
            "metric": self.data_card.metric,
            "settings": dict(self.settings),
            "scripts": sorted(self.scripts),
            "generated": sorted(self.generated),
            "predicted_log": self.predicted_log and self.predicted_log.to_json(),
            "resources": self.resources.to_json(),
            "constraints": list(self.constraints),
        }
