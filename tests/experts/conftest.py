"""A model card whose search space has every kind of parameter, and conditions in a chain."""

from pathlib import Path
from typing import Any

import pytest

from automl_agent.cards.model_card import ModelCard
from automl_agent.experts.expert import TemplateExpert
from automl_agent.experts.scripts import SCRIPT_NAMES

SEARCH_SPACE: list[dict[str, Any]] = [
    {"name": "policy", "type": "choice", "choices": ["depth", "loss", "none"], "default": "depth"},
    {
        "name": "depth",
        "type": "int",
        "low": 2,
        "high": 8,
        "default": 4,
        "condition": {"parameter": "policy", "values": ["depth", "loss"]},
    },
    {
        "name": "leaves",
        "type": "int",
        "low": 6,
        "high": 64,
        "log": True,
        "default": 16.0,
        "condition": {"parameter": "depth", "values": [7, 8]},
    },
    {"name": "rate", "type": "float", "low": 0.01, "high": 1, "log": True, "default": 0.1},
    {"name": "bins", "type": "choice", "choices": [64, 256], "default": 256},
    {"name": "is_fair", "type": "choice", "choices": [True, False], "default": False},
    {
        "name": "weight",
        "type": "float",
        "low": 0,
        "high": 10,
        "default": 1,
        "condition": {"parameter": "is_fair", "values": [True]},
    },
]


@pytest.fixture(scope="session")
def card() -> ModelCard:
    """The card; it is never changed, so all tests share it."""
    expectation = {
        "gain": [0.1, 0.5, 0.9],
        "n_steps": 100,
        "seconds_per_million_cells": 2.5,
        "memory_mib": 350,
    }
    document: dict[str, Any] = {
        "name": "trees",
        "structure": "Decision trees",
        "description": "Trees for tables.",
        "architecture": {"booster": "gbtree"},
        "tasks": ["binary_classification"],
        "input_types": ["tabular"],
        "search_space": SEARCH_SPACE,
        "starting_points": [{"policy": "loss", "depth": 8.0}, {"rate": 1}],
        "requirements": [
            {"package": "numpy", "version": ">=2", "imports": ["numpy"]},
            {"package": "scikit-learn", "version": "", "imports": ["sklearn", "joblib"]},
        ],
        "expectations": {"binary_classification": expectation},
    }
    return ModelCard.from_json(document)


@pytest.fixture
def expert(card: ModelCard, tmp_path: Path) -> TemplateExpert:
    """An expert whose templates say what they do."""
    for name in SCRIPT_NAMES:
        (tmp_path / name).write_text(f'"""What {name} does, é."""\n\nimport numpy as np\n', "utf-8")
    return TemplateExpert(card, tmp_path)
