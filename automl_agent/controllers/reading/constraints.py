"""Limits and wishes in a text, in the form that constraints have everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from automl_agent.controllers.reading.words import Hit, Text, parse_number

MIB = 2**20
_BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
# Metrics from 0 to 1, of which a person says 90 % as well as 0.9.
_SHARES = {"roc_auc", "average_precision", "accuracy", "balanced_accuracy", "f1_macro", "r2"}
_ERRORS = {"log_loss", "brier", "rmse", "mae"}
_COMPARED = {
    "smaller": "model_mib",
    "size": "model_mib",
    "faster": "predict_ms_per_row",
    "speed": "predict_ms_per_row",
}
# So many tokens may lie between a number and the words that say what it is.
_NEAR, _FAR = 4, 8
# "Under a minute."
_BEFORE_UNITS = (
    "-",
    "more",
    "additional",
    "extra",
    "further",
    "weitere",
    "autres",
    "otros",
    "altri",
)
_ARTICLES = ("a", "an", "the", "einer", "une", "un", "una")
_MAX_AMOUNTS = 60
# Words between a metric and its bound that are no phrases: "accuracy must be above 0.9".
_BETWEEN = frozenset(
    [
        "be",
        "should",
        "must",
        "has",
        "have",
        "need",
        "score",
        "sein",
        "soll",
        "muss",
        "von",
        "+",
        "stay",
        "least",
        "er",
        "doit",
        "être",
        "etre",
        "ser",
        "debe",
        "deve",
        "essere",
        "moet",
        "zijn",
        "~",
        "不",
        "要",
        "达",
        "到",
        "必",
        "须",
        "应",
    ]
)


@dataclass(frozen=True)
class Amount:
    """A number and its unit, empty if it has none; first, last: its tokens."""

    value: float
    unit: str
    first: int
    last: int


@dataclass(frozen=True)
class Limit:
    """A constraint, or (measure "time_s" and "n_trials") a limit of the search, and where it is.

    metric: of a score; metric_at: its token.
    """

    first: int
    last: int
    measure: str
    text: str
    value: float = 0.0
    metric: str | None = None
    metric_at: int | None = None


def find_limits(text: Text, metrics: Sequence[str], *, taken: frozenset[int]) -> list[Limit]:
    """The limits in a text, in order; taken: tokens that are names."""
    limits: list[Limit] = []
    for amount in find_amounts(text, taken)[:_MAX_AMOUNTS]:
        limit = _read_amount(text, amount, metrics)
        if limit:
            limits.append(limit)
    limits += _find_ratios(text)
    return limits + _find_kept(text, metrics, limits)


def _find_ratios(text: Text) -> list[Limit]:
    """Those in words: "half the size", "twice as fast"."""
    found = []
    for hit in text.find("ratio"):
        limit = _compare(text, Amount(0.0, "", hit.first, hit.last), float(hit.value))
        if limit:
            found.append(limit)
    return found


def find_amounts(text: Text, taken: frozenset[int]) -> list[Amount]:
    """The numbers in a text, in figures and the small ones in words, with their units."""
    amounts = []
    inside = {i for h in text.find("metric", "family") for i in range(h.first, h.last)} | taken
    for index, token in enumerate(text.tokens):
        value = parse_number(token.word)
        if value is not None and index not in inside:
            amounts.append(_add_unit(text, value, index, index + 1))
    for hit in text.find("unit"):
        word = text.tokens[hit.first - 1].word if hit.first else ""
        if word in _ARTICLES and hit.value in ("s", "min", "h"):
            amounts.append(Amount(1.0, hit.value, hit.first - 1, hit.last))
    for hit in text.find("number"):
        amount = _add_unit(text, float(hit.value), hit.first, hit.last)
        if amount.unit and amount.unit != "%":
            amounts.append(amount)
    return sorted(amounts, key=lambda a: a.first)


def _add_unit(text: Text, value: float, first: int, last: int) -> Amount:
    place = last
    while place < min(last + 2, len(text.tokens)) and text.tokens[place].word in _BEFORE_UNITS:
        place += 1
    for hit in text.find("unit", first=place, last=place + 4):
        if hit.first == place:
            return Amount(value, hit.value, first, hit.last)
    named = text.find("unit", first=max(0, first - 3), last=first)
    is_setting = first > 1 and text.tokens[first - 1].word in ("=", ":")
    if is_setting and named and named[-1].value == "trials" and named[-1].last == first - 1:
        return Amount(value, "trials", first, last)
    return Amount(value, "", first, last)


def _read_amount(text: Text, amount: Amount, metrics: Sequence[str]) -> Limit | None:
    if amount.unit in _BYTES:
        mib = amount.value * _BYTES[amount.unit] / MIB
        return _constrain(amount, "model_mib", f"{_operator(text, amount, '<=')} {_format(mib)}")
    if amount.unit == "trials":
        return Limit(amount.first, amount.last, "n_trials", "", amount.value)
    if amount.unit == "rows/s" and amount.value > 0:
        return _constrain(amount, "predict_ms_per_row", f"<= {_format(1000 / amount.value)}")
    if amount.unit in _SECONDS:
        return _read_time(text, amount)
    if amount.unit == "x":
        return _read_ratio(text, amount, amount.value)
    return _read_score(text, amount, metrics)


def _read_time(text: Text, amount: Amount) -> Limit:
    seconds = amount.value * _SECONDS[amount.unit]
    around = {"first": amount.first - _NEAR - 2, "last": amount.last + _NEAR + 1}
    is_per_row = amount.unit in ("us", "ms") or text.has("per_row", **around)
    if is_per_row:
        milliseconds = _format(seconds * 1e3)
        return _constrain(amount, "predict_ms_per_row", f"<= {milliseconds}")
    if text.has("fit_time", **around):
        return _constrain(amount, "fit_seconds", f"<= {_format(seconds)}")
    return Limit(amount.first, amount.last, "time_s", "", seconds)


def _read_ratio(text: Text, amount: Amount, times: float) -> Limit | None:
    """A part of what it was: "3 times as fast", "2x smaller"."""
    if times <= 0:
        return None
    return _compare(text, amount, 1 / times)


def _compare(text: Text, amount: Amount, ratio: float) -> Limit | None:
    """The limit that a wish behind a share sets: "30 % smaller"."""
    for hit in text.find("wish", "size", "speed", first=amount.last, last=amount.last + _NEAR):
        measure = _COMPARED.get(hit.value or hit.kind)
        if measure:
            return Limit(
                amount.first, hit.last, measure, f"{measure} <= {_format(ratio)} * earlier"
            )
    return None


def _read_score(text: Text, amount: Amount, metrics: Sequence[str]) -> Limit | None:
    """A bound or a share: "at least 90 % accuracy", "lose at most 1 %", "30 % smaller"."""
    if amount.unit == "%":
        if text.has("wish", first=amount.last, last=amount.last + 2) and 0 < amount.value < 100:
            return _compare(text, amount, 1 - amount.value / 100)
        relative = _read_loss(text, amount, metrics)
        if relative:
            return relative
    metric = _metric_beside(text, amount)
    if metric is None or metric.value not in metrics:
        return None
    return _bound_score(text, amount, metric)


def _bound_score(text: Text, amount: Amount, metric: Hit) -> Limit | None:
    is_error = metric.value in _ERRORS
    value = amount.value
    if metric.value in _SHARES and (amount.unit == "%" or 1 < value <= 100):
        value /= 100
    if amount.unit == "%" and metric.value not in _SHARES:
        return None
    if metric.value in _SHARES and value > 1:
        return None
    operator = _operator(text, amount, "<=" if is_error else ">=")
    first, last = min(amount.first, metric.first), max(amount.last, metric.last)
    constraint = f"{metric.value} {operator} {_format(value)}"
    return Limit(first, last, metric.value, constraint, metric=metric.value)


def _read_loss(text: Text, amount: Amount, metrics: Sequence[str]) -> Limit | None:
    first, last = max(0, amount.first - _FAR), amount.last + _FAR
    if not text.has("loss", first=first, last=last):
        return None
    near = text.find("metric", first=first, last=last)
    known = [hit for hit in near if hit.value in metrics]
    if near and not known:
        return None
    # "Lose at most 1 %" is of the score that counts.
    name = known[0].value if known else next(iter(metrics), "accuracy")
    constraint = f"{name} {_allow_loss(name, amount.value)}"
    place = known[0].first if known else None
    return Limit(amount.first, amount.last, name, constraint, metric=name, metric_at=place)


def _allow_loss(metric: str, percent: float) -> str:
    sign = "<= earlier +" if metric in _ERRORS else ">= earlier -"
    return f"{sign} {_format(percent)} %"


def _find_kept(text: Text, metrics: Sequence[str], limits: Sequence[Limit]) -> list[Limit]:
    """What must not become worse: "without losing accuracy"."""
    bounded = {limit.measure for limit in limits}
    kept: dict[str, Limit] = {}
    for hit in (h for h in text.find("loss") if h.value == "none"):
        for metric in text.find("metric", first=hit.last, last=hit.last + _NEAR)[:1]:
            name = metric.value
            if name in metrics and name not in bounded:
                constraint = f"{name} {_allow_loss(name, 0)}"
                limit = Limit(hit.first, metric.last, name, constraint, 0.0, name, metric.first)
                kept.setdefault(name, limit)
    return list(kept.values())


def _metric_beside(text: Text, amount: Amount) -> Hit | None:
    """The metric that a number belongs to: "AUC above 0.9", "90 % accuracy"."""
    before = text.find("metric", first=max(0, amount.first - _FAR), last=amount.first)
    if before and _is_bridge(text, before[-1].last, amount.first):
        return before[-1]
    after = text.find("metric", first=amount.last, last=amount.last + _FAR)
    if after and _is_bridge(text, amount.last, after[0].first):
        return after[0]
    return None


def _is_bridge(text: Text, first: int, last: int) -> bool:
    if "\n" in text.slice(first - 1, last + 1):
        return False
    covered = {
        i
        for hit in text.find("limit", "filler", "from", first=first, last=last)
        for i in range(hit.first, hit.last)
    }
    return all(i in covered or text.tokens[i].word in _BETWEEN for i in range(first, last))


def _operator(text: Text, amount: Amount, default: str) -> str:
    before = text.find("limit", first=max(0, amount.first - _NEAR), last=amount.first)
    after = text.find("limit", first=amount.last, last=amount.last + 3)
    near_before = [hit for hit in before if amount.first - hit.last <= 1]
    if near_before:
        return near_before[-1].value
    near_after = [hit for hit in after if hit.first == amount.last]
    if near_after and default:
        return near_after[0].value
    return default


def _constrain(amount: Amount, measure: str, condition: str) -> Limit:
    return Limit(amount.first, amount.last, measure, f"{measure} {condition}")


def _format(value: float) -> str:
    """Three figures that count, without an exponent where that can be."""
    return f"{float(f'{value:.3g}'):g}" if value < 1e5 else f"{value:.0f}"


def find_wishes(text: Text, limits: Sequence[Limit]) -> list[Hit]:
    """Where the text wishes for a smaller, faster, simpler or more accurate model."""
    used = {i for limit in limits for i in range(limit.first, limit.last)}
    return [hit for hit in text.find("wish") if hit.first not in used]
