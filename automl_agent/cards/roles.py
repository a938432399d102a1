"""What role a column plays, inferred from its cells."""

import re
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Classes, Column, Continuous, Role
from automl_agent.cards.metric import Task
from automl_agent.cards.tables import FALSE_WORDS, TRUE_WORDS, text_cells

if TYPE_CHECKING:
    from pandas import Series

# A share and not "all": one stray word must not turn 10,000 numbers into categories.
_NUMERIC_SHARE = 0.98
# Free text repeats itself rarely and has several words.
_TEXT_UNIQUE_SHARE = 0.5
_TEXT_WORDS = 3.0
# Fewer rows than this cannot tell an identifier from a measurement.
_MIN_ROWS_FOR_IDENTIFIER = 50
_MAX_CLASSES_OF_WHOLE_NUMBERS = 20
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_N_SAMPLED_CELLS = 1_000


def describe_column(series: "Series") -> Column:
    """The column's role, number of distinct values and share of missing cells."""
    cells = series.dropna()
    n_unique = int(cells.map(str).nunique()) if cells.dtype == object else int(cells.nunique())
    date_format = None
    if n_unique <= 1:
        role: Role = "constant"
    else:
        role, date_format = _infer_role(cells, n_unique)
    return Column(
        name=str(series.name),
        role=role,
        n_unique=n_unique,
        missing_share=round(1 - len(cells) / len(series), 6),
        datetime_format=date_format,
    )


def infer_task(labels: "Series") -> Task:
    """The task that labels without missing values ask for."""
    import pandas as pd

    n_unique = labels.nunique()
    is_number = (
        pd.api.types.is_bool_dtype(labels) or pd.to_numeric(labels, errors="coerce").notna().all()
    )
    if n_unique <= 2:
        return "binary_classification"
    if not is_number:
        return "multiclass_classification"
    numbers = pd.to_numeric(labels)
    is_whole = bool((numbers == numbers.round()).all())
    few = n_unique <= min(_MAX_CLASSES_OF_WHOLE_NUMBERS, len(labels) / 10)
    return "multiclass_classification" if is_whole and few else "regression"


def describe_classes(labels: "Series") -> Classes:
    """The classes among the labels, in sorted order, with their shares."""
    shares = text_cells(labels).value_counts(normalize=True)
    is_whole = all(re.fullmatch(r"[+-]?\d+", name) for name in shares.index)
    names = sorted(shares.index, key=int if is_whole else str)
    is_boolean = set(names) == {"False", "True"}
    return Classes(
        classes=tuple(names),
        shares=tuple(round(float(shares[name]), 6) for name in names),
        value_type="integer" if is_whole else "boolean" if is_boolean else "string",
    )


def describe_values(labels: "Series") -> Continuous:
    """The quantiles of the labels of a regression."""
    import pandas as pd

    numbers = pd.to_numeric(labels, errors="coerce").dropna()
    return Continuous(tuple(float(numbers.quantile(q)) for q in _QUANTILES))


def _infer_role(cells: "Series", n_unique: int) -> tuple[Role, str | None]:
    import pandas as pd

    if pd.api.types.is_bool_dtype(cells):
        return "boolean", None
    if pd.api.types.is_datetime64_any_dtype(cells):
        return "datetime", None
    if pd.api.types.is_numeric_dtype(cells):
        return ("identifier" if _is_counter(cells) else "numeric"), None
    words = text_cells(cells)
    if set(words.str.strip().str.lower().unique()) <= TRUE_WORDS | FALSE_WORDS:
        return "boolean", None
    return _infer_text_role(words, n_unique)


def _infer_text_role(words: "Series", n_unique: int) -> tuple[Role, str | None]:
    import pandas as pd

    numbers = pd.to_numeric(words, errors="coerce")
    if numbers.notna().mean() >= _NUMERIC_SHARE:
        return ("identifier" if _is_counter(numbers) else "numeric"), None
    date_format = _find_datetime_format(words)
    if date_format:
        return "datetime", date_format
    if n_unique > _TEXT_UNIQUE_SHARE * len(words):
        sample = words.head(_N_SAMPLED_CELLS)
        if sample.str.split().str.len().mean() >= _TEXT_WORDS:
            return "text", None
        if len(words) >= _MIN_ROWS_FOR_IDENTIFIER and n_unique > 0.95 * len(words):
            return "identifier", None
    return "categorical", None


def _is_counter(cells: "Series") -> bool:
    """Whether the cells count rows: whole, all different, one after the other in order."""
    if len(cells) < _MIN_ROWS_FOR_IDENTIFIER:
        return False
    return bool((cells.diff().iloc[1:] == 1).all())


def _find_datetime_format(words: "Series") -> str | None:
    import pandas as pd
    from pandas.tseries.api import guess_datetime_format

    sample = words.head(_N_SAMPLED_CELLS)
    # "13/02/2020" further down tells that "02/03/2020" on top has its day first.
    guesses = [guess_datetime_format(sample.iloc[0], dayfirst=first) for first in (False, True)]
    for guess in filter(None, guesses):
        if pd.to_datetime(sample, format=guess, errors="coerce").notna().mean() >= _NUMERIC_SHARE:
            return guess
    return None
