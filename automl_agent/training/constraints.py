"""Constraints: what a model must keep to, read from text, resolved to numbers, and checked."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from automl_agent.cards.metric import Metric
from automl_agent.errors import InputError, suggest

Operator = Literal["<=", ">=", "<", ">"]
Wish = Literal["smaller", "faster", "simpler", "more accurate"]
Reference = Literal["none", "percent", "times"]

# What is measured of a model beside its scores; less of each is better.
COSTS = ("model_mib", "predict_ms_per_row", "fit_seconds")
N_MEMBERS = "n_members"
ALLOWED_FORMS = (
    'Allowed are a metric or a cost with a bound, as in "accuracy >= 0.87" or '
    '"predict_ms_per_row <= 1"; one that is relative to the earlier result, as in '
    '"accuracy >= earlier - 1 %" or "model_mib <= 0.5 * earlier"; and the wishes '
    "smaller, faster, simpler, more accurate."
)
# What a wish asks of the earlier result's measure; of "more accurate", the metric that decides.
_WISHED: dict[Wish, tuple[str, Operator]] = {
    "smaller": ("model_mib", "<"),
    "faster": ("predict_ms_per_row", "<"),
    "simpler": (N_MEMBERS, "<="),
    "more accurate": ("score", "<"),
}
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_COMPARISON = re.compile(r"(?P<measure>\w[\w.@-]*)\s*(?P<operator>[<>]=?)\s*(?P<bound>[^=].*)")
_ABSOLUTE = re.compile(rf"-?{_NUMBER}")
_PERCENT = re.compile(rf"earlier\s*(?P<sign>[+-])\s*(?P<percent>{_NUMBER})\s*%")
_TIMES = re.compile(rf"(?P<factor>{_NUMBER})\s*\*\s*earlier")


@dataclass(frozen=True)
class Constraint:
    """What a model must keep to.

    reference: what `value` is: the bound itself, percent of change from the earlier result, or a
        factor of it.
    wish: set for one of the wishes, which also says what is preferred among several models.
    """

    measure: str
    operator: Operator
    value: float
    reference: Reference = "none"
    wish: Wish | None = None

    def __str__(self) -> str:
        """The canonical text, which parses back to the constraint."""
        return self.wish or f"{self.measure} {self.operator} {self._describe_bound()}"

    def _describe_bound(self) -> str:
        if self.reference == "none":
            return _write_number(self.value)
        if self.reference == "times":
            return "earlier" if self.value == 1 else f"{_write_number(self.value)} * earlier"
        sign = "-" if self.value < 0 else "+"
        return f"earlier {sign} {_write_number(abs(self.value))} %"


@dataclass(frozen=True)
class Bound:
    """A constraint as a number. text: the constraint's, as the person knows it."""

    text: str
    measure: str
    operator: Operator
    value: float
    wish: Wish | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a model keeps to a constraint. measured: None if it is not known, and so not met."""

    text: str
    measure: str
    bound: float
    measured: float | None
    is_met: bool

    def to_json(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return {
            "text": self.text,
            "measure": self.measure,
            "bound": self.bound,
            "measured": self.measured,
            "is_met": self.is_met,
        }


@dataclass(frozen=True)
class Earlier:
    """The measures of an earlier result, for constraints that are relative to it.

    valid: its scores on validation rows and its costs, by which models are chosen. held_out: its
    scores on held-out rows and its costs, by which the delivered one is judged.
    """

    valid: Mapping[str, float]
    held_out: Mapping[str, float]


def parse_constraint(text: str, metrics: Mapping[str, Metric]) -> Constraint:
    """The constraint that a text stands for.

    Raises: InputError that says which forms are allowed.
    """
    plain = " ".join(text.replace("≤", "<=").replace("≥", ">=").split())
    if plain.lower() in get_args(Wish):
        wish = cast(Wish, plain.lower())
        measure, operator = _WISHED[wish]
        return Constraint(measure, operator, 1.0, "times", wish)
    match = _COMPARISON.fullmatch(plain)
    if match is None:
        raise InputError(f"{text!r} is no constraint. {ALLOWED_FORMS}")
    value, reference = _parse_bound(match["bound"], text)
    operator = cast(Operator, match["operator"])
    constraint = Constraint(match["measure"], operator, value, reference)
    _check_meaning(constraint, metrics)
    return constraint


def check_task(constraints: Sequence[Constraint], metrics: Mapping[str, Metric], task: str) -> None:
    """Nothing, if every metric that is named fits the task.

    Raises: InputError that lists those that fit.
    """
    fitting = [m.name for m in metrics.values() if task in m.tasks]
    for constraint in constraints:
        metric = metrics.get(constraint.measure)
        if metric is not None and task not in metric.tasks:
            raise InputError(
                f"The constraint {str(constraint)!r} does not fit {task}; its metrics are "
                f"{', '.join(fitting)}."
            )


def resolve(
    constraints: Sequence[Constraint], earlier: Mapping[str, float] | None, metric: Metric
) -> tuple[Bound, ...]:
    """The constraints as numbers. earlier: the measures of the earlier result, by name.

    metric: the one that decides, which "more accurate" is about.
    Raises: InputError if one is relative and there is no earlier result, or it lacks the measure.
    """
    return tuple(_resolve_one(constraint, earlier, metric) for constraint in constraints)


def check(bound: Bound, measures: Mapping[str, float | None]) -> Verdict:
    """Whether a model with these measures keeps to a bound."""
    measured = measures.get(bound.measure)
    is_met = measured is not None and _holds(measured, bound.operator, bound.value)
    return Verdict(bound.text, bound.measure, bound.value, measured, is_met)


def find_excess(bound: Bound, measures: Mapping[str, float | None]) -> float:
    """How far a model is from keeping to a bound, as a share of it; 0 if it does."""
    verdict = check(bound, measures)
    if verdict.is_met:
        return 0.0
    if verdict.measured is None:
        return math.inf
    # A strict bound may be missed by nothing at all.
    distance = abs(verdict.measured - bound.value) / max(abs(bound.value), 1e-9)
    return max(distance, 1e-9)


def wishes(constraints: Sequence[Constraint | Bound]) -> frozenset[Wish]:
    """What is preferred among models that keep to all constraints; none: the best score."""
    return frozenset(c.wish for c in constraints if c.wish is not None)


def prefers_small(constraints: Sequence[Constraint | Bound]) -> bool:
    """Whether smaller settings are worth trying: a wish or a bound is about size or speed."""
    measures = {constraint.measure for constraint in constraints}
    return bool(measures & {"model_mib", "predict_ms_per_row"}) or "simpler" in wishes(constraints)


def needs_speed(constraints: Sequence[Constraint | Bound]) -> bool:
    """Whether the time of a prediction must be measured."""
    return any(constraint.measure == "predict_ms_per_row" for constraint in constraints)


def _parse_bound(text: str, whole: str) -> tuple[float, Reference]:
    bound = text.strip()
    reference: Reference = "none"
    if bound == "earlier":
        value, reference = 1.0, "times"
    elif match := _PERCENT.fullmatch(bound):
        value, reference = float(match["sign"] + match["percent"]), "percent"
    elif match := _TIMES.fullmatch(bound):
        value, reference = float(match["factor"]), "times"
    elif _ABSOLUTE.fullmatch(bound):
        value = float(bound)
    else:
        raise InputError(f"{whole!r} has no bound that can be read. {ALLOWED_FORMS}")
    if not math.isfinite(value):
        raise InputError(f"{whole!r} has a bound that is no finite number. {ALLOWED_FORMS}")
    return value, reference


def _check_meaning(constraint: Constraint, metrics: Mapping[str, Metric]) -> None:
    measure, metric = constraint.measure, metrics.get(constraint.measure)
    if metric is None and measure not in COSTS:
        known = [*COSTS, *metrics]
        raise InputError(
            f"There is nothing to measure called {measure!r}.{suggest(measure, known)}"
        )
    wants_more = constraint.operator.startswith(">")
    if wants_more != (metric is not None and metric.greater_is_better):
        better, operator = ("less", "<=") if wants_more else ("more", ">=")
        raise InputError(
            f"{str(constraint)!r} asks for what is worse: of {measure}, {better} is better; write "
            f'"{measure} {operator} …".'
        )
    if metric is None or constraint.reference != "none":
        _check_positive(constraint)
    elif metric.is_better(constraint.value, than=metric.ideal):
        raise InputError(
            f"{str(constraint)!r} asks for more than a perfect prediction, whose {measure} is "
            f"{metric.ideal:g}."
        )


def _check_positive(constraint: Constraint) -> None:
    """Nothing, if the bound of a cost, or a part of the earlier result, leaves anything."""
    value = constraint.value
    if value <= (-100 if constraint.reference == "percent" else 0):
        raise InputError(f"{str(constraint)!r} cannot be met: its bound must be above 0.")


def _resolve_one(
    constraint: Constraint, earlier: Mapping[str, float] | None, metric: Metric
) -> Bound:
    measure, operator, value = constraint.measure, constraint.operator, constraint.value
    if constraint.wish == "more accurate":
        measure, operator = metric.name, ">" if metric.greater_is_better else "<"
    if constraint.reference != "none":
        before = _find_earlier(constraint, measure, earlier)
        value = before * value if constraint.reference == "times" else _change(before, value)
    return Bound(str(constraint), measure, operator, value, constraint.wish)


def _find_earlier(
    constraint: Constraint, measure: str, earlier: Mapping[str, float] | None
) -> float:
    if earlier is None:
        raise InputError(
            f"{str(constraint)!r} is relative to an earlier result, and there is none yet; give a "
            'number, as in "accuracy >= 0.87" or "predict_ms_per_row <= 1".'
        )
    before = earlier.get(measure)
    if before is None:
        raise InputError(
            f"{str(constraint)!r} is relative to the {measure} of the earlier result, which was "
            "not measured; give a number."
        )
    return before


def _change(before: float, percent: float) -> float:
    # Of a negative score, such as an R² of -0.2, 1 % less is still worse.
    return before + abs(before) * percent / 100


def _holds(measured: float, operator: Operator, value: float) -> bool:
    match operator:
        case "<=":
            return measured <= value
        case ">=":
            return measured >= value
        case "<":
            return measured < value
        case ">":
            return measured > value


def _write_number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
