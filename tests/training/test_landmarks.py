"""Small models that say how hard a table is."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_iris

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.profile import profile_table
from automl_agent.training.dataset import write_dataset
from automl_agent.training.landmarks import add_landmarks

NAMES = {f"landmark_{n}" for n in ("tree", "linear", "neighbours", "forest", "forest_half")}


def measure(frame: pd.DataFrame, folder: Path) -> DataCard:
    card = profile_table(frame, target="target", name="table")
    return add_landmarks(card, write_dataset(frame, card, folder, seed=0))


def landmarks(card: DataCard) -> dict[str, float]:
    return {k: v for k, v in (card.statistics or {}).items() if k.startswith("landmark_")}


def test_an_easy_table_has_high_landmarks(tmp_path: Path) -> None:
    found = landmarks(measure(load_iris(as_frame=True).frame, tmp_path))
    assert set(found) == NAMES
    assert found["landmark_linear"] > 0.5
    assert max(found.values()) <= 1


def test_noise_has_none_above_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(600, 4)), columns=list("abcd"))
    frame["target"] = random.integers(0, 2, 600)
    found = landmarks(measure(frame, tmp_path))
    assert found["landmark_linear"] < 0.05
    assert found["landmark_forest"] < 0.05


def test_values_and_categories_are_measured_too(tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True).frame
    frame["sex"] = np.where(frame["sex"] > 0, "one", "other")
    frame.loc[::7, "bmi"] = np.nan
    found = landmarks(measure(frame, tmp_path))
    assert set(found) == NAMES
    assert 0.1 < found["landmark_linear"] < 0.5


def test_the_card_says_that_they_are_measured(tmp_path: Path) -> None:
    card = measure(load_iris(as_frame=True).frame, tmp_path)
    assert DataCard.from_json(card.to_json()) == card
    assert card.provenance["statistics"] == "measured"
