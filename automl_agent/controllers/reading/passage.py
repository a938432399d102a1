"""A part of a text, and what it says is to be predicted."""

from dataclasses import dataclass, field

from automl_agent.controllers.reading.columns import ColumnNames, Mention
from automl_agent.controllers.reading.words import Hit, Text


@dataclass(frozen=True)
class Target:
    """A target that was found: one column, or several of which the words do not tell which.

    quality: of its mention. score: how sure it is; compared between tables. first, last: the
    tokens that name it.
    """

    columns: tuple[str, ...]
    quality: int
    score: float
    first: int
    last: int


@dataclass(frozen=True)
class Missing:
    """Something to predict that is no column: the words for it."""

    words: str


@dataclass(frozen=True)
class Passage:
    """A part of a text, and what is known of its tokens.

    mentions: of one table's columns. names: tokens of tables' and files' names. ends: tokens that
    end a sentence, or before which a line begins.
    """

    text: Text
    first: int
    last: int
    mentions: tuple[Mention, ...]
    names: frozenset[int]
    ends: frozenset[int]
    columns: ColumnNames
    _hits: dict[tuple[str, ...], list[Hit]] = field(default_factory=dict, compare=False)
    _covered: dict[tuple[str, ...], frozenset[int]] = field(default_factory=dict, compare=False)

    def hits(self, *kinds: str) -> list[Hit]:
        """The phrases of these kinds in the passage."""
        if kinds not in self._hits:
            self._hits[kinds] = self.text.find(*kinds, first=self.first, last=self.last)
        return self._hits[kinds]

    def within(self, first: int, last: int) -> list[Mention]:
        """The mentions between two tokens."""
        return [m for m in self.mentions if first <= m.first and m.last <= last]

    def covered(self, *kinds: str) -> frozenset[int]:
        """The tokens that belong to phrases of these kinds."""
        if kinds not in self._covered:
            hits = self.hits(*kinds)
            self._covered[kinds] = frozenset(i for h in hits for i in range(h.first, h.last))
        return self._covered[kinds]

    def sentence_end(self, index: int) -> int:
        """The end of the sentence that a token is in."""
        return min((i for i in self.ends if i >= index), default=self.last)

    def sentence_start(self, index: int) -> int:
        """The start of the sentence that a token is in."""
        return max((i for i in self.ends if i < index), default=self.first)
