"""Settings that scale with the size of a data set."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import ModelCard
from automl_agent.experts.search_space import default_settings
from automl_agent.knowledge.transfer.size_rule import scale_settings

from ..making import make_known

CARD = load_all_plugins().experts["xgboost"].card
EVEN = np.ones(2)


def make_model(**scales_with: Any) -> ModelCard:
    """The card of XGBoost, with parameters that scale."""
    space = tuple(replace(p, scales_with=scales_with.get(p.name, {})) for p in CARD.search_space)
    return replace(CARD, search_space=space)


def make_card(n_rows: int | None, n_features: int | None = 10) -> DataCard:
    return replace(make_known().card, n_rows=n_rows, n_features=n_features)


SETTINGS = default_settings(CARD)
# Their geometric mean is a thousand.
OTHERS = [make_card(100), make_card(10_000)]


@pytest.mark.parametrize(
    ("scales_with", "value"),
    [
        pytest.param({"rows": 0.5}, 3.0, id="the root of the rows"),
        pytest.param({"rows": -0.5}, 0.333, id="falls, to three digits"),
        pytest.param({"columns": 1.0}, 2.0, id="columns"),
        pytest.param({"rows": 0.5, "columns": 1.0}, 6.0, id="both"),
        pytest.param({"rows": 2.0}, 20.0, id="no further than the bound"),
    ],
)
def test_a_setting_is_scaled_by_its_power_of_the_size(
    scales_with: dict[str, float], value: float
) -> None:
    model = make_model(min_child_weight=scales_with)
    scaled = scale_settings(model, SETTINGS, make_card(9000, 20), OTHERS, EVEN)
    assert scaled.settings == {**SETTINGS, "min_child_weight": value}
    assert scaled.why.startswith(f"min_child_weight from 1 to {value:g}, as the data set has ")


def test_whole_numbers_stay_whole_and_are_told() -> None:
    model = make_model(max_leaves={"rows": 0.25})
    scaled = scale_settings(model, SETTINGS, make_card(9000), OTHERS, EVEN)
    assert scaled.settings["max_leaves"] == 28
    assert isinstance(scaled.settings["max_leaves"], int)
    assert scaled.why == "max_leaves from 16 to 28, as the data set has 9 times the rows"


@pytest.mark.parametrize(
    ("card", "others", "weights"),
    [
        pytest.param(make_card(None), OTHERS, EVEN, id="own size is not told"),
        pytest.param(make_card(9000), [make_card(None)] * 2, EVEN, id="no other size is told"),
        pytest.param(make_card(9000), OTHERS, np.zeros(2), id="it comes from nowhere"),
        pytest.param(make_card(1000), OTHERS, EVEN, id="the same size"),
    ],
)
def test_without_another_size_nothing_changes(
    card: DataCard, others: list[DataCard], weights: np.ndarray[Any, Any]
) -> None:
    settings = {**SETTINGS, "min_child_weight": 1.23456}
    scaled = scale_settings(
        make_model(min_child_weight={"rows": 1.0}), settings, card, others, weights
    )
    assert (scaled.settings, scaled.why) == (settings, "")


def test_what_does_not_scale_is_left_as_it_is() -> None:
    scaled = scale_settings(CARD, SETTINGS, make_card(9000), OTHERS, EVEN)
    assert (scaled.settings, scaled.why) == (SETTINGS, "")
