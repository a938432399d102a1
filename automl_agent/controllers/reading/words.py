"""A person's words as tokens, and the phrases of the lexicon among them."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from automl_agent.controllers.reading.lexicon import PHRASES

# Nobody describes a training in more; it bounds the time that reading takes.
MAX_CHARACTERS = 4_000
# Chinese, Japanese and Korean do not part words, so each of their characters is a token.
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(
    rf"[{_CJK}]|(?:(?![{_CJK}])[^\W\d_])+|[0-9]+(?:[.,][0-9]+)*|(?<![\w.])\.[0-9]+|\S"
)
_ACCENTS = re.compile("[\u0300-\u036f]")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
# They may stand inside a phrase: "log-loss", "log_loss".
_JOINTS = ("-", "_")


@dataclass(frozen=True)
class Token:
    """A word, a number or a sign; word: folded; start, end: its place in the text."""

    word: str
    start: int
    end: int


@dataclass(frozen=True)
class Hit:
    """A phrase of the lexicon; first, last: its tokens, the last one not included."""

    kind: str
    value: str
    first: int
    last: int


@dataclass(frozen=True)
class Text:
    """A text, its tokens, and the phrases among them in the order in which they begin."""

    text: str
    tokens: tuple[Token, ...]
    hits: tuple[Hit, ...]

    def find(self, *kinds: str, first: int = 0, last: int | None = None) -> list[Hit]:
        """The phrases of these kinds that lie between two tokens."""
        end = len(self.tokens) if last is None else last
        start = bisect_left(self.hits, first, key=lambda hit: hit.first)
        stop = bisect_left(self.hits, end, key=lambda hit: hit.first)
        return [h for h in self.hits[start:stop] if h.kind in kinds and h.last <= end]

    def has(self, *kinds: str, first: int = 0, last: int | None = None) -> bool:
        """Whether there is such a phrase."""
        return bool(self.find(*kinds, first=first, last=last))

    def slice(self, first: int, last: int) -> str:
        """The text from one token up to another, as the person wrote it."""
        if first >= last:
            return ""
        return self.text[self.tokens[first].start : self.tokens[last - 1].end]


def read_text(words: str) -> Text:
    """The beginning of a person's words, in tokens."""
    text = unicodedata.normalize("NFKC", words[:MAX_CHARACTERS])[:MAX_CHARACTERS]
    text = text.replace("\u2019", "'")
    tokens = split_tokens(text)
    return Text(text, tokens, tuple(_drop_contained(list(_find_hits(tokens)))))


def without(text: Text, masked: Container[int]) -> Text:
    """The text without the phrases that touch these tokens: they are names."""
    kept = tuple(h for h in text.hits if not any(i in masked for i in range(h.first, h.last)))
    return Text(text.text, text.tokens, kept)


def split_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a text in NFKC."""
    return tuple(Token(fold(m.group()), m.start(), m.end()) for m in _TOKEN.finditer(text))


def fold(word: str) -> str:
    """The word without case and accents."""
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", word)).casefold()
    return unicodedata.normalize("NFC", bare)


def stem(word: str) -> str:
    """The word without the usual English endings; not a word, only good to compare."""
    if len(word) > 4 and word.endswith(("ies", "ied")):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s"):
        if len(word) > len(ending) + 2 and word.endswith(ending) and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    word = word[:-1] if len(word) > 3 and word.endswith("e") else word
    is_doubled = len(word) > 3 and word[-1] == word[-2] and word[-1] in "bdgmnprt"
    return word[:-1] if is_doubled else word


def is_name_part(token: Token) -> bool:
    """Whether a token can be a part of a name: no sign."""
    return token.word[:1].isalnum()


def parse_number(word: str) -> float | None:
    """The number, written with a decimal point or comma; None if it is none."""
    if not word.lstrip(".")[:1].isdigit():
        return None
    plain = word.replace(",", "") if _THOUSANDS.fullmatch(word) else word.replace(",", ".")
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if number < 1e12 else None


@dataclass
class _Node:
    """A place in the tree of phrases; a key that ends in * fits every word that begins so."""

    exact: dict[str, "_Node"] = field(default_factory=dict)
    beginnings: dict[str, "_Node"] = field(default_factory=dict)
    ends: list[tuple[str, str]] = field(default_factory=list)

    def follow(self, word: str) -> Iterator["_Node"]:
        if word in self.exact:
            yield self.exact[word]
        if self.beginnings:
            for length in range(1, len(word) + 1):
                if word[:length] in self.beginnings:
                    yield self.beginnings[word[:length]]


@cache
def _phrase_tree() -> _Node:
    root = _Node()
    for kind, values in PHRASES.items():
        for value, phrases in values.items():
            for phrase in phrases.split("|"):
                _add_phrase(root, phrase.strip(), (kind, value))
    return root


def _add_phrase(root: _Node, phrase: str, end: tuple[str, str]) -> None:
    node, phrase = root, unicodedata.normalize("NFKC", phrase)
    tokens = split_tokens(phrase)
    for index, token in enumerate(tokens):
        if token.word == "*" and index:
            continue
        is_beginning = phrase[token.end : token.end + 1] == "*"
        branches = node.beginnings if is_beginning else node.exact
        node = branches.setdefault(token.word, _Node())
    node.ends.append(end)


def _find_hits(tokens: Sequence[Token]) -> Iterator[Hit]:
    for first in range(len(tokens)):
        nodes, index = [_phrase_tree()], first
        while nodes and index < len(tokens):
            if index > first and tokens[index].word in _JOINTS:
                index += 1
                continue
            nodes = [child for node in nodes for child in node.follow(tokens[index].word)]
            index += 1
            for kind, value in {end: None for node in nodes for end in node.ends}:
                yield Hit(kind, value, first, index)


def _drop_contained(hits: list[Hit]) -> Iterator[Hit]:
    """Those that are no part of a longer one: "loss" means nothing in "log loss"."""
    longest: dict[int, int] = {}
    for hit in hits:
        longest[hit.first] = max(longest.get(hit.first, 0), hit.last)
    reach, reaches = 0, {}
    for first in sorted(longest):
        reaches[first] = reach
        reach = max(reach, longest[first])
    for hit in hits:
        if hit.last == longest[hit.first] and hit.last > reaches[hit.first]:
            yield hit
