"""What to tell a person whose request cannot be met, each with the next step."""

from collections.abc import Sequence

from automl_agent.controllers.reading.columns import quote_names
from automl_agent.controllers.reading.reading import Table
from automl_agent.controllers.reading.words import Hit, Text
from automl_agent.errors import suggest

EMPTY = (
    "The request is empty; say what to predict from which table, such as "
    '"predict income from adult.csv".'
)
_MAX_WORDS = 60
# "Generate predictions", "write a model": that is training after all.
_N_WORDS_TO_VERB = 5
# "Write the results to a file": what a training leaves anyway.
_OF_TRAINING = ("result", "report", "model", "file", "log", "leaderboard", "score", "ergebnis")


def tell_no_tables(words: str) -> str:
    """The sentence for a request without any table."""
    return (
        f"There is no table to train on for {_shorten(words)!r}; name a file, such as "
        '"predict income from adult.csv", or give --data with its folder.'
    )


def tell_unclear(tables: Sequence[Table]) -> str:
    """The sentence for a request that says nothing of a table or column."""
    if len(tables) == 1:
        return tell_no_target(tables[0])
    return (
        'It is not clear what to predict from which table; say "predict COLUMN from TABLE". '
        f"There are the tables: {quote_names([table.name for table in tables])}."
    )


def tell_no_target(table: Table) -> str:
    """The sentence for a table of which the words name no target."""
    return (
        f'Which column of {table.name!r} is to be predicted? Say "predict COLUMN"; '
        f"there are: {quote_names(table.columns)}."
    )


def tell_missing_target(words: str, tables: Sequence[Table]) -> str:
    """The sentence for something to predict that no column holds."""
    words = _shorten(words)
    if len(tables) == 1:
        names = quote_names(tables[0].columns)
        return f"{tables[0].name!r} has no column for {words!r}; name one of: {names}."
    return (
        f'No table has a column for {words!r}; say "predict COLUMN from TABLE". '
        f"There are the tables: {quote_names([table.name for table in tables])}."
    )


def tell_ambiguous_target(words: str, columns: Sequence[str], table: Table) -> str:
    """The sentence for words that may mean several columns."""
    return (
        f"{_shorten(words)!r} may mean several columns of {table.name!r}; say which: "
        f"{quote_names(columns)}."
    )


def tell_ambiguous_table(words: str, names: Sequence[str]) -> str:
    """The sentence for words that fit several tables."""
    return f"{_shorten(words)!r} fits several tables; say which: {quote_names(names)}."


def tell_missing_table(name: str, tables: Sequence[Table]) -> str:
    """The sentence for a file that is not there."""
    return f"There is no table {_shorten(name)!r}.{suggest(name, [t.name for t in tables])}"


def tell_unsupported(what: str, words: str) -> str:
    """The sentence for something else than predicting a column of a table."""
    return (
        f"{_shorten(words)!r} asks for {what}; only a column of a table can be predicted: "
        'say "predict COLUMN from TABLE".'
    )


def find_unsupported(text: Text) -> str:
    """The sentence for the first thing in a text that cannot be trained; empty if there is none."""
    for hit in text.find("unsupported"):
        return tell_unsupported(
            hit.value, text.slice(hit.first, min(hit.last + 4, len(text.tokens)))
        )
    for hit in text.find("modality"):
        return tell_unsupported(f"a model of {hit.value}", text.slice(hit.first, hit.last))
    return ""


def find_second_wish(text: Text, ends: frozenset[int], targets: Sequence[int]) -> str:
    """The sentence for something besides the tasks that cannot be done; empty if there is none.

    targets: the tokens that name what is predicted.
    """
    for hit in text.find("unsupported"):
        starts_part = hit.first in {0, *ends} or text.has(
            "and", first=max(0, hit.first - 2), last=hit.first
        )
        after = text.tokens[hit.last : hit.last + _N_WORDS_TO_VERB]
        is_training = text.has("cue", "family", first=hit.last, last=hit.last + _N_WORDS_TO_VERB)
        is_result = any(token.word.startswith(_OF_TRAINING) for token in after)
        if starts_part and hit.value != "an analysis" and not is_training and not is_result:
            return _tell_left_out(text, hit)
    for hit in text.find("modality"):
        if _is_other_object(text, hit, targets):
            return _tell_left_out(text, hit)
    return ""


def _is_other_object(text: Text, hit: Hit, targets: Sequence[int]) -> bool:
    """Whether a verb before the words is about them and none of the targets."""
    verbs = [v for v in text.find("cue", last=hit.first) if hit.first - v.last <= _N_WORDS_TO_VERB]
    if not verbs or text.has("from", first=verbs[-1].last, last=hit.first):
        return False
    return not any(verbs[-1].last <= target <= hit.first for target in targets)


def _tell_left_out(text: Text, hit: Hit) -> str:
    what = hit.value if hit.kind == "unsupported" else f"a model of {hit.value}"
    words = text.slice(hit.first, min(hit.last + 5, len(text.tokens)))
    return f"That part was left out: {tell_unsupported(what, words)}"


def _shorten(words: str) -> str:
    return words if len(words) <= _MAX_WORDS else words[: _MAX_WORDS - 1] + "…"
