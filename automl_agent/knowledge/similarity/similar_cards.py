"""The known data cards that are most like another one, and in what."""

from collections.abc import Sequence
from dataclasses import dataclass

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.metric import Task
from automl_agent.knowledge.encoding.card_text import describe_card
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.records.record import KnownCard
from automl_agent.knowledge.similarity.label_space import compare_labels, embed_names, name_labels
from automl_agent.knowledge.similarity.meta_features import compare_features, measure_card
from automl_agent.knowledge.similarity.text_index import TextIndex


@dataclass(frozen=True)
class Weights:
    """How much each part counts, at least 0; without an encoder the others count for more."""

    label_space: float
    text: float
    meta: float


@dataclass(frozen=True)
class SimilarCard:
    """A known card and how alike it is, in all and in its parts, each 0 to 1.

    label_space: None if one of the two names nothing. text: None without an encoder.
    """

    known: KnownCard
    similarity: float
    label_space: float | None
    text: float | None
    meta: float


WEIGHTS = Weights(label_space=0.3, text=0.3, meta=0.4)
# What is left of the similarity when the kind of task differs: settings for two classes may do for
# several, but a regression has another loss.
OTHER_CLASSES = 0.6
OTHER_KIND = 0.2
# What a label space that says nothing counts as: a little more than one that is about other things.
UNKNOWN_LABELS = 0.2
# So many cards are compared in all parts, which takes some 50 ms.
N_COMPARED = 1_000
# The names of classes are embedded only for the cards that are near without them.
_N_SHORTLISTED = 30


def find_similar(
    card: DataCard,
    known: Sequence[KnownCard],
    *,
    texts: TextSpace,
    k: int,
    weights: Weights = WEIGHTS,
    index: TextIndex | None = None,
) -> list[SimilarCard]:
    """The k most similar cards, best first; ties in the order of the known cards.

    index: of all known cards and perhaps more; without one, it is made for this search. Of very
        many cards those with the nearest texts are compared in all their parts.
    """
    if not known or k < 1:
        return []
    index = index or TextIndex(texts, lambda: known)
    cosines = index.search(card, known, max(N_COMPARED, k))
    own_features, own_names = measure_card(card), name_labels(card)
    found = []
    for other in known:
        if cosines is None or other.card_id in cosines:
            cosine = None if cosines is None else cosines[other.card_id]
            meta = compare_features(own_features, measure_card(other.card))
            labels = compare_labels(own_names, name_labels(other.card))
            found.append(_join(card, other, (labels, cosine, meta), weights))
    found.sort(key=lambda similar: -similar.similarity)
    shortlist = found[: max(_N_SHORTLISTED, k)]
    spaces = [own_names, *(name_labels(similar.known.card) for similar in shortlist)]
    vectors = embed_names(spaces, texts.embed)
    refined = []
    for similar, names in zip(shortlist, spaces[1:], strict=True):
        labels = compare_labels(own_names, names, vectors)
        parts = (labels, similar.text, similar.meta)
        refined.append(_join(card, similar.known, parts, weights))
    return sorted(refined, key=lambda similar: -similar.similarity)[:k]


def list_texts(known: Sequence[KnownCard]) -> list[str]:
    """All that `find_similar` may have to embed for these cards, to be embedded beforehand."""
    texts = [describe_card(other.card) for other in known]
    return texts + [name for other in known for name in name_labels(other.card)]


def describe_shares(similar: Sequence[SimilarCard]) -> str:
    """The paper's wording: "60 % label-space similarity with A, 40 % with B"; empty for none.

    The shares sum up to 100 %. Where no label space says anything, they are of the whole
    similarity.
    """
    labels = [card.label_space or 0.0 for card in similar]
    kind = "label-space similarity" if any(labels) else "similarity"
    parts = labels if any(labels) else [card.similarity for card in similar]
    named = [
        (share, card.known.card.name)
        for share, card in zip(_share_percent(parts), similar, strict=True)
        if share
    ]
    if not named:
        return ""
    first, *others = named
    texts = [f"{first[0]} % {kind} with {first[1]}", *(f"{s} % with {name}" for s, name in others)]
    return ", ".join(texts)


def compare_tasks(one: Task, other: Task) -> float:
    """What is left of a similarity between cards of these tasks, 0 to 1."""
    if one == other:
        return 1.0
    return OTHER_KIND if "regression" in (one, other) else OTHER_CLASSES


def _join(
    card: DataCard,
    other: KnownCard,
    parts: tuple[float | None, float | None, float],
    weights: Weights,
) -> SimilarCard:
    labels, text, meta = parts
    weighted = [
        # Left out, an unknown label space would put a card before those with a rather similar one.
        (weights.label_space, UNKNOWN_LABELS if labels is None else labels),
        (weights.meta, meta),
        *([] if text is None else [(weights.text, text)]),
    ]
    total = sum(weight for weight, _ in weighted)
    mean = sum(weight * part for weight, part in weighted) / total if total else 0.0
    similarity = mean * compare_tasks(card.task, other.card.task)
    return SimilarCard(other, similarity, labels, text, meta)


def _share_percent(parts: Sequence[float]) -> list[int]:
    """The parts in whole percents that sum up to 100: the largest remainders are rounded up."""
    total = sum(parts)
    if total <= 0:
        return [0] * len(parts)
    exact = [100 * part / total for part in parts]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda row: shares[row] - exact[row])
    for row in by_remainder[: 100 - sum(shares)]:
        shares[row] += 1
    return shares
