"""How alike two label spaces are, by the names of their classes or of their targets.

AutoML-GPT (arXiv 2305.02499, section 4) takes settings over from data sets with similar label
spaces; here that is the mean, in both directions, of how well each class is matched.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from automl_agent.cards.data_card import Classes, DataCard
from automl_agent.knowledge.encoding.card_text import shorten_text
from automl_agent.knowledge.encoding.encoder import Array

Embed: TypeAlias = Callable[[Sequence[str]], Array | None]
# A thousand classes say what they are about with the first of them.
_N_NAMES = 20
_N_CHARACTERS = 60
# Words that have nothing to do with each other have about this cosine in sentence encoders.
_UNRELATED_COSINE = 0.3
# Names that any label space may have, whatever it is about.
_EMPTY_NAMES = frozenset(
    (
        "yes",
        "no",
        "true",
        "false",
        "positive",
        "negative",
        "pos",
        "neg",
        "success",
        "failure",
        "normal",
        "abnormal",
        "good",
        "bad",
        "low",
        "medium",
        "high",
        "other",
        "others",
        "unknown",
        "none",
        "missing",
        "class",
        "classes",
        "label",
        "target",
        "output",
        "outcome",
        "response",
        "result",
        "value",
        "score",
        "type",
        "category",
        "group",
    )
)
_CLASS_NUMBER = re.compile(r"(class|label|category|group|type|level|c|y)? ?-?[\d.]+")


def name_labels(card: DataCard) -> tuple[str, ...]:
    """The names that say what a card's labels are: of its classes, else of its target.

    Names such as 0, yes or positive are left out; empty if nothing else is there.
    """
    if isinstance(card.label_space, Classes):
        names = _drop_empty(card.label_space.classes)
        if len(names) > 1:
            return names
    return _drop_empty((card.target or "",))


def compare_labels(
    one: Sequence[str], other: Sequence[str], vectors: Mapping[str, Array] | None = None
) -> float | None:
    """How alike two label spaces are, 0 to 1; None if one of them says nothing.

    one, other: as `name_labels` gives them. vectors: embeddings of the names, unit length; names
        without one are the same or have nothing in common.
    """
    if not one or not other:
        return None
    known = vectors or {}
    there = [max(_compare_names(name, match, known) for match in other) for name in one]
    back = [max(_compare_names(name, match, known) for match in one) for name in other]
    return (sum(there) / len(there) + sum(back) / len(back)) / 2


def embed_names(label_spaces: Sequence[Sequence[str]], embed: Embed) -> dict[str, Array]:
    """The embeddings of all names in these label spaces; empty without an encoder."""
    names = sorted({name for space in label_spaces for name in space})
    vectors = embed(names) if names else None
    return {} if vectors is None else dict(zip(names, vectors, strict=True))


@cache
def normalize_name(name: str) -> str:
    """The name in lower case, with single spaces for all that is neither letter nor digit."""
    text = unicodedata.normalize("NFKC", shorten_text(name, _N_CHARACTERS)).casefold()
    # 1.0 stays a number; a minus or dot elsewhere is a space between words.
    parts = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", text)
    return " ".join(parts)


def _drop_empty(names: Sequence[str]) -> tuple[str, ...]:
    found = dict.fromkeys(normalize_name(name) for name in names[: 5 * _N_NAMES])
    return tuple(name for name in found if _says_something(name))[:_N_NAMES]


def _says_something(name: str) -> bool:
    # A single Latin letter is a grade or a code; a single Chinese character is a word.
    is_letter = len(name) < 2 and name.isascii()
    return not (is_letter or name in _EMPTY_NAMES or _CLASS_NUMBER.fullmatch(name))


def _compare_names(one: str, other: str, vectors: Mapping[str, Array]) -> float:
    if one == other:
        return 1.0
    if one not in vectors or other not in vectors:
        return 0.0
    cosine = float(vectors[one] @ vectors[other])
    return min(max((cosine - _UNRELATED_COSINE) / (1 - _UNRELATED_COSINE), 0.0), 1.0)
