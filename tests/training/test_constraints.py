"""Constraints: read from text, resolved to numbers, checked; what makes no sense is refused."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.errors import InputError
from automl_agent.training.constraints import (
    COSTS,
    Bound,
    Constraint,
    Verdict,
    Wish,
    check,
    check_task,
    find_excess,
    needs_speed,
    parse_constraint,
    prefers_small,
    resolve,
    wishes,
)
from automl_agent.training.scoring import BUILTIN_METRICS

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
ACCURACY, LOG_LOSS = METRICS["accuracy"], METRICS["log_loss"]
EARLIER = {
    "accuracy": 0.8,
    "log_loss": 0.5,
    "r2": -0.2,
    "model_mib": 10.0,
    "predict_ms_per_row": 0.04,
    "fit_seconds": 3.0,
    "n_members": 3.0,
}


def parse(text: str) -> Constraint:
    return parse_constraint(text, METRICS)


def resolve_text(text: str) -> Bound:
    (bound,) = resolve([parse(text)], EARLIER, ACCURACY)
    return bound


def comparisons() -> st.SearchStrategy[str]:
    """Texts of constraints that make sense."""
    up = [m.name for m in METRICS.values() if m.greater_is_better]
    down = [m.name for m in METRICS.values() if not m.greater_is_better]
    positive = st.floats(1e-300, 1e300)
    earlier = st.one_of(
        st.just("earlier"),
        positive.map(lambda factor: f"{factor!r} * earlier"),
        st.floats(0, 99.9).map(lambda percent: f"earlier - {percent!r}%"),
        positive.map(lambda percent: f"earlier + {percent!r} %"),
    )
    better_up = st.one_of(earlier, st.floats(-1e300, 1.0).map(repr))
    better_down = st.one_of(earlier, positive.map(repr))
    return st.one_of(
        st.builds("{}{}{}".format, st.sampled_from(up), st.sampled_from([">=", " > "]), better_up),
        st.builds(
            "{}{}{}".format,
            st.sampled_from([*down, *COSTS]),
            st.sampled_from(["<", " <= "]),
            better_down,
        ),
    )


@given(text=st.one_of(comparisons(), st.sampled_from(get_args(Wish))))
def test_the_canonical_text_parses_back_to_the_same(text: str) -> None:
    constraint = parse(text)
    assert parse(str(constraint)) == constraint
    assert str(parse(str(constraint))) == str(constraint)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("accuracy>=0.87", "accuracy >= 0.87"),
        ("  accuracy  ≥ 0.870 ", "accuracy >= 0.87"),
        ("predict_ms_per_row<1", "predict_ms_per_row < 1"),
        ("accuracy >= earlier-1%", "accuracy >= earlier - 1 %"),
        ("model_mib <= 0.50*earlier", "model_mib <= 0.5 * earlier"),
        ("model_mib <= 1 * earlier", "model_mib <= earlier"),
        ("r2 >= -0.5", "r2 >= -0.5"),
        ("rmse <= 1e-7", "rmse <= 1e-07"),
        ("Smaller", "smaller"),
        ("more  accurate", "more accurate"),
    ],
)
def test_a_constraint_has_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no constraint. Allowed are a metric or a cost with a bound"),
        ("under 1 ms a row", 'as in "accuracy >= 0.87"'),
        ("accuracy = 0.9", "is no constraint"),
        ("accuracy >=", "is no constraint"),
        ("accuracy >= high", "has no bound that can be read"),
        ("accuracy >= earlier - 0.01", "has no bound that can be read"),
        ("accuracy >= 87 %", "has no bound that can be read"),
        ("rmse <= 1e999", "no finite number"),
        ("rmse <= nan", "has no bound that can be read"),
        ("acuracy >= 0.9", "Did you mean 'accuracy'"),
        ("size < 3", "There is nothing to measure called 'size'"),
        ("accuracy <= 0.9", r"asks for what is worse: of accuracy, more is better; .*accuracy >="),
        ("accuracy < earlier", "asks for what is worse"),
        ("log_loss >= 0.3", "of log_loss, less is better"),
        ("model_mib >= 3", "of model_mib, less is better"),
        ("accuracy >= 87", "more than a perfect prediction, whose accuracy is 1"),
        ("log_loss <= -1", "more than a perfect prediction"),
        ("model_mib <= 0", "its bound must be above 0"),
        ("model_mib <= -3", "its bound must be above 0"),
        ("model_mib <= 0 * earlier", "its bound must be above 0"),
        ("model_mib <= earlier - 100 %", "its bound must be above 0"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "measure", "operator", "value"),
    [
        ("accuracy >= 0.87", "accuracy", ">=", 0.87),
        ("accuracy >= earlier - 1 %", "accuracy", ">=", 0.792),
        ("accuracy > earlier", "accuracy", ">", 0.8),
        ("log_loss <= earlier + 10 %", "log_loss", "<=", 0.55),
        # 10 % less than an R² of -0.2 is worse, not better.
        ("r2 >= earlier - 10 %", "r2", ">=", -0.22),
        ("predict_ms_per_row <= 0.5 * earlier", "predict_ms_per_row", "<=", 0.02),
        ("smaller", "model_mib", "<", 10.0),
        ("faster", "predict_ms_per_row", "<", 0.04),
        ("simpler", "n_members", "<=", 3.0),
        ("more accurate", "accuracy", ">", 0.8),
    ],
)
def test_a_relative_constraint_becomes_a_number(
    text: str, measure: str, operator: str, value: float
) -> None:
    bound = resolve_text(text)
    assert (bound.text, bound.measure, bound.operator) == (text, measure, operator)
    assert bound.value == pytest.approx(value)


def test_more_accurate_is_about_the_metric_that_decides_and_its_direction() -> None:
    (bound,) = resolve([parse("more accurate")], EARLIER, LOG_LOSS)
    assert (bound.measure, bound.operator, bound.value) == ("log_loss", "<", 0.5)


@pytest.mark.parametrize("text", ["accuracy >= earlier - 1 %", "smaller", "model_mib <= earlier"])
def test_without_an_earlier_result_a_relative_constraint_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is relative to an earlier result, and there is none yet"):
        resolve([parse(text)], None, ACCURACY)
    with pytest.raises(InputError, match=r"of the earlier result, which was not measured"):
        resolve([parse(text)], {}, ACCURACY)


def test_without_an_earlier_result_a_number_is_enough() -> None:
    (bound,) = resolve([parse("model_mib <= 3")], None, ACCURACY)
    assert bound == Bound("model_mib <= 3", "model_mib", "<=", 3.0)


@pytest.mark.parametrize(
    ("text", "measured", "is_met"),
    [
        ("accuracy >= 0.8", 0.8, True),
        ("accuracy > 0.8", 0.8, False),
        ("accuracy >= 0.8", 0.79, False),
        ("model_mib <= 2", 2.0, True),
        ("model_mib < 2", 2.0, False),
        ("model_mib <= 2", 2.1, False),
        ("model_mib <= 2", None, False),
    ],
)
def test_a_bound_is_met_or_not(text: str, measured: float | None, is_met: bool) -> None:
    bound = resolve_text(text)
    verdict = check(bound, {bound.measure: measured})
    assert verdict == Verdict(text, bound.measure, bound.value, measured, is_met)
    assert (find_excess(bound, {bound.measure: measured}) == 0) == is_met
    assert json.loads(json.dumps(verdict.to_json()))["is_met"] is is_met


def test_what_is_not_measured_at_all_is_unknown() -> None:
    assert check(resolve_text("model_mib <= 2"), {}).measured is None


def test_the_excess_is_a_share_of_the_bound_so_that_measures_can_be_added() -> None:
    assert find_excess(resolve_text("model_mib <= 2"), {"model_mib": 3.0}) == pytest.approx(0.5)
    assert find_excess(resolve_text("accuracy >= 0.8"), {"accuracy": 0.6}) == pytest.approx(0.25)
    assert find_excess(resolve_text("model_mib <= 2"), {}) == float("inf")


def test_a_constraint_must_fit_the_task() -> None:
    constraints = [parse("model_mib <= 1"), parse("smaller"), parse("rmse <= 3")]
    check_task(constraints, METRICS, "regression")
    with pytest.raises(InputError, match=r"'rmse <= 3' does not fit binary_classification; .*auc"):
        check_task(constraints, METRICS, "binary_classification")


def test_wishes_and_costs_say_what_to_prefer_and_what_to_measure() -> None:
    small, fast = [parse("smaller"), parse("accuracy >= 0.8")], [parse("predict_ms_per_row < 1")]
    assert (wishes(small), wishes(fast)) == ({"smaller"}, set())
    assert prefers_small(small)
    assert prefers_small(fast)
    assert prefers_small([parse("simpler")])
    assert not prefers_small([parse("accuracy >= 0.8"), parse("more accurate")])
    assert (needs_speed(small), needs_speed(fast)) == (False, True)
