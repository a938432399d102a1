"""Which columns a text leaves out, and how it wants rows divided."""

from automl_agent.cards.data_card import SplitRule
from automl_agent.controllers.reading.columns import STEMMED, Mention, quote_names
from automl_agent.controllers.reading.passage import Passage
from automl_agent.controllers.reading.words import Hit

_TIME_WORDS = (
    "date",
    "time",
    "year",
    "month",
    "day",
    "week",
    "datum",
    "zeit",
    "jahr",
    "fecha",
    "日",
    "年",
)
_NEAR = 3


def find_drops(passage: Passage, target: str) -> tuple[str, ...]:
    """The columns to leave out, in the order of the words."""
    dropped: dict[str, None] = {}
    for hit in passage.hits("ignore"):
        for mention in _listed_beside(passage, hit):
            dropped.update(dict.fromkeys(mention.columns))
    kept = [
        c for hit in passage.hits("only") for m in _listed_after(passage, hit) for c in m.columns
    ]
    if kept:
        dropped.update(dict.fromkeys(c for c in passage.columns.table.columns if c not in kept))
    return tuple(column for column in dropped if column != target)


def _listed_beside(passage: Passage, hit: Hit) -> list[Mention]:
    after = _listed_after(passage, hit)
    return after or _listed_before(passage, hit)


def _listed_after(passage: Passage, hit: Hit) -> list[Mention]:
    listed: list[Mention] = []
    place = hit.last
    for mention in passage.within(hit.last, passage.sentence_end(hit.last)):
        if not _is_list(passage, place, mention.first):
            break
        listed.append(mention)
        place = mention.last
    return listed


def _listed_before(passage: Passage, hit: Hit) -> list[Mention]:
    listed: list[Mention] = []
    place = hit.first
    # Behind its columns the word stands in languages of other scripts, and as "… weglassen".
    is_behind = passage.text.slice(hit.first, hit.last)[:1] >= "\u3040" or (
        passage.text.tokens[hit.first].word
        in ("weg", "weglassen", "ignorieren", "nicht", "negeren")
    )
    for mention in reversed(passage.within(passage.sentence_start(hit.first), hit.first)):
        if not is_behind or not _is_list(passage, mention.last, place):
            break
        listed.append(mention)
        place = mention.first
    return listed[::-1]


def _is_list(passage: Passage, first: int, last: int) -> bool:
    joined = passage.covered("filler", "and", "from")
    words = passage.text.tokens
    return all(
        i in joined or words[i].word in (",", "、", "or", "oder", "ou", '"', "'", "`")
        for i in range(first, last)
    )


def find_split(passage: Passage, target: str) -> tuple[SplitRule | None, str]:
    """How rows are divided into those to learn from and those to test on, and a problem with it."""
    for hit in passage.hits("group_split"):
        column = _find_group(passage, hit, target)
        if column:
            return SplitRule("group", column), ""
    hits = passage.hits("time_split")
    if not hits:
        return None, ""
    column = next((c for c in (_find_time(passage, h, target) for h in hits) if c), None)
    if column:
        return SplitRule("time", column), ""
    names = quote_names(passage.columns.table.columns)
    return None, f"Which column tells the time of a row? Name it; there are: {names}."


def _find_group(passage: Passage, hit: Hit, target: str) -> str | None:
    start, end = passage.sentence_start(hit.first), passage.sentence_end(hit.last)
    near = [m for m in passage.within(start, end) if target not in m.columns]
    after = [m for m in near if hit.last <= m.first <= hit.last + _NEAR]
    is_explicit = passage.text.tokens[hit.last - 1].word in ("by", "nach", "par", "por", "op", "по")
    before = [m for m in near if m.last <= hit.first]
    chosen = after[:1] or ([] if is_explicit else before[-1:] or near[:1])
    columns = [c for m in chosen for c in m.columns]
    named = [c for c in columns if c.casefold().endswith("id")]
    return next(iter(named or columns), None)


def _find_time(passage: Passage, hit: Hit, target: str) -> str | None:
    roles = passage.columns.table.roles
    start, end = passage.sentence_start(hit.first), passage.sentence_end(hit.last)
    near = [c for m in passage.within(start, end) for c in m.columns if c != target]
    timed = [c for c in near if roles.get(c) == "datetime" or _sounds_timed(c)]
    dates = [c for c, role in roles.items() if role == "datetime" and c != target]
    after = [m for m in passage.within(hit.last, end) if m.first <= hit.last + _NEAR]
    named = [c for m in after if m.quality >= STEMMED for c in m.columns if c != target]
    only = dates if len(dates) == 1 else []
    timed_names = [c for c in passage.columns.table.columns if _sounds_timed(c) and c != target]
    lone = timed_names if len(timed_names) == 1 and not roles else []
    return next(iter((*timed, *named, *only, *lone)), None)


def _sounds_timed(column: str) -> bool:
    return any(word in column.casefold() for word in _TIME_WORDS)


def tell_not_dropped(passage: Passage) -> str:
    """The sentence about a column to leave out that is not there; empty if all are."""
    for hit in passage.hits("ignore"):
        if _listed_beside(passage, hit) or passage.text.has(
            "family", first=hit.last, last=hit.last + _NEAR
        ):
            continue
        window = passage.text.tokens[hit.last : hit.last + _NEAR + 1]
        if any(
            token.word.startswith(("column", "spalte", "colonne", "column", "coluna"))
            for token in window
        ):
            words = passage.text.slice(hit.last, min(hit.last + _NEAR + 1, passage.last))
            names = quote_names(passage.columns.table.columns)
            return f"No column to leave out is called {words!r}; there are: {names}."
    return ""
