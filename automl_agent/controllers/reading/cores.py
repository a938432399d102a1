"""The tables and targets in a request, several of them where it names several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from automl_agent.controllers.reading import problems
from automl_agent.controllers.reading.columns import MEANT, ColumnNames, Mention, Span
from automl_agent.controllers.reading.field_words import TARGET_NAMES
from automl_agent.controllers.reading.passage import Missing, Passage, Target
from automl_agent.controllers.reading.passages import cut, find_breaks, merge_mentions
from automl_agent.controllers.reading.reading import Table
from automl_agent.controllers.reading.tables import TableMention
from automl_agent.controllers.reading.targets import Found, count_unknown, find_targets
from automl_agent.controllers.reading.words import Text

_MAX_CORES = 20
# A target that is this much less sure than another one in the same sentence is an accident.
_MAX_LAG = 5.0


@dataclass(frozen=True)
class Core:
    """A table and a target.

    first, last: the tokens that name the target. start: where the passage about it begins.
    """

    table: int
    target: str
    first: int
    last: int
    start: int = 0


@dataclass(frozen=True)
class Words:
    """The words of a request with what was found in them before the tasks are.

    written: as the person wrote them. spans: that may be names. mentions: of columns, for each
    table. named: the tables that the words name. missing: tokens of files that are not there.
    names: tokens of tables' and files' names. ends: tokens before which a sentence is over.
    """

    written: str
    text: Text
    spans: Sequence[Span]
    tables: Sequence[Table]
    columns: Sequence[ColumnNames]
    mentions: Sequence[tuple[Mention, ...]]
    named: Sequence[TableMention]
    missing: Sequence[tuple[int, int]]
    names: frozenset[int]
    ends: frozenset[int]

    def passage(self, first: int, last: int, table: int) -> Passage:
        """A part of the words, read with the columns of one table."""
        inside = tuple(m for m in self.mentions[table] if first <= m.first and m.last <= last)
        ends = frozenset(i for i in self.ends if first < i < last)
        names = self.columns[table]
        return Passage(self.text, first, last, inside, self.names, ends, names)


Cores = tuple[list[Core], list[str]]


def find_cores(words: Words) -> Cores:
    """What is to be predicted, and sentences about what is unclear or impossible."""
    if words.missing and not words.named:
        return [], []
    if words.text.has("each") and len(words.tables) > 1:
        cores, faults = _find_for_each(words)
    elif words.named:
        cores, faults = _find_in_named(words)
        if cores and not any(mention.is_file for mention in words.named):
            cores = [*cores, *_find_beside(words, cores)]
    elif len(words.tables) == 1:
        cores, faults = _find_in_passage(words, words.passage(0, len(words.text.tokens), 0), 0)
    else:
        cores, faults = _search_tables(words)
    unique = {(core.table, core.target): core for core in reversed(cores)}
    return sorted(unique.values(), key=lambda c: (c.first, c.table))[:_MAX_CORES], faults


def _find_for_each(words: Words) -> Cores:
    named = dict.fromkeys(t for mention in words.named for t in mention.tables)
    indices = list(named) if len(named) > 1 else range(len(words.tables))
    results = [
        _find_in_passage(words, words.passage(0, len(words.text.tokens), i), i) for i in indices
    ]
    return _join(results)


def _find_in_named(words: Words) -> Cores:
    mentions = merge_mentions(words.named)
    breaks = find_breaks(words.text, words.ends, words.names)
    topics = [_find_topics(words, mention) for mention in mentions]
    places = cut(words.text, mentions, breaks, topics)
    results: list[Cores] = []
    for mention, (first, last) in zip(mentions, places, strict=True):
        passages = [(words.passage(first, last, i), i) for i in mention.tables]
        results.append(
            _choose_table(words, mention, [_find_in_passage(words, p, i) for p, i in passages])
        )
    results = [
        ([replace(core, start=first) for core in cores], faults)
        for (cores, faults), (first, _) in zip(results, places, strict=True)
    ]
    cores, faults = _join(results)
    return _share_targets(words, mentions, places, (cores, faults))


def _find_topics(words: Words, mention: TableMention) -> frozenset[int]:
    columns = {
        m.first for table in mention.tables for m in words.mentions[table] if m.quality >= MEANT
    }
    return frozenset(columns | {hit.first for hit in words.text.find("cue", "assign")})


def _choose_table(words: Words, mention: TableMention, results: Sequence[Cores]) -> Cores:
    """The result for the one table of that name that has the target."""
    fitting = [result for result in results if result[0]]
    if len(fitting) > 1:
        names = [words.tables[index].name for index in mention.tables]
        named = words.text.slice(mention.first, mention.last)
        return [], [problems.tell_ambiguous_table(named, names)]
    return fitting[0] if fitting else results[0]


def _share_targets(
    words: Words, mentions: Sequence[TableMention], places: Sequence[tuple[int, int]], found: Cores
) -> Cores:
    """The cores, with those of "predict income from a.csv and b.csv", the second without words.

    A table beside others that nothing is said about is no fault: it may only be spoken of.
    """
    cores, faults = found
    idle = [
        (mention, place)
        for mention, place in zip(mentions, places, strict=True)
        if not any(place[0] <= core.first < place[1] for core in cores) and _is_idle(words, place)
    ]
    if not cores or not idle:
        return found
    named = {words.tables[i].name for mention, _ in idle for i in mention.tables}
    faults = [
        fault for fault in faults if not any(f"Which column of {n!r}" in fault for n in named)
    ]
    shared = list(dict.fromkeys(core.target for core in cores))
    for mention, place in idle:
        for index in mention.tables:
            known = [t for t in shared if t in words.tables[index].columns]
            cores = cores + [
                Core(index, t, mention.first, mention.last, place[0]) for t in known[:1]
            ]
            if not known and _is_joined(words, place, mention):
                faults = [*faults, problems.tell_missing_target(shared[0], [words.tables[index]])]
    return cores, faults


def _is_idle(words: Words, place: tuple[int, int]) -> bool:
    return not words.text.has("cue", "assign", "position", first=place[0], last=place[1])


def _is_joined(words: Words, place: tuple[int, int], mention: TableMention) -> bool:
    """Whether a table only continues a list of tables: "… and wine.csv"."""
    covered = words.text.find("and", "from", "filler", first=place[0], last=mention.first)
    n_covered = sum(hit.last - hit.first for hit in covered)
    return 0 < mention.first - place[0] <= n_covered


def _find_in_passage(words: Words, passage: Passage, table: int) -> Cores:
    found = find_targets(passage)
    targets = [t for t in found if isinstance(t, Target)]
    if not targets:
        return _explain_missing(words, found, passage, table)
    refusal = _find_foreign(words, passage, targets) or _find_doubt(words, passage, targets)
    if refusal:
        return [], [refusal]
    return _settle(words, [(table, target) for target in targets])


def _explain_missing(words: Words, found: Found, passage: Passage, table: int) -> Cores:
    missing = [m for m in found if isinstance(m, Missing)]
    if missing:
        return [], [problems.tell_missing_target(missing[0].words, [words.tables[table]])]
    named = [c for c in words.tables[table].columns if c.casefold() in TARGET_NAMES]
    if len(named) == 1 and not passage.hits("unsupported", "modality"):
        return [Core(table, named[0], passage.first, passage.first)], []
    return [], [problems.tell_no_target(words.tables[table])]


def _find_foreign(words: Words, passage: Passage, targets: Sequence[Target]) -> str:
    """The sentence about "classify the photos …", which no table can do; empty if it can."""
    columns = {i for m in passage.mentions for i in range(m.first, m.last)}
    has_file = any(mention.is_file for mention in words.named)
    for hit in passage.hits("modality"):
        if hit.first in columns or hit.first in words.names:
            continue
        is_about = any(_is_object(passage, hit.first, target.first) for target in targets)
        if is_about or not has_file:
            return problems.tell_unsupported(
                f"a model of {hit.value}", words.text.slice(hit.first, hit.last)
            )
    return ""


def _find_doubt(words: Words, passage: Passage, targets: Sequence[Target]) -> str:
    """The sentence about words that are only like a column, of no named table; empty if sure.

    "The price of bread" is no "Sale_Price", just because there is one in the folder.
    """
    if any(mention.is_file for mention in words.named):
        return ""
    allowed = 1 if len(words.tables) > 1 else 4
    for target in targets:
        if target.quality <= MEANT and count_unknown(passage, target) > allowed:
            named = words.text.slice(target.first, target.last)
            return problems.tell_missing_target(named, words.tables)
    return ""


def _is_object(passage: Passage, index: int, target: int) -> bool:
    """Whether a word stands between a verb and its target, and is no source."""
    cues = [hit.last for hit in passage.hits("cue") if hit.last <= index]
    sources = [hit.first for hit in passage.hits("from") if cues and cues[-1] <= hit.first < index]
    return bool(cues) and index < target and not sources


def _find_beside(words: Words, cores: Sequence[Core]) -> list[Core]:
    """The targets beside those of a bare "diabetes", whose tables are not named."""
    found, _ = _search_tables(words)
    known = {core.table for core in cores}
    taken = {i for core in cores for i in range(core.first, core.last)}
    return [
        core
        for core in found
        if core.table not in known and not taken.intersection(range(core.first, core.last))
    ]


def _search_tables(words: Words) -> Cores:
    """The cores of a request that names no table: which table has such columns?"""
    places = sorted({0, *words.ends, len(words.text.tokens)})
    has_verb = words.text.has("cue", "assign", "position")
    results: list[Cores] = []
    for first, last in pairwise(places):
        if not has_verb or words.text.has("cue", "assign", "position", first=first, last=last):
            results.append(_search_sentence(words, first, last))
    cores, faults = _join(results)
    return (cores, faults if cores or len(faults) == 1 else faults[:1])


def _search_sentence(words: Words, first: int, last: int) -> Cores:
    found: list[tuple[int, Target]] = []
    missing: list[Missing] = []
    for table in range(len(words.tables)):
        passage = words.passage(first, last, table)
        in_table = find_targets(passage)
        targets = [t for t in in_table if isinstance(t, Target)]
        refusal = _find_foreign(words, passage, targets) if targets else ""
        targets = [t for t in targets if not _find_doubt(words, passage, [t])]
        if refusal:
            return [], [refusal]
        found += [(table, target) for target in targets]
        missing += [m for m in in_table if isinstance(m, Missing)]
    if not found:
        told = [problems.tell_missing_target(m.words, words.tables) for m in missing[:1]]
        return [], told or [problems.tell_unclear(words.tables)]
    best = max(target.score for _, target in found)
    near = [(table, target) for table, target in found if target.score > best - _MAX_LAG]
    return _settle(words, _drop_overlapping(near))


def _drop_overlapping(found: Sequence[tuple[int, Target]]) -> list[tuple[int, Target]]:
    """Without those of which another table has the same words, more surely."""
    return [
        (table, target)
        for table, target in found
        if not any(
            other.score > target.score and _overlap(other, target) and index != table
            for index, other in found
        )
    ]


def _overlap(one: Target, other: Target) -> bool:
    return one.first < other.last and other.first < one.last


def _settle(words: Words, found: Iterable[tuple[int, Target]]) -> Cores:
    """The cores of targets, those that may mean several columns or tables as faults."""
    cores, faults = [], []
    found = list(found)
    for table, target in found:
        named = words.text.slice(target.first, target.last)
        rivals = [index for index, other in found if _overlap(other, target)]
        if len(rivals) > 1:
            names = [words.tables[index].name for index in rivals]
            faults.append(problems.tell_ambiguous_table(named, names))
        elif len(target.columns) > 1:
            faults.append(
                problems.tell_ambiguous_target(named, target.columns, words.tables[table])
            )
        else:
            cores.append(Core(table, target.columns[0], target.first, target.last))
    return cores, list(dict.fromkeys(faults))


def _join(results: Sequence[Cores]) -> Cores:
    cores = [core for found, _ in results for core in found]
    return cores, [fault for _, faults in results for fault in faults]
