"""Cutting a text into passages, one for each table that it names."""

from collections.abc import Sequence

from automl_agent.controllers.reading.tables import TableMention
from automl_agent.controllers.reading.words import Text

_MAX_MENTIONS = 40
_SENTENCE, _NEW_CLAUSE, _AND, _COMMA = 4, 3, 2, 1


def find_ends(text: Text, names: frozenset[int]) -> frozenset[int]:
    """The tokens before which a sentence is over, or a line begins."""
    return frozenset(i for i in range(1, len(text.tokens)) if _starts_sentence(text, i, names))


def _starts_sentence(text: Text, index: int, names: frozenset[int]) -> bool:
    before, token = text.tokens[index - 1], text.tokens[index]
    gap = text.text[before.end : token.start]
    if "\n" in gap:
        return True
    if index - 1 in names and index in names:
        return False
    is_numbered = index > 1 and text.tokens[index - 2].word.isdigit()
    is_stop = before.word == "." and bool(gap) and not is_numbered
    return is_stop or before.word in ("。", ";", "!", "?", "|")


def find_breaks(text: Text, ends: frozenset[int], names: frozenset[int]) -> dict[int, int]:
    """Where a new part may begin: token → how strongly the text is parted before it."""
    breaks = dict.fromkeys(ends, _SENTENCE)
    for hit in text.find("and"):
        after_comma = hit.first > 0 and text.tokens[hit.first - 1].word in ",、"
        breaks.setdefault(hit.first, _NEW_CLAUSE if after_comma else _AND)
    for index, token in enumerate(text.tokens):
        if token.word in (",", "、") and index not in names:
            breaks.setdefault(index + 1, _COMMA)
    return breaks


def merge_mentions(mentions: Sequence[TableMention]) -> list[TableMention]:
    """The mentions, of several in a row that mean the same table only the first."""
    merged: list[TableMention] = []
    for mention in mentions[:_MAX_MENTIONS]:
        if not merged or merged[-1].tables != mention.tables:
            merged.append(mention)
    return merged


def cut(
    text: Text,
    mentions: Sequence[TableMention],
    breaks: dict[int, int],
    topics: Sequence[frozenset[int]],
) -> list[tuple[int, int]]:
    """The first token, and the one after the last, of the passage about each mention.

    topics: for each mention, the tokens that may be about it: its columns, and verbs.
    """
    starts = [0]
    for left, right in zip(range(len(mentions)), range(1, len(mentions)), strict=False):
        is_open = not _has(topics[left], starts[-1], mentions[left].first)
        gap = range(mentions[left].last, mentions[right].first + 1)
        starts.append(
            max(
                (place for place in gap if place in breaks or place == gap[-1]),
                key=lambda place, left=left, right=right, is_open=is_open, gap=gap: (  # type: ignore[misc]
                    breaks.get(place, 0)
                    + 4 * (is_open and _has(topics[left], gap[0], place))
                    + 3 * (_has(topics[right], place, gap[-1]) and not is_open),
                    place,
                ),
            )
        )
    return list(zip(starts, [*starts[1:], len(text.tokens)], strict=True))


def _has(topics: frozenset[int], first: int, last: int) -> bool:
    return any(first <= i < last for i in topics)
