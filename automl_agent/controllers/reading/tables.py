"""Where a text names tables, with or without their endings, and files that are not there."""

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from automl_agent.controllers.reading.columns import Span, join_words
from automl_agent.controllers.reading.reading import Table
from automl_agent.controllers.reading.words import Text, split_tokens

_ENDINGS = ("csv", "tsv", "txt", "parquet", "json", "jsonl", "xlsx", "xls", "feather", "gz", "zip")
# A file may be called so, but a word like this rarely means it.
_COMMON_WORDS = frozenset(
    [
        "data",
        "train",
        "training",
        "test",
        "testing",
        "table",
        "tables",
        "dataset",
        "file",
        "files",
        "sample",
        "samples",
        "model",
        "models",
        "input",
        "output",
        "rows",
        "values",
        "results",
        "result",
        "run",
        "export",
        "new",
        "old",
        "my",
        "the",
        "a",
        "all",
        "predict",
    ]
)
_MAX_NAME_TOKENS = 40


@dataclass(frozen=True)
class TableMention:
    """Words that name one of these tables; is_file: with its ending."""

    first: int
    last: int
    tables: tuple[int, ...]
    is_file: bool


def find_tables(text: Text, spans: Sequence[Span], tables: Sequence[Table]) -> list[TableMention]:
    """The mentions of tables, in order; names with their endings count first."""
    files, stems = _index_names(tables)
    found = [TableMention(s.first, s.last, files[s.key], True) for s in spans if s.key in files]
    found += [TableMention(s.first, s.last, stems[s.key], False) for s in spans if s.key in stems]
    found = [m for m in found if m.is_file or not _goes_on_as_file(text, m)]
    found.sort(key=lambda m: (not m.is_file, m.first - m.last))
    kept: list[TableMention] = []
    taken: set[int] = set()
    for mention in found:
        places = range(mention.first, mention.last)
        if not taken.intersection(places):
            taken.update(places)
            kept.append(mention)
    return sorted(kept, key=lambda m: m.first)


def trust_tables(
    text: Text, mentions: Sequence[TableMention], columns: Container[tuple[int, int]]
) -> list[TableMention]:
    """The mentions that surely name tables.

    A bare word must follow a "from" where other words name files, or where it is a column as well.
    columns: the places of columns' names.
    """
    has_file = any(mention.is_file for mention in mentions)
    return [
        m
        for m in mentions
        if m.is_file or _follows_from(text, m) or not (has_file or (m.first, m.last) in columns)
    ]


def _follows_from(text: Text, mention: TableMention) -> bool:
    start = max(0, mention.first - 2)
    hits = text.find("from", first=start, last=mention.first)
    return any(hit.last == mention.first or hit.last == mention.first - 1 for hit in hits)


def _index_names(
    tables: Sequence[Table],
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    files: dict[str, list[int]] = defaultdict(list)
    stems: dict[str, list[int]] = defaultdict(list)
    for index, table in enumerate(tables):
        base = PurePosixPath(table.name.replace("\\", "/")).name
        stem = strip_endings(base)
        has_ending = stem != base
        for name in {table.name, base} if has_ending else {table.name} - {base}:
            _append(files, _key(name), index)
        if has_ending and _key(stem) not in _COMMON_WORDS:
            _append(stems, _key(stem), index)
        elif not has_ending:
            _append(stems, _key(base), index)
    return _freeze(files), _freeze(stems)


def strip_endings(name: str) -> str:
    """The file's name without its endings, "adult" for "adult.csv.gz"."""
    while "." in name and name.rpartition(".")[2].lower() in _ENDINGS:
        name = name.rpartition(".")[0]
    return name


def find_missing_files(text: Text, mentions: Sequence[TableMention]) -> list[tuple[int, int]]:
    """Where the text names files that are no table; first token, and the one after the last."""
    known = {i for m in mentions if m.is_file for i in range(m.first, m.last)}
    return [
        place for place in _find_files(text) if not known.intersection(range(place[0], place[1]))
    ]


def _find_files(text: Text) -> Iterator[tuple[int, int]]:
    tokens = text.tokens
    for index in range(1, len(tokens) - 1):
        is_ending = tokens[index].word == "." and tokens[index + 1].word in _ENDINGS
        if is_ending and _touches(text, index) and _touches(text, index + 1):
            first, last = index - 1, index + 2
            while first > max(0, index - _MAX_NAME_TOKENS) and _is_inside(text, first):
                first -= 1
            if last < len(tokens) - 1 and tokens[last].word == "." and _touches(text, last):
                last += 2 if tokens[last + 1].word in _ENDINGS else 0
            yield first, last


def _is_inside(text: Text, index: int) -> bool:
    """Whether the token before this one is a part of the same file's name."""
    return _touches(text, index) and text.tokens[index - 1].word not in "\"'`(,;:<>"


def _touches(text: Text, index: int) -> bool:
    """Whether there is no blank before a token, nor a change to a script that needs none."""
    before, token = text.tokens[index - 1], text.tokens[index]
    return before.end == token.start and before.word[:1] < "\u3000"


def _goes_on_as_file(text: Text, mention: TableMention) -> bool:
    """Whether the words are only the beginning of a file's name: "adult" in "adult.xlsx"."""
    after = text.tokens[mention.last : mention.last + 2]
    return len(after) == 2 and after[0].word == "." and after[1].word in _ENDINGS


def _key(name: str) -> str:
    return join_words(split_tokens(name[-200:]))


def _append(names: dict[str, list[int]], key: str, index: int) -> None:
    if key and index not in names[key]:
        names[key].append(index)


def _freeze(names: dict[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(indices) for key, indices in names.items()}
