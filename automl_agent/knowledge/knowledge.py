"""Everything that is known of earlier trainings: one's own, and what came with packages."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from automl_agent import __version__
from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.archive import Archive
from automl_agent.knowledge.records.packages import KnowledgeSource, find_base, find_packages
from automl_agent.knowledge.records.record import KnownCard, Record
from automl_agent.knowledge.records.store import KnowledgeStore


@dataclass
class Knowledge:
    """Cards and records of earlier trainings; nothing is read before it is asked for.

    Settings of a record need not lie in the present search space of its expert, who may have been
    updated since: check them before use. What cannot be read is left out, with a warning.
    remembers: whether `add` keeps anything.
    """

    store: KnowledgeStore
    remembers: bool = True
    _warnings: list[str] = field(default_factory=list)

    @property
    def cards(self) -> Sequence[KnownCard]:
        """All cards that records are there for, each once: one's own first, then packages'."""
        own = {card.card_id: card for card in self._read_own_cards()}
        others = [card for card_id, card in self._packaged_cards.items() if card_id not in own]
        return (*own.values(), *others)

    @property
    def cards_as_they_came(self) -> Sequence[KnownCard]:
        """All cards: packages' first, then one's own, of which a new one is the last."""
        own = {card.card_id: card for card in self._read_own_cards()}
        return tuple({**self._packaged_cards, **own}.values())

    @cached_property
    def _packaged_cards(self) -> Mapping[str, KnownCard]:
        cards: dict[str, KnownCard] = {}
        for _, archive in self.packages:
            for card_id, card in archive.cards.items():
                cards.setdefault(card_id, card)
        return cards

    def records(
        self, expert: str | None = None, card_ids: Collection[str] | None = None
    ) -> Sequence[Record]:
        """The records of an expert, and of some cards; None for all. One's own come first."""
        try:
            found = self.store.records(card_ids, expert)
        except KnowledgeError as exc:
            self._warn(exc)
            found = []
        for _, archive in self.packages:
            found += archive.records(expert=expert, card_ids=card_ids)
        return found

    def count_records(self, card_id: str) -> Mapping[str, int]:
        """The number of a card's records by expert."""
        counts: Counter[str] = Counter()
        try:
            counts += self.store.count_records(card_id)
        except KnowledgeError as exc:
            self._warn(exc)
        for _, archive in self.packages:
            counts += archive.count_records(card_id)
        return counts

    def add(self, known: KnownCard, record: Record) -> None:
        """Keep a record, if anything is to be remembered; a record that is there already is not.

        Raises: KnowledgeError if it cannot be kept.
        """
        if self.remembers:
            self.store.add(known, record)

    @property
    def warnings(self) -> Sequence[str]:
        """What a person should know of what was read so far, a sentence each."""
        return (*self.store.warnings, *self._warnings)

    @cached_property
    def packages(self) -> Sequence[tuple[KnowledgeSource, Archive]]:
        """The knowledge of packages that can be read: of this package first, then by name."""
        return tuple(self._read_packages())

    def _read_packages(self) -> Iterator[tuple[KnowledgeSource, Archive]]:
        for source in (*find_base(__version__), *find_packages(self._warnings)):
            try:
                yield source, source.read()
            except KnowledgeError as exc:
                self._warn(exc)

    def _read_own_cards(self) -> Sequence[KnownCard]:
        try:
            return self.store.cards()
        except KnowledgeError as exc:
            self._warn(exc)
            return ()

    def _warn(self, exc: KnowledgeError) -> None:
        if str(exc) not in self._warnings:
            self._warnings.append(str(exc))


def open_knowledge(home: Path, *, remembers: bool = True) -> Knowledge:
    """The knowledge of this machine, whose own lies below the folder of the state."""
    return Knowledge(KnowledgeStore(home / "knowledge" / "knowledge.sqlite"), remembers)
