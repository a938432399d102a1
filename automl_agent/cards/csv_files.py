"""Reading CSV files, whatever their delimiter, encoding and way to write missing cells."""

import csv
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# What data sets write for "missing", and what pandas takes for it.
MISSING_WORDS = frozenset(
    {"", "?", "-", "--", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "<NA>"}
    | {"missing", "unknown value"}
)
# The comma last: it is also in numbers and in words, and a delimiter only if nothing else is.
_DELIMITERS = "\t;|,"
_NO_DELIMITER = "\x01"  # pandas asks for one also where a line is one cell
_N_SNIFFED_LINES = 20
_BROKEN_FILE = (
    ValueError,  # pandas' parser errors are such
    OSError,
    EOFError,
    ImportError,  # a compression that is not installed
    zlib.error,
    LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)


def read_csv(path: Path) -> "DataFrame":
    """The table in a CSV file, also compressed; cells are text, pandas' type `str`, or missing.

    The delimiter and the encoding are found out. Raises: InputError.
    """
    problem = "is not a table that can be read"
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            frame = _read_encoded(path, encoding)
            break
        except UnicodeDecodeError:
            continue
        except PermissionError as exc:
            raise InputError(f"{path} may not be read; check its permissions.") from exc
        except _BROKEN_FILE as exc:
            reason = str(exc).strip().partition("\n")[0]
            raise InputError(f"{path} {problem} ({reason}).") from exc
    else:
        raise InputError(f"{path} {problem}: it is neither UTF-8 nor Windows-1252 text.")
    if any("\x00" in name for name in frame.columns):
        raise InputError(f"{path} {problem}: it holds binary data.")
    if frame.index.dtype != "int64":
        raise InputError(
            f"{path} {problem}: its rows have more cells than its header; name every column."
        )
    return frame


def _read_encoded(path: Path, encoding: str) -> "DataFrame":
    import pandas as pd

    lines = _read_first_lines(path, encoding)
    delimiter = _find_delimiter(lines)
    _check_names_differ(next(csv.reader([lines[0]], delimiter=delimiter, skipinitialspace=True)))
    frame = pd.read_csv(
        path,
        sep=delimiter,
        dtype="str",
        encoding=encoding,
        skipinitialspace=True,
        keep_default_na=False,
        # In a table of one column an empty line is a row whose cell is missing.
        skip_blank_lines=delimiter != _NO_DELIMITER,
    )
    frame = frame.rename(columns=str.strip).apply(_strip_cells)
    return frame if delimiter == "," else frame.apply(_point_decimals)


def _check_names_differ(header: Sequence[str]) -> None:
    """Nothing, if every column has a name of its own; names that are empty do not count.

    pandas would number the later ones, and so hide a target behind another column.
    Raises: ValueError.
    """
    counts = Counter(name.strip() for name in header if name.strip())
    name, n_columns = counts.most_common(1)[0] if counts else ("", 0)
    if n_columns > 1:
        raise ValueError(f"it has {n_columns} columns named {name!r}; rename them")


def _strip_cells(series: "Series") -> "Series":
    stripped = series.str.strip()
    return stripped.mask(stripped.isin(MISSING_WORDS))


def _point_decimals(series: "Series") -> "Series":
    """The column with decimal points, if all its numbers are written with decimal commas."""
    known = series.dropna()
    if known.str.contains(",").any() and known.str.fullmatch(r"-?\d+(,\d+)?").all():
        return series.str.replace(",", ".", regex=False)
    return series


def _read_first_lines(path: Path, encoding: str) -> list[str]:
    import pandas as pd

    # pandas opens compressed files by their name.
    lines = pd.read_csv(
        path,
        sep=_NO_DELIMITER,
        header=None,
        nrows=_N_SNIFFED_LINES,
        dtype="str",
        encoding=encoding,
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
    )
    return list(lines[0])


def _find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that every line has most of; if there is none, that of the header."""
    unquoted = [re.sub(r'"[^"]*"', "", line) for line in lines]
    header = unquoted[0]
    return max(
        (mark for mark in _DELIMITERS if mark in header),
        key=lambda mark: (min(line.count(mark) for line in unquoted), header.count(mark)),
        default=_NO_DELIMITER,
    )
