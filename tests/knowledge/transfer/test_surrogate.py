"""The surrogate: what is shared between data sets, and what is known of one's own."""

import math
import time

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from automl_agent.knowledge.transfer.gaussian_process import Observations
from automl_agent.knowledge.transfer.grid import Points, lay_grid
from automl_agent.knowledge.transfer.scales import Scales, find_scales
from automl_agent.knowledge.transfer.surrogate import Surrogate, remaining_loss, score_of
from automl_agent.training.scoring import BUILTIN_METRICS

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
SCALES = Scales(
    mean=-0.5,
    level=0.5,
    own_level=0.01,
    noise=0.001,
    level_weights=(1.0, 1.0),
    interaction_weights=(1.0, 1.0),
    setting_weights={"rate": 2.0},
)
RATES = np.linspace(0, 1, 12)
Cards = dict[int, tuple[float, float]]


def condition(cards: Cards, records: list[tuple[int, float, float]], asked: int) -> Surrogate:
    """records: data set, rate and remaining loss of each. asked: the data set it is about."""
    tables, rates, losses = map(np.array, zip(*records, strict=True))
    points = Points(np.array([cards[t] for t in tables]), rates[:, None], tables)
    return Surrogate(
        SCALES, ["rate"], points, losses, np.ones(len(losses)),
        card=np.array(cards[asked]), table=asked,
    )  # fmt: skip


def train(table: int, best: float, level: float, spread: float) -> list[tuple[int, float, float]]:
    """Trainings of all rates, of which one is the best."""
    return [(table, rate, level + spread * abs(rate - best)) for rate in RATES]


def rank(surrogate: Surrogate) -> float:
    """The rate that is expected to be the best."""
    return float(RATES[surrogate.predict(RATES[:, None]).mean.argmin()])


def test_the_posterior_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    x, new, y = random.normal(size=(20, 2)), random.normal(size=(5, 2)), random.normal(size=20)
    kernel = RBF(1.3)
    other = GaussianProcessRegressor(kernel, alpha=0.1 + 1e-6, optimizer=None).fit(x, y)
    mean, covariance = other.predict(new, return_cov=True)

    found = Observations(y, kernel(x), np.full(20, 0.1)).condition(kernel(new, x), kernel(new))

    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-9)


def test_a_similar_data_set_says_more_of_the_level_than_one_that_is_far_away() -> None:
    cards = {0: (0.0, 0.0), 1: (5.0, 5.0), 8: (0.1, 0.0), 9: (4.9, 5.0)}
    records = train(0, 0.2, -2.0, 0.1) + train(1, 0.2, 0.0, 0.1)
    near, other = (condition(cards, records, asked).predict(RATES[:, None]) for asked in (8, 9))
    assert near.mean.max() < -1.5
    assert other.mean.min() > -0.5


def test_settings_that_are_good_on_similar_data_sets_are_expected_to_be_good() -> None:
    cards = {0: (0.0, 0.0), 1: (0.1, 0.1), 2: (4.0, 4.0), 3: (4.1, 4.1), 9: (0.0, 0.1)}
    records = [
        *train(0, 0.0, -2.0, 0.5), *train(1, 0.0, -1.0, 0.5),
        *train(2, 1.0, -2.0, 0.5), *train(3, 1.0, -1.0, 0.5),
    ]  # fmt: skip
    assert rank(condition(cards, records, 9)) == 0.0
    assert rank(condition({**cards, 9: (4.0, 4.1)}, records, 9)) == 1.0


def test_a_data_set_where_settings_matter_much_does_not_drown_the_others() -> None:
    cards = {table: (0.0, 0.1 * table) for table in range(5)}
    records = [*train(0, 1.0, -1.0, 3.0)]
    for table in (1, 2, 3):
        records += train(table, 0.0, -1.0, 0.2)
    assert rank(condition(cards, records, 4)) == 0.0


def test_how_much_settings_matter_is_taken_from_similar_data_sets() -> None:
    cards = {0: (0.0, 0.0), 1: (6.0, 6.0), 8: (0.0, 0.1), 9: (6.0, 6.1)}
    records = train(0, 0.2, -1.0, 2.0) + train(1, 0.2, -1.0, 0.05)
    much, little = (condition(cards, records, asked).predict(RATES[:, None]) for asked in (8, 9))
    assert np.ptp(much.mean) > 4 * np.ptp(little.mean)


def test_far_from_everything_the_mean_comes_back_and_the_interval_is_wide() -> None:
    cards = {0: (0.0, 0.0), 8: (0.0, 0.0), 9: (50.0, 50.0)}
    near, far = (
        condition(cards, train(0, 0.5, -2.0, 0.1), asked).predict(RATES[:1, None])
        for asked in (8, 9)
    )
    assert far.deviation[0] > 2 * near.deviation[0]
    assert abs(far.mean[0] - SCALES.mean) < abs(near.mean[0] - SCALES.mean)


def test_a_trial_on_the_data_set_itself_tells_its_level() -> None:
    cards = {0: (0.0, 0.0), 9: (0.5, 0.5)}
    records = train(0, 0.5, -2.0, 0.1)
    without = condition(cards, records, 9).predict(np.array([[0.3]]))
    with_own = condition(cards, [*records, (9, 0.6, -0.2)], 9).predict(np.array([[0.3]]))
    assert abs(with_own.mean[0] + 0.2) < 0.5 * abs(without.mean[0] + 0.2)
    assert with_own.deviation[0] < without.deviation[0]


def test_a_setting_that_was_trained_on_the_data_set_itself_is_known() -> None:
    cards = {0: (0.0, 0.0), 9: (0.5, 0.5)}
    records = [*train(0, 0.5, -2.0, 0.5), (9, 0.25, -1.0), (9, 0.75, -0.5)]
    found = condition(cards, records, 9).predict(np.array([[0.25], [0.75]]))
    np.testing.assert_allclose(found.mean, [-1.0, -0.5], atol=0.1)


def test_what_was_trained_on_the_data_set_alone_is_enough_to_go_by() -> None:
    found = condition({9: (0.0, 0.0)}, train(9, 0.5, -1.0, 1.0), 9).predict(RATES[:, None])
    assert float(RATES[found.mean.argmin()]) == pytest.approx(0.5, abs=0.1)
    assert np.isfinite(found.deviation).all()


def test_a_few_chosen_settings_do_not_make_a_data_set_look_easy() -> None:
    points = [*train(0, 0.0, -1.0, 1.0), *train(1, 0.0, -1.0, 1.0), (2, 0.0, -1.0)]
    tables, rates, losses = map(np.array, zip(*points, strict=True))
    grid = lay_grid(Points(np.zeros((len(tables), 2)), rates[:, None], tables), losses)
    assert grid.levels[2] > -0.95 > min(losses)
    np.testing.assert_allclose(grid.levels[:2], -0.5, atol=0.05)


def test_of_very_many_settings_those_of_most_and_of_the_nearest_data_sets_count() -> None:
    tables, rates = [3, 3, 5, 5, 6], [0.4, 0.8, 0.2, 0.8, 0.6]
    points = Points(np.zeros((5, 2)), np.array(rates)[:, None], np.array(tables))
    grid = lay_grid(points, np.zeros(5))
    assert grid.settings[grid.take_settings(3), 0].tolist() == [0.8, 0.4, 0.2]


def test_thousands_of_own_settings_are_predicted_from_in_a_moment() -> None:
    random = np.random.default_rng(0)
    cards = {table: (float(table), 0.0) for table in range(100)}
    records = [(table, float(rate), -1.0) for table in range(99) for rate in random.random(64)]
    surrogate = condition(cards, records, 99)
    started = time.process_time()
    assert np.isfinite(surrogate.predict(RATES[:, None]).mean).all()
    assert time.process_time() - started < 10  # a fifth of a second; minutes with all of them


def test_of_several_trainings_of_a_pair_the_mean_counts() -> None:
    points = Points(np.zeros((3, 2)), np.array([[0.5], [0.5], [0.7]]), np.array([4, 4, 6]))
    grid = lay_grid(points, np.array([-1.0, -2.0, -3.0]))
    np.testing.assert_array_equal(grid.remaining, [[-1.5, np.nan], [np.nan, -3.0]])
    assert grid.counts.tolist() == [1, 1]


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
