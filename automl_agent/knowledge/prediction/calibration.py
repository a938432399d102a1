"""How far predictions can be relied on: how large errors are, how often intervals hold."""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist, StatisticsError, correlation, fmean, median
from typing import Any, TypeVar

from automl_agent.knowledge.prediction.ledger import BEFORE, Entry, Kind

T = TypeVar("T")
NOMINAL = 0.8
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Of the standard normal distribution, half the width of its 80 % interval.
_HALF_WIDTH = NormalDist().inv_cdf((1 + NOMINAL) / 2)
# With two trials any order is a perfect or a reversed one.
_MIN_RANKED = 3
# So many data sets weigh as much as the prior weight.
N_PRIOR = 10.0


@dataclass(frozen=True)
class Proportion:
    """A share with its 95 % interval, all from 0 to 1."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """Spearman's rank correlations of predicted with real scores, one for each data set."""

    median: float
    mean: float
    n_data_sets: int


@dataclass(frozen=True)
class Calibration:
    """How the predictions of one predictor came out, for one expert, or for all if it is None.

    n_scored, n_censored, n_open: predictions. n_trials: those of the scored ones.
    median_error: of the absolute errors, as a share of the way from chance to ideal; bias: the mean
    of the signed ones, above 0 where trainings come out better than predicted.
    coverage: of the 80 % interval; a trial that was predicted from several steps counts once.
    seconds_ratio, memory_ratio: the median of real over predicted; seconds_factor, memory_factor:
    the median factor by which it is off, at least 1.
    What could not be computed is None.
    """

    predictor: str
    kind: Kind
    expert: str | None
    n_scored: int
    n_trials: int
    n_data_sets: int
    n_censored: int
    n_open: int
    median_error: float | None
    bias: float | None
    ranking: Ranking | None
    coverage: Proportion | None
    seconds_ratio: float | None
    seconds_factor: float | None
    memory_ratio: float | None
    memory_factor: float | None

    def to_json(self) -> dict[str, Any]:
        """The calibration as a JSON object."""
        return asdict(self)


def calibrate(entries: Iterable[Entry]) -> list[Calibration]:
    """A calibration of each predictor over all experts, followed by those for each expert."""
    groups = _group(entries, lambda e: (e.prediction.kind != BEFORE, e.prediction.predictor))
    found = []
    for key in sorted(groups):
        of_predictor = groups[key]
        found.append(_calibrate(of_predictor, None))
        by_expert = _group(of_predictor, lambda e: e.subject.expert)
        found += [_calibrate(by_expert[name], name) for name in sorted(by_expert)]
    return found


def weights_from(
    history: Iterable[Entry], prior: Mapping[str, float], *, n_prior: float = N_PRIOR
) -> dict[str, float]:
    """The weight of each predictor of `prior` in a combination; they sum to 1.

    Inverse mean squared errors, taken over data sets: trials of one data set err alike and count
    as one. While there are few, the squared error that the prior weight stands for counts as if it
    had been seen on `n_prior` data sets; without history the prior comes back.
    Source: Bates and Granger (1969), "The combination of forecasts", Operational Research Quarterly
        20(4), without the correlations of errors; shrinkage to a prior as in Diebold and Pauly
        (1990), "The use of prior information in forecast combination".
    Raises: ValueError if no weight of the prior is above 0.
    """
    wanted = {name: weight for name, weight in prior.items() if weight > 0}
    if not wanted:
        raise ValueError("no prior weight is above 0")
    errors = {name: _squared_errors(history_of) for name, history_of in _split(history, wanted)}
    seen = [error for of_predictor in errors.values() for error in of_predictor]
    # The errors that the prior weights stand for, as large as the seen ones on average.
    inverse = {name: 1 / weight for name, weight in wanted.items()}
    scale = (fmean(seen) if seen else 1.0) / fmean(inverse.values())
    floor = 1e-12  # a predictor that was never wrong does not get all of the weight
    strengths = {
        name: (n_prior + len(errors[name]))
        / max(floor, n_prior * scale * inverse[name] + sum(errors[name]))
        for name in wanted
    }
    total = sum(strengths.values())
    return {name: strengths.get(name, 0.0) / total for name in prior}


def observed_coverage(
    entries: Sequence[Entry], levels: Sequence[float] = LEVELS
) -> list[tuple[float, float]]:
    """For each nominal level the share of scored entries whose interval of it holds the score.

    A prediction has only its 80 % interval; the others are those of a split normal distribution
    around its median, whose halves have that interval's bounds.
    """
    places = [place for entry in entries if (place := _standardise(entry)) is not None]
    if not places:
        return []
    limits = [(level, NormalDist().inv_cdf((1 + level) / 2)) for level in levels]
    return [(level, fmean(abs(p) <= limit + 1e-9 for p in places)) for level, limit in limits]


def wilson_interval(n_successes: float, n: int, *, level: float = 0.95) -> Proportion:
    """A share and its interval, which holds for few observations too.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    Raises: ValueError if n is 0.
    """
    if n < 1:
        raise ValueError(n)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = n_successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding may leave 0 of n with a bound a little above its share, and n of n below.
    low, high = max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
    return Proportion(share, low, high)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties having their mean rank; None if one of them is constant.

    Source: Spearman (1904), "The proof and measurement of association between two things".
    """
    try:
        return correlation(_rank(first), _rank(second))
    except StatisticsError:
        return None


def data_set(entry: Entry) -> Hashable:
    """What tells the data set of an entry; one without a card's fingerprint is its run's own."""
    return entry.subject.card_id or entry.run_id, entry.prediction.metric


def _calibrate(entries: Sequence[Entry], expert: str | None) -> Calibration:
    scored = [entry for entry in entries if entry.state == "scored"]
    errors = [entry.error for entry in scored if entry.error is not None]
    seconds = _ratios((entry.seconds, entry.prediction.seconds) for entry in scored)
    memory = _ratios((entry.memory_mib, entry.prediction.memory_mib) for entry in scored)
    return Calibration(
        predictor=entries[0].prediction.predictor,
        kind=entries[0].prediction.kind,
        expert=expert,
        n_scored=len(scored),
        n_trials=len(_group(scored, _trial)),
        n_data_sets=len(_group(scored, data_set)),
        n_censored=sum(entry.state == "censored" for entry in entries),
        n_open=sum(entry.state == "open" for entry in entries),
        median_error=median(map(abs, errors)) if errors else None,
        bias=fmean(errors) if errors else None,
        ranking=_rank_data_sets(scored),
        coverage=_cover(scored),
        seconds_ratio=median(seconds) if seconds else None,
        seconds_factor=_typical_factor(seconds),
        memory_ratio=median(memory) if memory else None,
        memory_factor=_typical_factor(memory),
    )


def _trial(entry: Entry) -> Hashable:
    return entry.run_id, entry.subject.trial_id


def _cover(scored: Sequence[Entry]) -> Proportion | None:
    if not scored:
        return None
    trials = _group(scored, _trial).values()
    return wilson_interval(sum(fmean(bool(e.is_inside) for e in t) for t in trials), len(trials))


def _rank_data_sets(scored: Sequence[Entry]) -> Ranking | None:
    correlations = []
    for of_one in _group(scored, data_set).values():
        # Of a trial that was predicted from several steps, the last prediction.
        last = list({_trial(entry): entry for entry in of_one}.values())
        if len(last) >= _MIN_RANKED:
            predicted = [entry.prediction.final.median for entry in last]
            found = rank_correlation(predicted, [entry.score or 0.0 for entry in last])
            correlations += [found] if found is not None else []
    if not correlations:
        return None
    return Ranking(median(correlations), fmean(correlations), len(correlations))


def _split(history: Iterable[Entry], names: Iterable[str]) -> Iterable[tuple[str, list[Entry]]]:
    usable = [e for e in history if e.error is not None and e.prediction.kind == BEFORE]
    return ((name, [e for e in usable if e.prediction.predictor == name]) for name in names)


def _squared_errors(entries: Iterable[Entry]) -> list[float]:
    """The mean squared error of each data set."""
    groups = _group(entries, data_set).values()
    return [fmean((entry.error or 0.0) ** 2 for entry in of_one) for of_one in groups]


def _standardise(entry: Entry) -> float | None:
    """How many standard deviations the score lies from the median; None if it has none."""
    if entry.score is None:
        return None
    final = entry.prediction.final
    difference = entry.score - final.median
    width = final.high - final.median if difference > 0 else final.median - final.low
    if width <= 0:
        return 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return difference / width * _HALF_WIDTH


def _ratios(pairs: Iterable[tuple[float | None, float | None]]) -> list[float]:
    return [real / predicted for real, predicted in pairs if real and predicted]


def _typical_factor(ratios: Sequence[float]) -> float | None:
    return math.exp(median(abs(math.log(ratio)) for ratio in ratios)) if ratios else None


def _rank(values: Sequence[float]) -> list[float]:
    order = sorted(values)
    first: dict[float, int] = {}
    for position, value in enumerate(order):
        first.setdefault(value, position)
    counts: defaultdict[float, int] = defaultdict(int)
    for value in order:
        counts[value] += 1
    return [first[value] + (counts[value] - 1) / 2 for value in values]


def _group(items: Iterable[T], key: Callable[[T], Any]) -> dict[Any, list[T]]:
    groups: dict[Any, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
