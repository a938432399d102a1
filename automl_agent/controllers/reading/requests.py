"""Reading a request in plain words: what is to be trained on which table, and how."""

from collections.abc import Mapping, Sequence

from automl_agent.controllers.reading import problems
from automl_agent.controllers.reading.columns import (
    SPELLED,
    ColumnNames,
    Mention,
    find_spans,
    keep_known,
)
from automl_agent.controllers.reading.cores import Words, find_cores
from automl_agent.controllers.reading.passages import find_ends
from automl_agent.controllers.reading.reading import Reading, Table
from automl_agent.controllers.reading.tables import find_missing_files, find_tables, trust_tables
from automl_agent.controllers.reading.targets import is_quoted
from automl_agent.controllers.reading.tasks import fill_tasks
from automl_agent.controllers.reading.words import Text, read_text, without


def read_request(
    words: str, tables: Sequence[Table], *, experts: Mapping[str, str], metrics: Sequence[str]
) -> Reading:
    """What the words ask for.

    tables: those that may be meant. experts: the names of those installed, with what their cards
    say of their structure. metrics: the names of those registered.
    """
    if not words.strip():
        return Reading((), problems.EMPTY)
    if not tables:
        return Reading((), problems.tell_no_tables(words))
    request = _prepare(words, tables)
    cores, faults = find_cores(request)
    missing = [request.text.slice(first, last) for first, last in request.missing]
    faults = [*(problems.tell_missing_table(name, tables) for name in missing), *faults]
    if not cores:
        unsupported = "" if missing else problems.find_unsupported(request.text)
        return Reading((), unsupported or next(iter(faults), problems.tell_unclear(tables)))
    tasks, more = fill_tasks(request, cores, experts=experts, metrics=metrics)
    also = problems.find_second_wish(request.text, request.ends, [core.first for core in cores])
    return Reading(tasks, " ".join(dict.fromkeys(p for p in (*faults, *more, also) if p)))


def _prepare(words: str, tables: Sequence[Table]) -> Words:
    raw = read_text(words)
    spans = find_spans(raw)
    found = find_tables(raw, spans, tables)
    missing = find_missing_files(raw, found)
    files = {i for m in found if m.is_file for i in range(m.first, m.last)}
    files |= {i for first, last in missing for i in range(first, last)}
    text = without(raw, files)
    free = [s for s in spans if not files.intersection(range(s.first, s.last))]
    columns = [ColumnNames(table) for table in tables]
    known = keep_known(free, columns)
    mentions = [tuple(names.find(text, known)) for names in columns]
    spelled = {(m.first, m.last) for of in mentions for m in of if m.quality >= SPELLED}
    named = trust_tables(text, found, spelled)
    stems = {i for m in found for i in range(m.first, m.last)}
    names = frozenset(files | stems)
    text = without(text, _spelled_tokens(text, mentions))
    ends = find_ends(text, names)
    return Words(words, text, free, tables, columns, mentions, named, missing, names, ends)


def _spelled_tokens(text: Text, mentions: Sequence[Sequence[Mention]]) -> set[int]:
    """The tokens of columns' names that cannot be anything else: of several words, or quoted."""
    return {
        index
        for mention in (m for of_table in mentions for m in of_table)
        if mention.quality >= SPELLED
        and (mention.last - mention.first > 1 or is_quoted(text, mention))
        for index in range(mention.first, mention.last)
    }
