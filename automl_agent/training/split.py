"""Dividing rows once: seeded, stratified, by group or by time; and the fingerprint of the division."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import DataCard, SplitRule

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

HOLDOUT_SHARE = 0.2
VALID_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Row positions: `train` and `valid` may be trained on, `holdout` is for the final score."""

    train: "NDArray"
    valid: "NDArray"
    holdout: "NDArray"

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the division, to tell whether two runs used the same one."""
        digest = hashlib.sha256()
        for rows in (self.train, self.valid, self.holdout):
            digest.update(len(rows).to_bytes(8, "big") + rows.astype("int64").tobytes())
        return digest.hexdigest()


def split_rows(
    frame: "DataFrame", labels: "NDArray", card: DataCard, *, seed: int, holdout: bool = True
) -> Split:
    """The division of a table's rows by the card's rule.

    holdout: False if held-out rows come from a table of their own.
    """
    import numpy as np

    rule = card.split or SplitRule("random")
    rows = np.arange(len(frame))
    if rule.kind == "time":
        rows = rows[np.argsort(_times(frame, rule), kind="stable")]
    strata = labels if rule.kind == "stratified" else None
    groups = frame[rule.column].astype(str).to_numpy() if rule.kind == "group" else None
    rest, held_out = rows, rows[:0]
    if holdout:
        rest, held_out = _cut(rows, HOLDOUT_SHARE, rule, strata, groups, seed)
    train, valid = _cut(rest, VALID_SHARE, rule, strata, groups, seed + 1)
    return Split(train, valid, held_out)


def _cut(
    rows: "NDArray",
    share: float,
    rule: SplitRule,
    strata: "NDArray | None",
    groups: "NDArray | None",
    seed: int,
) -> tuple["NDArray", "NDArray"]:
    """The rows in two parts, the second with about that share of them."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    if rule.kind == "time":
        n_first = round(len(rows) * (1 - share))
        return rows[:n_first], rows[n_first:]
    if groups is not None:
        splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
        first, second = next(splitter.split(rows, groups=groups[rows]))
        return rows[first], rows[second]
    if strata is None:
        first, second = train_test_split(rows, test_size=share, random_state=seed)
        return first, second
    return _cut_by_class(rows, share, strata, seed)


def _cut_by_class(
    rows: "NDArray", share: float, strata: "NDArray", seed: int
) -> tuple["NDArray", "NDArray"]:
    """As `_cut`, with each class in both parts; a class of one row stays in the first part."""
    import numpy as np

    random = np.random.default_rng(seed)
    first, second = [], []
    for label in np.unique(strata[rows]):
        members = random.permutation(rows[strata[rows] == label])
        n_second = min(len(members) - 1, max(1, round(len(members) * share)))
        second.append(members[:n_second])
        first.append(members[n_second:])
    return random.permutation(np.concatenate(first)), random.permutation(np.concatenate(second))


def _times(frame: "DataFrame", rule: SplitRule) -> "NDArray":
    import pandas as pd

    column = frame[rule.column]
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy()
    numbers = pd.to_numeric(column, errors="coerce")
    times = numbers if numbers.notna().all() else pd.to_datetime(column, format="mixed", utc=True)
    return times.to_numpy()
