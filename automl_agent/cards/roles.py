"""What role a column plays, inferred from its cells."""

import math
import re
import warnings
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Classes, Column, Continuous, Role
from automl_agent.cards.metric import Task
from automl_agent.cards.tables import FALSE_WORDS, TRUE_WORDS, parse_numbers, text_cells, to_numbers

if TYPE_CHECKING:
    from pandas import Series

# A share and not "all": one stray word must not turn 10,000 numbers into categories.
_NUMERIC_SHARE = 0.98
# Numbers of which most differ make no categories, even with more words among them.
_NUMERIC_SHARE_OF_UNIQUE = 0.8
# Free text repeats itself rarely and has several words.
_UNIQUE_SHARE = 0.5
_TEXT_WORDS = 3.0
_ID_UNIQUE_SHARE = 0.95
# Fewer rows than this cannot tell an identifier from a measurement.
_MIN_ROWS_FOR_IDENTIFIER = 50
_MAX_CLASSES_OF_WHOLE_NUMBERS = 20
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_N_SAMPLED_WORDS = 1_000
# "yes", "Yes" and "YES", with and without blanks.
_MAX_SPELLINGS = 12
# How numbers of an integer column are written: not "007" and not "+7", which would not come back.
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_N_GUESSED_WORDS = 5
_YEAR = re.compile(r"[0-9]{4}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHORT_DATE = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}")


def describe_column(series: "Series") -> Column:
    """The column's role, number of distinct values and share of missing cells."""
    cells = series.dropna()
    role = _infer_typed_role(cells)
    date_format = None
    if role is None:
        words = text_cells(cells)
        counts = words.value_counts(sort=False)
        n_unique = len(counts)
        role, date_format = _infer_word_role(words, counts)
    else:
        n_unique = int(cells.nunique())
    is_constant = n_unique <= 1
    return Column(
        name=str(series.name),
        role="constant" if is_constant else role,
        n_unique=n_unique,
        missing_share=round(1 - len(cells) / len(series), 6),
        datetime_format=None if is_constant else date_format,
    )


def count_distinct(series: "Series") -> int:
    """The number of values that differ, also where cells are lists; missing ones do not count."""
    typed = _infer_typed_role(series)
    return int((series if typed else text_cells(series)).nunique())


def infer_task(labels: "Series") -> Task:
    """The task that labels without missing values ask for."""
    n_unique = count_distinct(labels)
    if n_unique <= 2:
        return "binary_classification"
    numbers = to_numbers(labels).dropna()
    if len(numbers) < _NUMERIC_SHARE * len(labels):
        return "multiclass_classification"
    is_whole = bool((numbers % 1 == 0).all())
    few = n_unique <= min(_MAX_CLASSES_OF_WHOLE_NUMBERS, len(labels) / 10)
    return "multiclass_classification" if is_whole and few else "regression"


def describe_classes(labels: "Series") -> Classes:
    """The classes among the labels, in sorted order, with their shares."""
    shares = text_cells(labels).value_counts(normalize=True)
    is_whole = all(_WHOLE_NUMBER.fullmatch(name) for name in shares.index)
    names = sorted(shares.index, key=int if is_whole else str)
    is_boolean = set(names) == {"False", "True"}
    return Classes(
        classes=tuple(names),
        shares=tuple(round(float(shares[name]), 6) for name in names),
        value_type="integer" if is_whole else "boolean" if is_boolean else "string",
    )


def describe_values(labels: "Series") -> Continuous:
    """The quantiles of the labels of a regression."""
    numbers = to_numbers(labels).replace([math.inf, -math.inf], math.nan)
    quantiles = numbers.quantile(list(_QUANTILES))
    return Continuous(tuple(float(value) for value in quantiles))


def _infer_typed_role(cells: "Series") -> Role | None:
    """The role that pandas' type of a column tells, None if only its words can tell."""
    import pandas as pd

    types = pd.api.types
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return "categorical"
    if types.is_bool_dtype(cells):
        return "boolean"
    if types.is_datetime64_any_dtype(cells):
        return "datetime"
    is_real = types.is_numeric_dtype(cells) and not types.is_complex_dtype(cells)
    if is_real or types.is_timedelta64_dtype(cells):
        return "identifier" if _is_counter(to_numbers(cells)) else "numeric"
    return None


def _infer_word_role(words: "Series", counts: "Series") -> tuple[Role, str | None]:
    """The role of a column of words, and the format of its dates.

    counts: how often each distinct word is there, in the order in which they first appear; each is
        looked at once.
    """
    import pandas as pd

    distinct = pd.Series(counts.index, dtype="str")
    if _are_booleans(distinct):
        return "boolean", None
    numbers = parse_numbers(distinct)
    is_number = numbers.notna().to_numpy()
    are_unique = len(distinct) > _UNIQUE_SHARE * len(words)
    needed_share = _NUMERIC_SHARE_OF_UNIQUE if are_unique else _NUMERIC_SHARE
    is_numeric = counts.to_numpy()[is_number].sum() >= needed_share * len(words)
    if is_numeric and not _are_codes(distinct[is_number]):
        is_counter = len(distinct) == len(words) and _is_counter(numbers)
        return ("identifier" if is_counter else "numeric"), None
    date_format = None if is_numeric else _find_datetime_format(distinct)
    if date_format:
        return "datetime", date_format
    return _infer_text_role(words, n_unique=len(distinct)), None


def _infer_text_role(words: "Series", *, n_unique: int) -> Role:
    if n_unique > _UNIQUE_SHARE * len(words):
        sample = words.head(_N_SAMPLED_WORDS)
        if sample.str.count(r"\S+").mean() >= _TEXT_WORDS:
            return "text"
        if len(words) >= _MIN_ROWS_FOR_IDENTIFIER and n_unique > _ID_UNIQUE_SHARE * len(words):
            return "identifier"
    return "categorical"


def _are_booleans(distinct: "Series") -> bool:
    # Two words for true, such as "t" and "y", are two categories.
    if len(distinct) > _MAX_SPELLINGS:
        return False
    lowered = {word.strip().lower() for word in distinct}
    return len(lowered) == 2 and len(lowered & TRUE_WORDS) == len(lowered & FALSE_WORDS) == 1


def _are_codes(numbers: "Series") -> bool:
    """Whether numbers name something, as ZIP codes do: all of one length, some with a leading 0."""
    lengths = numbers.str.len()
    return bool(
        lengths.nunique() == 1
        and lengths.iloc[0] > 1
        and numbers.str.startswith("0").any()
        and numbers.str.fullmatch("[0-9]+").all()
    )


def _is_counter(numbers: "Series") -> bool:
    """Whether the numbers count rows: one after the other in order, from a whole number."""
    if len(numbers) < _MIN_ROWS_FOR_IDENTIFIER:
        return False
    return float(numbers.iloc[0]).is_integer() and bool((numbers.diff().iloc[1:] == 1).all())


def _find_datetime_format(distinct: "Series") -> str | None:
    """The format in which most of the words are dates; None if there is no such."""
    import pandas as pd

    # From everywhere: "13/02/2020" further down tells that "02/03/2020" on top has its day first.
    sample = distinct.iloc[:: max(1, len(distinct) // _N_SAMPLED_WORDS)]
    shares = {
        guess: float(pd.to_datetime(sample, format=guess, errors="coerce", utc=True).notna().mean())
        for guess in _guess_datetime_formats(sample)
    }
    best = max(shares, key=lambda guess: shares[guess], default=None)
    return best if best and shares[best] >= _NUMERIC_SHARE else None


def _guess_datetime_formats(words: "Series") -> dict[str, None]:
    """The formats in which the first words may be dates, the likelier first."""
    guesses: list[str | None] = []
    for word in words.head(_N_GUESSED_WORDS):
        if _SHORT_DATE.fullmatch(word):
            guesses += ["%m/%d/%y", "%d/%m/%y"]
        elif _YEAR.search(word):
            guesses += [_guess_datetime_format(word, dayfirst=first) for first in (False, True)]
            # Some with a fraction of a second or an hour, some without.
            guesses += ["ISO8601"] if _ISO_DATE.match(word) else []
    return dict.fromkeys(guess for guess in guesses if guess)


def _guess_datetime_format(word: str, *, dayfirst: bool) -> str | None:
    from pandas.tseries.api import guess_datetime_format

    with warnings.catch_warnings(action="ignore"):  # both orders are tried, so one does not fit
        return guess_datetime_format(word, dayfirst=dayfirst)
