"""Where a text names the columns of a table. Names are data: they are compared, never compiled."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from automl_agent.controllers.reading.reading import Table
from automl_agent.controllers.reading.words import (
    Text,
    Token,
    is_name_part,
    read_text,
    stem,
)

# How sure it is that words mean a column.
LITERAL, SPELLED, STEMMED, MEANT, GUESSED = 5, 4, 3, 2, 1
_MAX_NAME_TOKENS = 12
_MIN_PART_LETTERS = 3
# One word of a longer name says too little.
_MAX_PARTS = 4
# Guessing compares every word with every name.
_MAX_GUESSED_COLUMNS = 300
_MIN_GUESSED_LETTERS = 4
# In a wider table a part of a name tells little, and taking names apart takes time.
_MAX_SPLIT_COLUMNS = 2_000
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNIT = re.compile(r"\([^()]*\)\s*$")


@dataclass(frozen=True)
class Mention:
    """Words that mean one of these columns; first, last: their tokens, the last not included."""

    first: int
    last: int
    columns: tuple[str, ...]
    quality: int


class Span(NamedTuple):
    """Tokens that may be one name; key: their words joined; stemmed: the last without ending."""

    first: int
    last: int
    key: str
    stemmed: str


class ColumnNames:
    """The names of a table's columns, made ready for looking them up."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._by_key: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_part: dict[str, list[str]] = defaultdict(list)
        self._by_field: dict[str, list[str]] = defaultdict(list)
        for column in table.columns:
            self._add(column)

    def _add(self, column: str) -> None:
        for name in dict.fromkeys((column, _UNIT.sub("", column))):
            tokens = _name_tokens(name)
            if not tokens:
                continue
            _append(self._by_key, join_words(tokens), column)
            _append(self._by_stem, _join_stemmed(tokens), column)
        if len(self.table.columns) > _MAX_SPLIT_COLUMNS:
            return
        split = read_text(_CAMEL.sub(" ", column)[:200].replace("_", " "))
        words = [t.word for t in split.tokens if is_name_part(t)]
        if 1 < len(words) <= _MAX_PARTS:
            for word in words:
                if len(word) >= _MIN_PART_LETTERS:
                    _append(self._by_part, stem(word), column)
        for hit in split.find("field"):
            _append(self._by_field, hit.value, column)

    def find(self, text: Text, spans: Sequence[Span]) -> list[Mention]:
        """The mentions in a text, in order; of those that overlap, the surest and longest."""
        found = [
            *self._find_names(text, spans),
            *self._find_odd_names(text),
            *self._find_fields(text),
        ]
        found.sort(key=lambda m: (-m.quality, m.first - m.last, m.first))
        taken: set[int] = set()
        kept = []
        for mention in found:
            places = range(mention.first, mention.last)
            if not taken.intersection(places):
                taken.update(places)
                kept.append(mention)
        return sorted(kept, key=lambda m: m.first)

    def fields_of(self, columns: Sequence[str]) -> frozenset[str]:
        """What the columns are about, by the list of fields."""
        return frozenset(f for f, named in self._by_field.items() if {*columns} & {*named})

    def keys(self) -> frozenset[str]:
        """Everything that words are compared with."""
        return frozenset(self._by_key) | frozenset(self._by_stem) | frozenset(self._by_part)

    def guess(self, text: Text, index: int) -> Mention | None:
        """The column that a word was probably meant to be, letters apart."""
        word = text.tokens[index].word
        keys = [k for k in self._by_key if len(k) >= _MIN_GUESSED_LETTERS]
        if len(word) < _MIN_GUESSED_LETTERS or not keys or len(keys) > _MAX_GUESSED_COLUMNS:
            return None
        near = get_close_matches(word[:60], keys, n=1, cutoff=0.75)
        # Names that differ in a number are different names.
        if not near or _digits(near[0]) != _digits(word):
            return None
        return Mention(index, index + 1, tuple(self._by_key[near[0]]), GUESSED)

    def _find_names(self, text: Text, spans: Sequence[Span]) -> Iterator[Mention]:
        for span in spans:
            first, last = span.first, span.last
            if columns := self._by_key.get(span.key):
                yield self._spelled(text.slice(first, last), columns, first, last)
            elif columns := self._by_stem.get(span.stemmed):
                yield Mention(first, last, tuple(columns), STEMMED)
            elif last - first == 1 and (parts := self._by_part.get(span.stemmed)):
                yield Mention(first, last, tuple(parts), MEANT)

    def _spelled(self, written: str, columns: Sequence[str], first: int, last: int) -> Mention:
        exact = tuple(column for column in columns if column == written)
        quality = LITERAL if exact else SPELLED
        return Mention(first, last, exact or tuple(columns), quality)

    def _find_odd_names(self, text: Text) -> Iterator[Mention]:
        """Names made of signs alone, such as ".*"; they must stand alone or in quotes."""
        for column in self.table.columns:
            if column.strip() and not _name_tokens(column) and len(column) < 50:
                yield from _find_signs(text, column.strip(), column)

    def _find_fields(self, text: Text) -> Iterator[Mention]:
        for hit in text.find("field"):
            columns = self._by_field.get(hit.value)
            if columns:
                yield Mention(hit.first, hit.last, tuple(columns), MEANT)


def find_spans(text: Text) -> list[Span]:
    """The runs of tokens that may be one name."""
    stems = [stem(token.word) for token in text.tokens]
    return [s for first in range(len(text.tokens)) for s in _spans_from(text, first, stems)]


def _spans_from(text: Text, first: int, stems: Sequence[str]) -> Iterator[Span]:
    tokens, key = text.tokens, ""
    for index in range(first, min(first + _MAX_NAME_TOKENS, len(tokens))):
        if index > first and not _may_join(text, index):
            return
        if is_name_part(tokens[index]):
            yield Span(first, index + 1, key + tokens[index].word, key + stems[index])
            key += tokens[index].word
        elif index == first:
            return


def keep_known(spans: Sequence[Span], columns: Sequence[ColumnNames]) -> list[Span]:
    """The spans that are a column's name, or a part of one, in any of the tables."""
    known = frozenset().union(*(names.keys() for names in columns))
    return [span for span in spans if span.key in known or span.stemmed in known]


def _may_join(text: Text, index: int) -> bool:
    """Whether a token can belong to one name with the token before it."""
    gap = text.text[text.tokens[index - 1].end : text.tokens[index].start]
    if len(gap) > 1 or "\n" in gap:
        return False
    word, before = text.tokens[index].word, text.tokens[index - 1].word
    # A full stop joins only without a blank: "a.b", not "a. B".
    return word not in ',;:!?"' and not (before in ".)" and gap)


def _find_signs(text: Text, signs: str, column: str) -> Iterator[Mention]:
    place = text.text.find(signs)
    while place >= 0:
        end = place + len(signs)
        around = text.text[max(0, place - 1) : place] + text.text[end : end + 1]
        if all(c.isspace() or c in "\"'`" for c in around):
            places = [i for i, t in enumerate(text.tokens) if t.start >= place and t.end <= end]
            if places:
                yield Mention(places[0], places[-1] + 1, (column,), LITERAL)
            return
        place = text.text.find(signs, place + 1)


def join_words(tokens: Iterable[Token]) -> str:
    """The words without what is between them: one key for "sale price" and "Sale_Price"."""
    return "".join(token.word for token in tokens if is_name_part(token))


def _join_stemmed(tokens: Sequence[Token]) -> str:
    parts = [token.word for token in tokens if is_name_part(token)]
    return "".join((*parts[:-1], stem(parts[-1])))


def _name_tokens(name: str) -> list[Token]:
    return [t for t in read_text(name[:200]).tokens if is_name_part(t)]


def _digits(word: str) -> str:
    return "".join(c for c in word if c.isdigit())


def _append(columns: dict[str, list[str]], key: str, column: str) -> None:
    if column not in columns[key]:
        columns[key].append(column)


def quote_names(names: Sequence[str], *, n: int = 20) -> str:
    """The names for a sentence, the first ones if they are many."""
    listed = ", ".join(repr(name) for name in names[:n])
    return listed + (", …" if len(names) > n else "")
