"""Which metric a text asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from automl_agent.controllers.reading.columns import Span, join_words
from automl_agent.controllers.reading.constraints import Limit
from automl_agent.controllers.reading.words import Text, split_tokens
from automl_agent.errors import suggest

_REGRESSION_METRICS = frozenset({"rmse", "mae", "r2"})
_CLASSIFICATION_METRICS = frozenset(
    {
        "roc_auc",
        "average_precision",
        "balanced_accuracy",
        "accuracy",
        "f1_macro",
        "log_loss",
        "brier",
    }
)
CLASS_ROLES = ("categorical", "boolean", "text")
# With one of these words, "precision" is English and no accuracy.
_ENGLISH = frozenset(
    ["the", "predict", "with", "from", "using", "for", "classify", "and", "at", "least"]
)


@dataclass(frozen=True)
class MetricWish:
    """Words that ask for a metric; is_weak: they only bound it, as in "accuracy at least 90 %"."""

    first: int
    last: int
    name: str
    is_weak: bool = False


def find_metric_wishes(
    text: Text, spans: Sequence[Span], metrics: Sequence[str], limits: Sequence[Limit]
) -> list[MetricWish]:
    """The wishes in a text, in order; their names are not all registered."""
    bounds = {i for limit in limits if limit.metric for i in range(limit.first, limit.last)}
    losses = {limit.metric_at for limit in limits}
    found = {
        hit.first: (hit.last, _name_metric(text, hit.first, hit.value))
        for hit in text.find("metric")
    }
    keys = {join_words(split_tokens(name)): name for name in metrics}
    found.update(
        {s.first: (s.last, keys[s.key]) for s in spans if s.key in keys and s.first not in found}
    )
    return [
        MetricWish(first, last, name, first in bounds)
        for first, (last, name) in sorted(found.items())
        if first not in losses and not _is_unwanted(text, first)
    ]


def _name_metric(text: Text, index: int, name: str) -> str:
    words = {token.word for token in text.tokens}
    is_english = text.tokens[index].word == "precision" and not _ENGLISH.isdisjoint(words)
    return "precision" if is_english and text.slice(index, index + 1).isascii() else name


def _is_unwanted(text: Text, first: int) -> bool:
    return any(
        hit.last >= first - 1 for hit in text.find("negation", first=max(0, first - 4), last=first)
    )


def choose_metric(
    wishes: Sequence[MetricWish],
    metrics: Sequence[str],
    *,
    role: str | None = None,
    elsewhere: Sequence[MetricWish] = (),
) -> str | None:
    """The metric for a target: one that suits its role, and rather one that is asked for.

    elsewhere: the wishes for other tasks; one that is for several is only for those it suits.
    """
    known = [wish for wish in wishes if wish.name in metrics]
    known.sort(key=lambda wish: (not suits(wish.name, role), wish.is_weak))
    chosen = next(iter(known), None)
    if chosen is None or (not suits(chosen.name, role) and chosen in elsewhere):
        return None
    return chosen.name


def suits(metric: str, role: str | None) -> bool:
    """Whether a metric is usual for a target with this role."""
    if role in CLASS_ROLES:
        return metric not in _REGRESSION_METRICS
    return role != "numeric" or metric not in _CLASSIFICATION_METRICS


def tell_unknown(wishes: Sequence[MetricWish], metrics: Sequence[str]) -> str:
    """The sentence about a metric that is not registered; empty if all are."""
    unknown = [wish.name for wish in wishes if wish.name not in metrics]
    if not unknown:
        return ""
    return f"There is no metric {unknown[0]!r}.{suggest(unknown[0], metrics)}"
