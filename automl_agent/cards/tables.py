"""Reading tables from files, and typing their columns as a data card says."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Classes, Column, DataCard
from automl_agent.errors import InputError, suggest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

TRUE_WORDS = frozenset({"true", "yes", "t", "y"})
FALSE_WORDS = frozenset({"false", "no", "f", "n"})
# What data sets write for "missing" beside what pandas knows itself ("", NA, nan, None, null …).
MISSING_WORDS = ("?", "-", "--", "N/A", "missing", "unknown value")
CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".data")
PARQUET_SUFFIXES = (".parquet", ".pq")
_DELIMITERS = ",;\t|"


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
        frame = _read_csv(path)
    else:
        kinds = ", ".join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))
        raise InputError(f"{path} is not a table that can be read; its name must end in {kinds}.")
    if len(frame) == 0:
        raise InputError(f"{path} has a header but no rows; give a table with labelled rows.")
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
    import pandas as pd

    match column.role:
        case "numeric":
            return pd.to_numeric(series, errors="coerce").astype("float64")
        case "boolean":
            return _type_boolean(series)
        case "datetime":
            parsed = pd.to_datetime(
                series, format=column.datetime_format, errors="coerce", utc=True
            )
            return parsed.dt.tz_localize(None).astype("datetime64[us]")
        case _:
            return text_cells(series)


def text_cells(series: "Series") -> "Series":
    """Each cell as text, missing cells as None; 3, 3.0 and "3" all become "3"."""
    import pandas as pd

    if pd.api.types.is_float_dtype(series.dtype):
        whole = series.dropna()
        if (whole == whole.round()).all():
            series = series.astype("Int64")
    as_text = series.astype("object").map(str, na_action="ignore")
    return as_text.where(series.notna(), None).astype("object")


def encode_labels(series: "Series", card: DataCard) -> "NDArray":
    """Labels as class indices (int64) or values (float64).

    Raises: InputError if a label is missing, not a number, or not a class of the card.
    """
    import numpy as np
    import pandas as pd

    if not isinstance(card.label_space, Classes):
        values = pd.to_numeric(series, errors="coerce").to_numpy(dtype="float64")
        if not np.isfinite(values).all():
            raise InputError(
                f"The target {card.target!r} has cells that are not finite numbers; "
                "remove those rows, or say --task multiclass_classification."
            )
        return values
    classes = card.label_space.classes
    codes = pd.Index(classes).get_indexer(pd.Index(text_cells(series)))
    if (codes < 0).any():
        stray = text_cells(series)[codes < 0].iloc[0]
        raise InputError(
            f"The target {card.target!r} has the label {stray!r}, which the training data does not "
            f"have; its classes are {', '.join(classes[:10])}."
        )
    return np.asarray(codes, dtype="int64")


def drop_unlabelled(frame: "DataFrame", target: str) -> "DataFrame":
    """The rows that have a label."""
    return frame[frame[target].notna()].reset_index(drop=True)


def check_has_columns(frame: "DataFrame", names: Sequence[str], *, source: str) -> None:
    """Nothing, if the table has all these columns.

    Raises: InputError that names the missing ones and the nearest that exist.
    """
    present = [str(name) for name in frame.columns]
    missing = [name for name in names if name not in present]
    if missing:
        listed = ", ".join(repr(name) for name in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(f"{source} has no column {listed}{more}.{suggest(missing[0], present)}")


def _type_boolean(series: "Series") -> "Series":
    words = text_cells(series).map(lambda cell: cell.strip().lower(), na_action="ignore")
    return words.map(dict.fromkeys(TRUE_WORDS, 1.0) | dict.fromkeys(FALSE_WORDS, 0.0)).astype(
        "float64"
    )


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        tables = [p.name for p in path.iterdir() if p.suffix in (*CSV_SUFFIXES, *PARQUET_SUFFIXES)]
        hint = f" It holds {', '.join(sorted(tables)[:3])}." if tables else ""
        raise InputError(f"{path} is a directory; give a CSV or Parquet file.{hint}")
    if not path.exists():
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = suggest(path.name, near) if near else ""
        raise InputError(f"There is no file {path}.{hint if 'Did you mean' in hint else ''}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; give a table with a header and rows.")


def _read_parquet(path: Path) -> "DataFrame":
    import pandas as pd
    import pyarrow as pa

    try:
        frame = pd.read_parquet(path)
    except PermissionError as exc:
        raise InputError(f"{path} may not be read; check its permissions.") from exc
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise InputError(f"{path} is not a Parquet file that can be read ({exc}).") from exc
    return frame.rename(columns=str)


def _read_csv(path: Path) -> "DataFrame":
    import pandas as pd

    problem = "is not a table that can be read"
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            frame = pd.read_csv(
                path,
                sep=_find_delimiter(path, encoding),
                dtype=str,
                encoding=encoding,
                skipinitialspace=True,
                na_values=list(MISSING_WORDS),
            )
            break
        except UnicodeDecodeError:
            continue
        except PermissionError as exc:
            raise InputError(f"{path} may not be read; check its permissions.") from exc
        except (
            pd.errors.ParserError,
            pd.errors.EmptyDataError,
            ValueError,
            OSError,
            EOFError,
        ) as exc:
            raise InputError(f"{path} {problem} ({str(exc).strip()}).") from exc
    else:
        raise InputError(f"{path} {problem}: it is neither UTF-8 nor Windows-1252 text.")
    if any("\x00" in str(name) for name in frame.columns):
        raise InputError(f"{path} {problem}: it holds binary data.")
    return frame.apply(_strip_cells)


def _strip_cells(series: "Series") -> "Series":
    stripped = series.str.strip()
    return stripped.mask(stripped.isin(["", *MISSING_WORDS]))


def _find_delimiter(path: Path, encoding: str) -> str:
    import pandas as pd

    # pandas opens compressed files by their name; one line of it is enough to sniff.
    header = pd.read_csv(
        path, sep="\x01", header=None, nrows=1, dtype=str, encoding=encoding, quoting=csv.QUOTE_NONE
    )
    line = str(header.iloc[0, 0])
    return max(_DELIMITERS, key=line.count)
