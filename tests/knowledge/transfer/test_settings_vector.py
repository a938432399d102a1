"""Settings as places in a search space."""

import numpy as np
import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.experts.search_space import default_settings
from automl_agent.knowledge.transfer.settings_vector import dimension_names, settings_matrix

CARDS = {name: expert.card for name, expert in load_all_plugins().experts.items()}


def test_the_bounds_are_0_and_1_also_on_a_logarithmic_range() -> None:
    card = CARDS["xgboost"]
    place = dimension_names(card).index("learning_rate")
    low, middle, high = settings_matrix(
        card, [{"learning_rate": rate} for rate in (0.015, (0.015 * 0.3) ** 0.5, 0.3)]
    )[:, place]
    assert (low, middle, high) == pytest.approx((0, 0.5, 1))


def test_two_choices_are_as_far_apart_as_two_bounds() -> None:
    card = CARDS["linear"]
    plain, ranks = settings_matrix(card, [{"numbers": "plain"}, {"numbers": "ranks"}])
    assert np.linalg.norm(plain - ranks) == pytest.approx(1)


def test_what_is_not_in_force_lies_at_its_default() -> None:
    card = CARDS["extra-trees"]
    without, given = settings_matrix(
        card, [default_settings(card), {**default_settings(card), "max_samples": 0.8}]
    )
    np.testing.assert_allclose(without, given)


def test_a_value_beyond_the_bounds_lies_on_them() -> None:
    card = CARDS["xgboost"]
    beyond, bound = settings_matrix(card, [{"learning_rate": 5.0}, {"learning_rate": 0.3}])
    np.testing.assert_allclose(beyond, bound)
