"""Which experts a person wants, by name or by what kind of model they are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl_agent.controllers.reading.columns import Span, join_words
from automl_agent.controllers.reading.model_words import FAMILY_MARKS
from automl_agent.controllers.reading.words import Hit, Text, read_text, split_tokens

# What an expert is stands at the beginning of its text; later it may tell of others.
_BEGINNING = re.compile(r"[^.;:\n]{0,200}")
_MAX_NEGATION_GAP = 4


@dataclass(frozen=True)
class ExpertWish:
    """Words that want these experts, or that do not want them.

    experts: those installed, none if the words mean a kind of which none is. words: as written.
    """

    first: int
    last: int
    experts: tuple[str, ...]
    is_wanted: bool
    words: str


def find_expert_wishes(
    text: Text, spans: Sequence[Span], experts: Mapping[str, str]
) -> list[ExpertWish]:
    """The wishes in a text, in order."""
    names = {_key(name): name for name in experts}
    named: list[tuple[int, int, tuple[str, ...]]] = [
        (s.first, s.last, (names[s.key],)) for s in spans if s.key in names
    ]
    taken = {i for first, last, _ in named for i in range(first, last)}
    for hit in text.find("family"):
        if not taken.intersection(range(hit.first, hit.last)):
            named.append((hit.first, hit.last, find_family(hit.value, experts)))
    negated = _find_negated(text, sorted(named))
    return [
        ExpertWish(first, last, found, first not in negated, text.slice(first, last))
        for first, last, found in sorted(named)
    ]


def find_family(family: str, experts: Mapping[str, str]) -> tuple[str, ...]:
    """The experts of a kind of model, as their names and cards tell."""
    if family in experts:
        return (family,)
    marks = FAMILY_MARKS.get(family, (family,))
    found = [name for name, text in experts.items() if _is_marked(name, text, marks)]
    return tuple(found)


def _is_marked(name: str, text: str, marks: Sequence[str]) -> bool:
    if is_foreign(name, text):
        return False
    beginning = _BEGINNING.match(text)
    said = f"{name} {beginning.group() if beginning else ''}".replace("-", " ").lower()
    return any(mark in said for mark in marks)


def is_foreign(name: str, text: str) -> bool:
    """Whether an expert is for images, sounds or texts, as its name and card tell."""
    return read_text(f"{name}. {text}").has("modality")


def _find_negated(text: Text, named: Sequence[tuple[int, int, tuple[str, ...]]]) -> set[int]:
    """The first tokens of those that the person does not want."""
    negated: set[int] = set()
    before: tuple[int, bool] | None = None
    for first, last, _ in named:
        is_listed = before is not None and before[1] and _is_list(text, before[0], first)
        if is_listed or _is_negated(text, first, last):
            negated.add(first)
        before = (last, first in negated)
    return negated


def _is_list(text: Text, first: int, last: int) -> bool:
    words = {token.word for token in text.tokens[first:last]}
    return words <= {
        ",",
        "or",
        "and",
        "nor",
        "oder",
        "und",
        "ou",
        "et",
        "y",
        "o",
        "e",
        "any",
        "或",
        "和",
        "и",
        "或者",
    }


def _is_negated(text: Text, first: int, last: int) -> bool:
    hits = text.find("negation", "ignore", first=max(0, first - _MAX_NEGATION_GAP), last=first)
    return any(_reaches(text, hit, first) for hit in hits) or _is_negated_after(text, last)


def _reaches(text: Text, hit: Hit, first: int) -> bool:
    between = text.tokens[hit.last : first]
    return not any(token.word in ",.;:" or token.word in ("but", "sondern") for token in between)


def _is_negated_after(text: Text, last: int) -> bool:
    """Japanese and German may put it behind: "xgboostを使わずに", "xgboost nicht"."""
    hits = text.find("negation", first=last, last=last + 6)
    return any(
        (hit.first - last <= 1 and text.slice(hit.first, hit.last)[:1] >= "\u3040")
        or (hit.first == last and text.tokens[hit.first].word in ("nicht", "niet", "nie"))
        for hit in hits
    )


def choose_experts(
    wishes: Sequence[ExpertWish], experts: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """The experts that are wanted, those that are not, and a problem with a missing kind."""
    excluded = {name for wish in wishes if not wish.is_wanted for name in wish.experts}
    wanted = [name for wish in wishes if wish.is_wanted for name in wish.experts]
    chosen = tuple(name for name in dict.fromkeys(wanted) if name not in excluded)
    missing = [wish.words for wish in wishes if wish.is_wanted and not wish.experts]
    problem = ""
    if excluded and excluded.issuperset(experts):
        problem = "Every installed expert is excluded; all of them are tried."
    if missing:
        problem = (
            f"No installed expert is {missing[0]!r}; install a plugin for it, or choose from: "
            f"{', '.join(sorted(experts)[:20]) or 'none'}."
        )
    return chosen, tuple(name for name in experts if name in excluded), problem


def find_others(excluded: Sequence[str], experts: Mapping[str, str]) -> tuple[str, ...]:
    """The experts for tables that are not excluded; none if nothing is."""
    if not excluded:
        return ()
    return tuple(n for n, text in experts.items() if n not in excluded and not is_foreign(n, text))


def _key(name: str) -> str:
    return join_words(split_tokens(name))
