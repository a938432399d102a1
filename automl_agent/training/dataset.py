"""The tables that scripts are given: typed, with ids for columns, without held-out labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.tables import encode_labels, type_features
from automl_agent.training.split import split_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

TARGET = "target"


@dataclass(frozen=True)
class Dataset:
    """A data set, divided and written.

    folder: holds train, valid and development (both) with labels, valid_features and
        holdout_features without; all Parquet.
    holdout_labels: shape (n_holdout,); in no file of `folder`.
    """

    card: DataCard
    folder: Path
    split_fingerprint: str
    valid_labels: "NDArray"
    holdout_labels: "NDArray"
    n_train: int

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
    write_table(labelled.iloc[split.train], folder / "train.parquet")
    write_table(labelled.iloc[split.valid], folder / "valid.parquet")
    development = labelled.drop(index=labelled.index[split.holdout])
    write_table(development, folder / "development.parquet")
    write_table(features.iloc[split.valid], folder / "valid_features.parquet")
    if holdout is None:
        held_out, holdout_labels = features.iloc[split.holdout], labels[split.holdout]
    else:
        held_out = column_ids(type_features(holdout, card.features))
        holdout_labels = encode_labels(holdout[card.target], card)
    write_table(held_out, folder / "holdout_features.parquet")
    return Dataset(
        card, folder, split.fingerprint, labels[split.valid], holdout_labels, len(split.train)
    )


def column_ids(typed: "DataFrame") -> "DataFrame":
    """The columns renamed c0, c1, …: no name of a user's table reaches a script's code."""
    return typed.set_axis([f"c{index}" for index in range(typed.shape[1])], axis=1)


def write_table(table: "DataFrame", path: Path) -> None:
    """The table as Parquet."""
    table.to_parquet(path, index=False)
