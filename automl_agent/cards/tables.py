"""Tables: reading them from files, and typing their columns as a data card says."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.cards.csv_files import read_csv
from automl_agent.cards.data_card import Classes, Column, DataCard
from automl_agent.errors import InputError, suggest

if TYPE_CHECKING:
    from numpy import ndarray as Array
    from pandas import DataFrame, Series

TRUE_WORDS = frozenset({"true", "yes", "t", "y"})
FALSE_WORDS = frozenset({"false", "no", "f", "n"})
CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".data")
PARQUET_SUFFIXES = (".parquet", ".pq")


def check_frame(table: object, what: str) -> "DataFrame":
    """The table with names of columns that are texts, its rows numbered from 0.

    what: what it is, for the message.
    Raises: InputError if it is no table.
    """
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{what} is a {type(table).__name__}; give a DataFrame or a path.")
    return table.rename(columns=str).reset_index(drop=True)


def read_table(path: Path) -> "DataFrame":
    """The table in a CSV file (also .gz, .bz2, .xz, .zip) or a Parquet file.

    CSV cells come as strings, so that nothing is lost before the columns' roles are known.
    Raises: InputError with the remedy if there is no such file or it is no table.
    """
    _check_is_file(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PARQUET_SUFFIXES:
        frame = _read_parquet(path)
    elif any(suffix in CSV_SUFFIXES for suffix in suffixes[-2:]):
        frame = read_csv(path)
    else:
        kinds = ", ".join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))
        raise InputError(f"{path} is not a table that can be read; its name must end in {kinds}.")
    if len(frame) == 0:
        raise InputError(f"{path} has a header but no rows; give a table with rows.")
    return frame


def type_features(frame: "DataFrame", columns: Sequence[Column]) -> "DataFrame":
    """The columns named, typed by role: numbers and booleans float64, categories str, datetimes.

    A cell that cannot be read as its role says becomes a missing value.
    """
    import pandas as pd

    typed = {index: type_column(frame[c.name], c) for index, c in enumerate(columns)}
    return pd.DataFrame(typed, index=frame.index)


def type_column(series: "Series", column: Column) -> "Series":
    """One column, typed by its role."""
    match column.role:
        case "numeric":
            # Few learners take infinity, and what it stands for is seldom a number.
            return to_numbers(series).replace([math.inf, -math.inf], math.nan)
        case "boolean":
            return _to_booleans(series)
        case "datetime":
            return _to_datetimes(series, column.datetime_format)
        case _:
            return text_cells(series)


def text_cells(series: "Series") -> "Series":
    """Each cell as text, pandas' type `str`; 3, 3.0 and "3" become "3", missing stays missing."""
    import numpy as np
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        names = text_cells(pd.Series(series.cat.categories)).array
        cells = names.take(series.cat.codes.to_numpy(), allow_fill=True)
        return pd.Series(cells, index=series.index, name=series.name)
    if pd.api.types.is_float_dtype(series.dtype):
        known = series.dropna().to_numpy(dtype="float64")
        # Beyond 2**53 floats are whole, but no longer exact.
        if (np.abs(known) < 2**53).all() and (known % 1 == 0).all():
            series = series.astype("float64").astype("Int64")
    try:
        return series.astype("str")
    except UnicodeError:
        return series.map(ascii, na_action="ignore").astype("str")


def to_numbers(series: "Series") -> "Series":
    """The numbers in the cells, float64, NaN where a cell is none; durations are in seconds."""
    import pandas as pd

    types = pd.api.types
    is_real = types.is_numeric_dtype(series) and not types.is_complex_dtype(series)
    if is_real or types.is_bool_dtype(series):
        return series.astype("float64")
    if types.is_timedelta64_dtype(series):
        seconds: Series = series.dt.total_seconds()
        return seconds
    return parse_numbers(text_cells(series))


def parse_numbers(words: "Series") -> "Series":
    """The numbers that words of pandas' type `str` stand for, float64, NaN where it is none."""
    import pandas as pd
    import pyarrow as pa

    try:
        # Arrow is five times as fast, but gives up at the first word that is no number.
        return words.astype(pd.ArrowDtype(pa.float64())).astype("float64")
    except pa.ArrowInvalid:
        return pd.to_numeric(words, errors="coerce").astype("float64")


def encode_labels(series: "Series", card: DataCard) -> "Array":
    """Labels as class indices (int64) or values (float64).

    Raises: InputError if a label is missing, not a number, or not a class of the card.
    """
    if not isinstance(card.label_space, Classes):
        return _encode_values(series, card)
    import pandas as pd

    classes = card.label_space.classes
    labels = text_cells(series)
    codes = pd.Index(classes, dtype="str").get_indexer(pd.Index(labels))
    if labels.isna().any():
        raise InputError(f"The target {card.target!r} has rows without a label; remove them.")
    if (codes < 0).any():
        stray = labels[codes < 0].iloc[0]
        raise InputError(
            f"The target {card.target!r} has the label {stray!r}, which the training data does not "
            f"have; its classes are {', '.join(map(repr, classes[:10]))}"
            f"{', …' if len(classes) > 10 else ''}."
        )
    return codes.astype("int64")


def drop_unlabelled(frame: "DataFrame", target: str) -> "DataFrame":
    """The rows that have a label."""
    return frame[frame[target].notna()].reset_index(drop=True)


def check_has_columns(frame: "DataFrame", names: Sequence[str], *, source: str) -> None:
    """Nothing, if the table has all these columns, each once.

    Raises: InputError that names the missing ones and the nearest that exist.
    """
    counts = Counter(str(name) for name in frame.columns)
    missing = [name for name in names if name not in counts]
    if missing:
        listed = ", ".join(repr(name) for name in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(f"{source} has no column {listed}{more}.{suggest(missing[0], counts)}")
    for name in names:
        if counts[name] > 1:
            raise InputError(f"{source} has {counts[name]} columns named {name!r}; rename them.")


def _encode_values(series: "Series", card: DataCard) -> "Array":
    import numpy as np

    values = to_numbers(series).to_numpy()
    is_finite = np.isfinite(values)
    if not is_finite.all():
        stray = text_cells(series)[~is_finite].iloc[0]
        raise InputError(
            f"The target {card.target!r} has cells that are not finite numbers, such as {stray!r}; "
            "remove those rows, or say --task multiclass_classification."
        )
    return values


def _to_booleans(series: "Series") -> "Series":
    words = text_cells(series).str.strip().str.lower()
    # Columns of 0 and 1 have the role "numeric", but new rows may hold them for False and True.
    values = dict.fromkeys((*TRUE_WORDS, "1"), 1.0) | dict.fromkeys((*FALSE_WORDS, "0"), 0.0)
    return words.map(values).astype("float64")


def _to_datetimes(series: "Series", date_format: str | None) -> "Series":
    import pandas as pd

    is_typed = pd.api.types.is_datetime64_any_dtype(series)
    parsed = pd.to_datetime(
        series if is_typed else text_cells(series),
        format=date_format or "ISO8601",
        errors="coerce",
        utc=True,
    )
    return parsed.dt.tz_localize(None).astype("datetime64[us]")


def _check_is_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; give a CSV or Parquet file.{_holds(path)}")
        if not path.exists():
            raise InputError(f"There is no file {path}.{_find_near(path)}")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file; give a CSV or Parquet file.")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; give a table with a header and rows.")
    except OSError as exc:
        raise InputError(f"{path} cannot be read ({exc.strerror}).") from exc


def _holds(folder: Path) -> str:
    suffixes = (*CSV_SUFFIXES, *PARQUET_SUFFIXES)
    tables = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in suffixes)
    return f" It holds {', '.join(tables[:3])}." if tables else ""


def _find_near(path: Path) -> str:
    near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = suggest(path.name, near)
    return hint if "Did you mean" in hint else " Say where it lies, with its whole path."


def _read_parquet(path: Path) -> "DataFrame":
    import pandas as pd
    import pyarrow as pa

    try:
        frame = pd.read_parquet(path)
        # An index with a name was a column to whoever wrote the file.
        frame = frame.reset_index(drop=set(frame.index.names) == {None})
    except PermissionError as exc:
        raise InputError(f"{path} may not be read; check its permissions.") from exc
    except (pa.ArrowException, OSError, ValueError) as exc:
        reason = str(exc).partition("\n")[0]
        raise InputError(f"{path} is not a Parquet file that can be read ({reason}).") from exc
    return frame.rename(columns=str)
