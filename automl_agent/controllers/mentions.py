"""What a person's words name: tables that lie here, and experts that are installed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from automl_agent.cards.model_card import ModelCard
from automl_agent.errors import InputError

# Endings of files that the package itself reads, longest first; plugins may read others.
TABLE_ENDINGS = (
    ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".tsv.gz", ".txt.gz", ".parquet", ".csv.zip",
    ".csv", ".tsv", ".pq",
)  # fmt: skip
MAX_TABLES = 20
_MAX_WORDS = 20_000
_MAX_PATH = 300
_MAX_EXPERTS = 10
# An expert that is named comes before any that some words fit.
_NAME_SCORE = 100
# Words that say nothing about an expert: they are in most requests, or about any table.
_EMPTY_WORDS = frozenset(
    """
    a an and any are as at be by categorical categories class classes column columns data each every
    feature features for from has in into is it its model models number numbers of on one or out
    over per row rows table tables tabular target that the their them this to two value values which
    with within without
    """.split()  # noqa: SIM905 - easier to read than in quotes and commas
)
_QUOTED = re.compile(
    r"\"([^\"\n]{1,500})\"|'([^'\n]{1,500})'|`([^`\n]{1,500})`|[«“„]([^»”“\n]{1,500})[»”“]"
)
_ENDINGS = "|".join(re.escape(ending) for ending in TABLE_ENDINGS)
_PATH = re.compile(
    rf"[^\s\"'`«»“”„,;()\[\]<>\uff0c\u3002\u3001]{{1,{_MAX_PATH}}}?(?:{_ENDINGS})(?![\w/])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mentions:
    """tables: the path of each by the name it is called by. missing: files that are not there."""

    tables: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def find_tables(words: str, folder: Path | None) -> Mentions:
    """The tables that words name, looked for in `folder` and where the person is.

    folder: with all tables in it the person allowed, named or not.
    """
    places = [place for place in (folder, Path()) if place is not None]
    tables: dict[str, str] = {}
    missing: list[str] = []
    for name in dict.fromkeys(_find_names(words[:_MAX_WORDS])):
        path = next((p for place in places if _is_file(p := _join(place, name))), None)
        if path is not None:
            tables[name] = str(path)
        elif is_table_name(name) and not any(found.endswith(name) for found in tables):
            # The end of a name with blanks, which was quoted, is not another name.
            missing.append(name)
    if folder is not None:
        known = {Path(path).resolve() for path in tables.values()}
        for path in list_tables(folder):
            if path.resolve() not in known:
                tables[path.name] = str(path)
    return Mentions(tables, tuple(missing))


def check_folder(folder: str | Path | None) -> Path | None:
    """The folder in which tables are looked for, None if none was given.

    Raises: InputError if it is not there.
    """
    if folder is None:
        return None
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise InputError(f"There is no folder {path}; give the folder in which the tables lie.")
    return path


def list_tables(folder: Path) -> list[Path]:
    """The tables that lie in a folder, by name, at most MAX_TABLES."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and is_table_name(p.name))
    return files[:MAX_TABLES]


def find_experts(words: str, cards: Iterable[ModelCard]) -> dict[str, str]:
    """The experts that words may mean, by name: what each is, in a few words.

    Only these are told with a request, however many are installed.
    """
    spoken = set(split_words(words))
    joined = "".join(split_words(words))
    scores: dict[str, int] = {}
    structures: dict[str, str] = {}
    for card in cards:
        own = set(split_words(f"{card.name} {card.structure}")) - _EMPTY_WORDS
        is_named = "".join(split_words(card.name)) in joined
        if own & spoken or is_named:
            structures[card.name] = card.structure
            scores[card.name] = len(own & spoken) + _NAME_SCORE * is_named
    ranked = sorted(structures, key=lambda name: -scores[name])
    return {name: structures[name] for name in ranked[:_MAX_EXPERTS]}


def split_words(words: str) -> list[str]:
    """The words, in lower case."""
    return re.findall(r"[^\W_]+", words.lower())


def _find_names(words: str) -> Iterable[str]:
    for match in _QUOTED.finditer(words):
        yield next(group for group in match.groups() if group is not None)
    for match in _PATH.finditer(words):
        yield match[0]


def _join(place: Path, name: str) -> Path:
    try:
        return place / Path(name).expanduser()
    except (RuntimeError, ValueError):  # "~nobody", or a zero byte
        return place / "\ufffd"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # quoted words that are longer than any name, or a folder of somebody else
        return False


def is_table_name(name: str) -> bool:
    """Whether a name ends as those of tables do."""
    return name.lower().endswith(TABLE_ENDINGS)
