"""What a person should know about the data before training: leaks, duplicates, ids, time order."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Classes, Column, Continuous, Hint

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

# So much of the labels known from one column alone is more often a leak than luck.
_DETERMINED_SHARE = 0.999
_RARE_CLASS_ROWS = 5
_N_BINS = 64


def find_hints(
    frame: "DataFrame", columns: tuple[Column, ...], labels: "NDArray", space: Classes | Continuous
) -> tuple[Hint, ...]:
    """The hints for a table; frame: its features, typed, one column for each of `columns`."""
    found = [*_row_hints(frame), *_class_hints(labels, space)]
    for position, column in enumerate(columns):
        found.extend(_column_hints(frame.iloc[:, position], column, labels, space))
    return tuple(found)


def _row_hints(frame: "DataFrame") -> Iterator[Hint]:
    n_duplicates = int(frame.duplicated().sum()) if frame.shape[1] else 0
    if n_duplicates:
        share = n_duplicates / len(frame)
        yield Hint("duplicate_rows", f"{n_duplicates} rows ({share:.1%}) repeat another row.")


def _class_hints(labels: "NDArray", space: Classes | Continuous) -> Iterator[Hint]:
    if not isinstance(space, Classes):
        return
    for index, name in enumerate(space.classes):
        n_rows = int((labels == index).sum())
        if n_rows < _RARE_CLASS_ROWS:
            yield Hint("rare_class", f"The class {name!r} has only {n_rows} rows.")


def _column_hints(
    series: "Series", column: Column, labels: "NDArray", space: Classes | Continuous
) -> Iterator[Hint]:
    name = column.name
    if column.role == "identifier":
        yield Hint("identifier", "Every row has its own value; the column is not used.", name)
    if column.role in ("text", "constant"):
        text = f"A {column.role} column is not used by experts for tables."
        yield Hint("unused_column", text, name)
    if column.role == "datetime" and series.dropna().is_monotonic_increasing:
        text = "Rows are in the order of time; consider --split-by-time with this column."
        yield Hint("time_order", text, name)
    if column.is_feature:
        yield from _leak_hints(series, column, labels, space)


def _leak_hints(
    series: "Series", column: Column, labels: "NDArray", space: Classes | Continuous
) -> Iterator[Hint]:
    if isinstance(space, Classes):
        share = _determined_share(series, column, labels)
        kind = "equals_target" if share == 1 else "determines_target"
        if share >= _DETERMINED_SHARE:
            yield Hint(
                kind, f"It tells the label of {share:.2%} of the rows; is it a leak?", column.name
            )
    elif column.role == "numeric":
        correlation = _absolute_correlation(series, labels)
        kind = "equals_target" if correlation > 1 - 1e-9 else "determines_target"
        if correlation >= _DETERMINED_SHARE:
            text = f"Its correlation with the target is {correlation:.4f}; is it a leak?"
            yield Hint(kind, text, column.name)


def _determined_share(series: "Series", column: Column, labels: "NDArray") -> float:
    """The share of rows whose label is the most frequent one among rows with the same value."""
    import pandas as pd

    if column.role == "categorical" and (column.n_unique or 0) > len(series) / 10:
        return 0.0  # nearly every value is alone, so it tells its own label and nothing else
    values = series if column.role in ("categorical", "boolean") else _bin_numbers(series)
    counts = pd.crosstab(values.fillna("missing").to_numpy(), labels)
    return float(counts.max(axis=1).sum() / len(series))


def _bin_numbers(series: "Series") -> "Series":
    import pandas as pd

    ranks = series.rank(method="dense")
    if ranks.max() <= _N_BINS:
        return ranks.astype("object")
    return pd.qcut(series.rank(method="first"), _N_BINS, labels=False).astype("object")


def _absolute_correlation(series: "Series", labels: "NDArray") -> float:
    import numpy as np

    known = series.notna().to_numpy()
    values = series.to_numpy(dtype="float64")[known]
    if known.sum() < 3 or values.std() == 0 or labels[known].std() == 0:
        return 0.0
    return float(abs(np.corrcoef(values, labels[known])[0, 1]))
