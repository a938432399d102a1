"""Reading what a person wants changed after a round: "smaller and faster, not xgboost"."""

from collections.abc import Mapping, Sequence

from automl_agent.controllers.reading.columns import find_spans
from automl_agent.controllers.reading.constraints import find_limits, find_wishes
from automl_agent.controllers.reading.experts import choose_experts, find_expert_wishes
from automl_agent.controllers.reading.metrics import choose_metric, find_metric_wishes
from automl_agent.controllers.reading.reading import Feedback
from automl_agent.controllers.reading.words import Text, is_name_part, read_text

_NOT_NAMES = (
    "filler",
    "and",
    "from",
    "family",
    "metric",
    "loss",
    "wish",
    "unit",
    "number",
    "limit",
    "cue",
)
_MAX_NAME_TOKENS, _MAX_LISTED_TOKENS = 5, 60
_COMMAS = (",", "、", "or", '"', "'", "`")


def read_feedback(words: str, *, experts: Mapping[str, str], metrics: Sequence[str]) -> Feedback:
    """What the words want changed.

    experts: the names of those installed, with what their cards say of their structure. metrics:
    the names of those registered, first that of the task: "lose at most 1 %" is of it.
    """
    text = read_text(words)
    spans = find_spans(text)
    limits = find_limits(text, metrics, taken=frozenset())
    wishes = find_expert_wishes(text, spans, experts)
    wanted, excluded, _ = choose_experts(wishes, experts)
    asked = [(hit.first, hit.value) for hit in find_wishes(text, limits)]
    found = [*asked, *((limit.first, limit.text) for limit in limits if limit.text)]
    constraints = tuple(dict.fromkeys(constraint for _, constraint in sorted(found)))
    n_trials = [int(lim.value) for lim in limits if lim.measure == "n_trials" and lim.value >= 1]
    times = [lim.value for lim in limits if lim.measure == "time_s" and lim.value > 0]
    metric = choose_metric(find_metric_wishes(text, spans, metrics, limits), metrics)
    expert_tokens = {i for wish in wishes for i in range(wish.first, wish.last)}
    drop = _find_dropped(text, expert_tokens)
    understood = (constraints, wanted, excluded, metric, drop, n_trials, times)
    return Feedback(
        constraints=constraints,
        experts=wanted,
        excluded_experts=excluded,
        metric=metric,
        drop=drop,
        n_trials=next(iter(n_trials), None),
        time_s=next(iter(times), None),
        is_understood=any(understood),
    )


def _find_dropped(text: Text, expert_tokens: set[int]) -> tuple[str, ...]:
    """The names behind "ignore", as written: there is no table to look them up in."""
    names: list[str] = []
    for hit in text.find("ignore"):
        names += _read_names(text, hit.last, expert_tokens)
    return tuple(dict.fromkeys(names))


def _read_names(text: Text, first: int, expert_tokens: set[int]) -> list[str]:
    last = min(first + _MAX_LISTED_TOKENS, len(text.tokens))
    place = {"first": first, "last": last}
    blocked = {i for h in text.find(*_NOT_NAMES, **place) for i in range(h.first, h.last)}
    joins = {i for h in text.find("and", "filler", **place) for i in range(h.first, h.last)}
    names: list[str] = []
    index = first
    while index < last:
        start = index
        while index < last and _is_name(text, index, blocked | expert_tokens):
            index += 1
        if index > start and index - start <= _MAX_NAME_TOKENS:
            names.append(text.slice(start, index))
        elif index > start or not (index in joins or text.tokens[index].word in _COMMAS):
            return names
        index += index == start
    return names


def _is_name(text: Text, index: int, blocked: set[int]) -> bool:
    word = text.tokens[index].word
    return index not in blocked and (is_name_part(text.tokens[index]) or word in ("_", "-", "/"))
