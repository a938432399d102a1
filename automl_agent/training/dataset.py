"""The tables that scripts are given: typed, with ids for columns, without held-out labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Column, DataCard
from automl_agent.cards.tables import encode_labels, type_features
from automl_agent.training.split import split_rows

if TYPE_CHECKING:
    from numpy import ndarray as Array
    from pandas import DataFrame

TARGET = "target"
# A column with more is close to free text, and its list would be longer than the model.
_MAX_LISTED_CATEGORIES = 1_000


@dataclass(frozen=True)
class Dataset:
    """A data set, divided and written.

    folder: holds train, valid and development (both) with labels, valid_features and
        holdout_features without; all Parquet.
    holdout_labels: shape (n_holdout,); in no file of `folder`.
    categories: those of the rows with labels, by column name; columns with very many are left out.
    """

    card: DataCard
    folder: Path
    split_fingerprint: str
    valid_labels: "Array"
    holdout_labels: "Array"
    n_train: int
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def n_development(self) -> int:
        """The number of rows that may be trained on."""
        return self.n_train + len(self.valid_labels)


def write_dataset(
    frame: "DataFrame",
    card: DataCard,
    folder: Path,
    *,
    seed: int,
    holdout: "DataFrame | None" = None,
) -> Dataset:
    """Divide a labelled table and write what scripts may read.

    holdout: labelled rows from a table of their own, instead of a part of `frame`.
    """
    labels = encode_labels(frame[card.target], card)
    split = split_rows(frame, labels, card, seed=seed, holdout=holdout is None)
    features = column_ids(type_features(frame, card.features))
    labelled = features.assign(**{TARGET: labels})
    development = labelled.iloc[sorted((*split.train, *split.valid))]
    write_table(labelled.iloc[split.train], folder / "train.parquet")
    write_table(labelled.iloc[split.valid], folder / "valid.parquet")
    write_table(development, folder / "development.parquet")
    write_table(features.iloc[split.valid], folder / "valid_features.parquet")
    if holdout is None:
        held_out, holdout_labels = features.iloc[split.holdout], labels[split.holdout]
    else:
        held_out = column_ids(type_features(holdout, card.features))
        holdout_labels = encode_labels(holdout[card.target], card)
    write_table(held_out, folder / "holdout_features.parquet")
    return Dataset(
        card=card,
        folder=folder,
        split_fingerprint=split.fingerprint,
        valid_labels=labels[split.valid],
        holdout_labels=holdout_labels,
        n_train=len(split.train),
        categories=_list_categories(development, card.features),
    )


def column_ids(typed: "DataFrame") -> "DataFrame":
    """The columns renamed c0, c1, …: no name of a user's table reaches a script's code."""
    return typed.set_axis([f"c{index}" for index in range(typed.shape[1])], axis=1)


def write_table(table: "DataFrame", path: Path) -> None:
    """The table as Parquet."""
    table.to_parquet(path, index=False)


def repeat_rows(source: Path, path: Path, n_rows: int) -> None:
    """Write a table of `n_rows` rows: the first ones of another, again and again if they end."""
    import numpy as np
    import pandas as pd

    table = pd.read_parquet(source)
    write_table(table.iloc[np.arange(n_rows) % len(table)], path)


def _list_categories(rows: "DataFrame", columns: Sequence[Column]) -> dict[str, list[str]]:
    return {
        column.name: sorted(rows.iloc[:, position].dropna().unique())
        for position, column in enumerate(columns)
        if column.role == "categorical" and (column.n_unique or 0) <= _MAX_LISTED_CATEGORIES
    }
