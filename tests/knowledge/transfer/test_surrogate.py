"""The Gaussian process: what is shared between data sets, and what is known of one's own."""

import math

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from automl_agent.knowledge.transfer.gaussian_process import Observations
from automl_agent.knowledge.transfer.surrogate import (
    Points,
    Scales,
    Surrogate,
    find_scales,
    remaining_loss,
    score_of,
)
from automl_agent.training.scoring import BUILTIN_METRICS

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
SCALES = Scales(
    mean=-0.5,
    level=0.5,
    setting=0.1,
    interaction=0.1,
    own_level=0.05,
    own_setting=0.02,
    noise=0.001,
    level_weights=(1.0, 1.0),
    interaction_weights=(1.0, 1.0),
    setting_weights={"rate": 1.0},
    interaction_setting_weights={"rate": 1.0},
)


def make_points(cards: list[list[float]], settings: list[float], tables: list[int]) -> Points:
    return Points(np.array(cards), np.array(settings)[:, None], np.array(tables))


def make_surrogate(cards: list[list[float]], tables: list[int], losses: list[float]) -> Surrogate:
    settings = [0.1 * number for number in range(len(losses))]
    points = make_points(cards, settings, tables)
    return Surrogate(SCALES, ["rate"], points, np.array(losses), np.ones(len(losses)))


def test_the_posterior_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    x, new, y = random.normal(size=(20, 2)), random.normal(size=(5, 2)), random.normal(size=20)
    kernel = RBF(1.3)
    other = GaussianProcessRegressor(kernel, alpha=0.1 + 1e-6, optimizer=None).fit(x, y)
    mean, covariance = other.predict(new, return_cov=True)

    found = Observations(y, kernel(x), np.full(20, 0.1)).condition(kernel(new, x), kernel(new))

    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-9)


def test_a_similar_data_set_says_more_than_one_that_is_far_away() -> None:
    surrogate = make_surrogate([[0.0, 0.0], [9.0, 9.0]], [0, 1], [-2.0, 0.0])
    found = surrogate.predict(make_points([[0.1, 0.0], [8.9, 9.0]], [0.0, 0.1], [-1, -2]))
    assert found.mean[0] < -1.2
    assert found.mean[1] > -0.4


def test_far_from_everything_the_mean_comes_back_and_the_interval_is_wide() -> None:
    surrogate = make_surrogate([[0.0, 0.0]] * 3, [0, 0, 0], [-2.0, -2.1, -1.9])
    found = surrogate.predict(make_points([[0.0, 0.0], [50.0, 50.0]], [0.0, 0.0], [0, -1]))
    assert found.deviation[1] > 3 * found.deviation[0]
    assert abs(found.mean[1] - SCALES.mean) < abs(found.mean[0] - SCALES.mean)


def test_a_trial_on_the_data_set_itself_tells_its_level() -> None:
    cards, own = [[0.0, 0.0]] * 2, [[1.0, 1.0]]
    without = make_surrogate(cards, [0, 0], [-2.0, -2.0])
    with_own = make_surrogate([*cards, *own], [0, 0, -1], [-2.0, -2.0, -0.2])
    wanted = make_points(own, [0.3], [-1])
    assert abs(with_own.predict(wanted).mean[0] + 0.2) < abs(without.predict(wanted).mean[0] + 0.2)
    assert with_own.predict(wanted).deviation[0] < without.predict(wanted).deviation[0]


@pytest.mark.parametrize(
    ("name", "chance", "score"),
    [("log_loss", 0.69, 0.3), ("roc_auc", 0.5, 0.9), ("rmse", 1200.0, 300.0)],
)
def test_a_score_comes_back_from_its_remaining_loss(name: str, chance: float, score: float) -> None:
    remaining = remaining_loss(score, METRICS[name], chance)
    assert remaining < 0
    assert score_of(remaining, METRICS[name], chance) == pytest.approx(score)


def test_a_perfect_score_has_a_finite_remaining_loss() -> None:
    assert math.isfinite(remaining_loss(0.0, METRICS["log_loss"], 0.69))


def test_an_expert_that_nothing_was_fitted_for_has_the_general_scales() -> None:
    assert find_scales("nobody") == find_scales("")
    assert find_scales("xgboost") != find_scales("")
