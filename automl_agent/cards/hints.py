"""What a person should know about the data before training: leaks, duplicates, ids, time order."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Classes, Column, Continuous, Hint

if TYPE_CHECKING:
    from numpy import ndarray as Array
    from pandas import DataFrame, Series

# So much of what the most frequent label gets wrong put right by one column is more often a leak
# than luck; so is such a correlation.
_DETERMINED_SHARE = 0.99
_LEAK_CORRELATION = 0.999
# A correlation near 1 shows in so many rows; to rank all takes long.
_N_CORRELATED_ROWS = 10_000
_RARE_CLASS_ROWS = 5
_N_NAMED_CLASSES = 5
# A value of fewer rows, or a label of fewer neighbours, tells nothing but itself.
_MIN_ROWS_PER_VALUE = 10
_MIN_ROWS_PER_RUN = 5


def find_class_hints(labels: "Array", space: Classes | Continuous) -> tuple[Hint, ...]:
    """The hint that classes are rare; labels: class indices of all rows."""
    import numpy as np

    if not isinstance(space, Classes):
        return ()
    n_rows = np.bincount(labels, minlength=len(space.classes))
    rare = [
        (name, n) for name, n in zip(space.classes, n_rows, strict=True) if n < _RARE_CLASS_ROWS
    ]
    if not rare:
        return ()
    if len(rare) == 1:
        return (Hint("rare_class", f"The class {rare[0][0]!r} has only {rare[0][1]} rows."),)
    named = ", ".join(repr(name) for name, _ in rare[:_N_NAMED_CLASSES])
    more = ", …" if len(rare) > _N_NAMED_CLASSES else ""
    text = f"{len(rare)} classes have fewer than {_RARE_CLASS_ROWS} rows: {named}{more}."
    return (Hint("rare_class", text),)


def find_hints(
    frame: "DataFrame", columns: tuple[Column, ...], labels: "Array", space: Classes | Continuous
) -> tuple[Hint, ...]:
    """The hints for rows of a table; frame: its features, typed, in the order of `columns`."""
    found = [*_duplicate_hints(frame, columns, labels)]
    position = 0
    for column in columns:
        if not column.is_feature:
            found.append(_unused_hint(column))
            continue
        series = frame.iloc[:, position]
        position += 1
        found.extend(_time_hints(series, column))
        find_leaks = _label_leaks if isinstance(space, Classes) else _value_leaks
        found.extend(find_leaks(series, column, labels))
    return tuple(found)


def _duplicate_hints(
    frame: "DataFrame", columns: tuple[Column, ...], labels: "Array"
) -> Iterator[Hint]:
    import pandas as pd

    n_possible = math.prod(column.n_unique or 1 for column in columns if column.is_feature)
    if n_possible < _MIN_ROWS_PER_VALUE * len(frame):
        return  # in a few columns of a few values each, rows are alike by chance
    rows = pd.concat([frame, pd.Series(labels, index=frame.index)], axis=1)
    n_duplicates = int(rows.duplicated().sum())
    if n_duplicates:
        share = n_duplicates / len(rows)
        text = f"{n_duplicates} of {len(rows)} rows ({share:.1%}) repeat another row and its label."
        yield Hint("duplicate_rows", text)


def _unused_hint(column: Column) -> Hint:
    if column.role == "identifier":
        text = "Nearly every row has its own value; the column is not used."
        return Hint("identifier", text, column.name)
    text = f"A {column.role} column is not used by experts for tables."
    return Hint("unused_column", text, column.name)


def _time_hints(series: "Series", column: Column) -> Iterator[Hint]:
    if column.role != "datetime":
        return
    known = series.dropna()
    if known.is_monotonic_increasing or known.is_monotonic_decreasing:
        text = "Rows are in the order of time; consider --split-by-time with this column."
        yield Hint("time_order", text, column.name)


def _label_leaks(series: "Series", column: Column, labels: "Array") -> Iterator[Hint]:
    """The hint that one column tells the class."""
    import numpy as np

    counts = np.bincount(labels)
    n_others = len(labels) - counts.max()
    groups = _group_by_value(series)
    is_discrete = groups is not None
    if n_others < _MIN_ROWS_PER_RUN or (not is_discrete and column.role == "categorical"):
        return
    if groups is None:
        groups = _group_by_runs(_as_numbers(series), labels)
    n_told = _count_majorities(groups, labels)
    if n_told - counts.max() < _DETERMINED_SHARE * n_others:
        return
    is_copy = n_told == len(labels) and len(np.unique(groups)) == np.count_nonzero(counts)
    kind = "equals_target" if is_discrete and is_copy else "determines_target"
    text = f"It tells the label of {n_told / len(labels):.2%} of the rows; is it a leak?"
    yield Hint(kind, text, column.name)


def _value_leaks(series: "Series", column: Column, labels: "Array") -> Iterator[Hint]:
    """The hint that one column tells the value."""
    labels = _scale(labels)
    groups = _group_by_value(series)
    correlation = 0.0 if groups is None else _correlation_ratio(groups, labels)
    if column.role in ("numeric", "datetime"):
        correlation = max(correlation, _absolute_correlation(_as_numbers(series), labels))
    if correlation >= _LEAK_CORRELATION:
        kind = "equals_target" if correlation > 1 - 1e-9 else "determines_target"
        text = f"Its correlation with the target is {correlation:.4f}; is it a leak?"
        yield Hint(kind, text, column.name)


def _group_by_value(series: "Series") -> "Array | None":
    """A number for each distinct value, -1 where it is missing; None if the values are too many."""
    codes, distinct = series.factorize()
    return codes if len(distinct) * _MIN_ROWS_PER_VALUE <= len(series) else None


def _group_by_runs(numbers: "Series", labels: "Array") -> "Array":
    """A number for each run of rows that have one label when they are in the order of the numbers.

    0 for short runs, which tell nothing, and for the most frequent label, which is the guess for
    them; -1 where the number is missing.
    """
    import numpy as np

    known = np.flatnonzero(numbers.notna())
    order = known[np.argsort(numbers.to_numpy()[known], kind="stable")]
    ordered = labels[order]
    runs = np.cumsum(np.diff(ordered, prepend=ordered[:1]) != 0) + 1
    is_short = np.bincount(runs)[runs] < _MIN_ROWS_PER_RUN
    runs[is_short | (ordered == np.bincount(labels).argmax())] = 0
    groups = np.full(len(labels), -1)
    groups[order] = runs
    return groups


def _count_majorities(groups: "Array", labels: "Array") -> int:
    """The number of rows that have the most frequent label of their group."""
    import numpy as np

    n_labels = labels.max() + 1
    pairs, counts = np.unique(groups * n_labels + labels, return_counts=True)
    firsts = np.flatnonzero(np.diff(pairs // n_labels, prepend=pairs[0] // n_labels - 1))
    return int(np.maximum.reduceat(counts, firsts).sum())


def _correlation_ratio(groups: "Array", labels: "Array") -> float:
    """The root of the share of the labels' variance that the means of the groups explain."""
    import numpy as np

    codes = groups + 1
    means = np.bincount(codes, labels) / np.maximum(np.bincount(codes), 1)
    return float(means[codes].std() / labels.std()) if labels.std() > 0 else 0.0


def _absolute_correlation(numbers: "Series", labels: "Array") -> float:
    """The correlation of the finite numbers or of their ranks, whichever is greater."""
    import numpy as np
    import pandas as pd

    known = np.flatnonzero(np.isfinite(numbers.to_numpy()))
    known = known[:: max(1, len(known) // _N_CORRELATED_ROWS)]
    pairs = pd.DataFrame({"number": numbers.to_numpy()[known], "label": labels[known]})
    if len(pairs) < 3 or (pairs.nunique() < 2).any():
        return 0.0
    pairs["number"] = _scale(pairs["number"].to_numpy())
    with np.errstate(invalid="ignore", divide="ignore"):  # numbers that differ only in a last digit
        correlations = [np.corrcoef(p, rowvar=False)[0, 1] for p in (pairs, pairs.rank())]
    return float(np.nanmax(np.abs(correlations)))


def _scale(values: "Array") -> "Array":
    """The values between -1 and 1, so that no sum of squares is too great for a float."""
    import numpy as np

    scaled: Array = values / np.abs(values).max()
    return scaled


def _as_numbers(series: "Series") -> "Series":
    if series.dtype.kind == "M":
        seconds: Series = (series - series.min()).dt.total_seconds()
        return seconds
    return series
