"""Which task of several a metric, an expert or a limit is for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeVar

from automl_agent.controllers.reading.constraints import Limit
from automl_agent.controllers.reading.cores import Core, Words
from automl_agent.controllers.reading.experts import ExpertWish
from automl_agent.controllers.reading.metrics import MetricWish
from automl_agent.controllers.reading.passages import find_breaks
from automl_agent.controllers.reading.words import Hit


class _Placed(Protocol):
    @property
    def first(self) -> int: ...


T = TypeVar("T", bound=_Placed)


@dataclass(frozen=True)
class Terms:
    """Everything that is asked of one task, or of all; wishes: for a smaller model and the like."""

    metrics: Sequence[MetricWish]
    experts: Sequence[ExpertWish]
    limits: Sequence[Limit]
    wishes: Sequence[Hit]


@dataclass(frozen=True)
class _Order:
    """Where tasks begin, and where the sentences end that name their targets.

    has_own, has_trailing: whether a task before the last has terms in its words, and in sentences
    behind its own.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    is_apart: bool
    has_own: bool = False
    has_trailing: bool = False

    def owner(self, place: int) -> int:
        """The task in whose words a token stands; -1: before all."""
        return sum(start <= place for start in self.starts) - 1

    def is_for(self, place: int, task: int) -> bool:
        """Whether what stands there is about a task.

        What stands before the first task is about all; so is what stands behind the last one,
        unless the others have the like.
        """
        owner, last = self.owner(place), len(self.starts) - 1
        if owner < last or last == 0:
            return owner in (-1, task)
        is_own = self.has_trailing if place >= self.ends[last] else self.has_own or self.is_apart
        return task == last or not is_own


def share_terms(words: Words, cores: Sequence[Core], terms: Terms) -> list[Terms]:
    """The terms of each task."""
    places = [
        term.first
        for terms_of_kind in (terms.metrics, terms.experts, terms.limits, terms.wishes)
        for term in terms_of_kind
    ]
    order = _find_order(words, cores, places)
    return [
        Terms(
            _choose(terms.metrics, order, task),
            _choose(terms.experts, order, task),
            _choose(terms.limits, order, task),
            _choose(terms.wishes, order, task),
        )
        for task in range(len(cores))
    ]


def _choose(terms: Sequence[T], order: _Order, task: int) -> list[T]:
    return [term for term in terms if order.is_for(term.first, task)]


def find_starts(words: Words, cores: Sequence[Core]) -> list[int]:
    """For each task, the token with which the words about it begin."""
    breaks = sorted(find_breaks(words.text, words.ends, words.names))
    starts = [0] if len(cores) == 1 else [_break_before(breaks, cores[0])]
    for before, core in pairwise(cores):
        own = core.start if core.start > before.first else _break_before(breaks, core)
        starts.append(max(own, starts[-1]))
    return starts


def _break_before(breaks: Sequence[int], core: Core) -> int:
    return max((place for place in breaks if place <= core.first), default=0)


def _find_order(words: Words, cores: Sequence[Core], places: Sequence[int]) -> _Order:
    sentence_ends = sorted({*words.ends, len(words.text.tokens) + 1})
    ends = [next(end for end in sentence_ends if end > core.first) for core in cores]
    is_apart = len(cores) > 1 and ends[-2] <= cores[-1].first
    order = _Order(find_starts(words, cores), ends, is_apart)
    owned = [(p, order.owner(p)) for p in places if 0 <= order.owner(p) < len(cores) - 1]
    return _Order(
        order.starts,
        ends,
        is_apart,
        has_own=bool(owned),
        has_trailing=any(place >= ends[owner] for place, owner in owned),
    )
