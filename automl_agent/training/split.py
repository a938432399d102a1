"""Dividing rows once: seeded, stratified, by group or by time; and its fingerprint."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import DataCard, SplitRule
from automl_agent.cards.roles import describe_column
from automl_agent.cards.tables import type_column
from automl_agent.errors import InputError

if TYPE_CHECKING:
    from numpy import ndarray as Array
    from pandas import DataFrame

HOLDOUT_SHARE = 0.2
VALID_SHARE = 0.2
# How many times its share, and how many rows beyond that, a part may be to have every class.
_MAX_EXCESS, _MAX_MORE_ROWS = 1.5, 2


@dataclass(frozen=True)
class Split:
    """Row positions: `train` and `valid` may be trained on, `holdout` is for the final score."""

    train: "Array"
    valid: "Array"
    holdout: "Array"

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the division, to tell whether two runs used the same one."""
        digest = hashlib.sha256()
        for rows in (self.train, self.valid, self.holdout):
            digest.update(len(rows).to_bytes(8, "big") + rows.astype("int64").tobytes())
        return digest.hexdigest()


def split_rows(
    frame: "DataFrame", labels: "Array", card: DataCard, *, seed: int, holdout: bool = True
) -> Split:
    """The division of a table's rows by the card's rule.

    holdout: False if held-out rows come from a table of their own.
    Raises: InputError if the rows cannot be divided so.
    """
    import numpy as np
    import pandas as pd

    rule = card.split or SplitRule("random")
    rows = np.arange(len(frame))
    if rule.kind == "time":
        rows = rows[np.argsort(_times(frame, rule), kind="stable")]
    strata = labels if rule.kind == "stratified" else None
    # Rows without a group are one group: they may well belong together.
    groups = pd.factorize(frame[rule.column])[0] if rule.kind == "group" else None
    rest, held_out = rows, rows[:0]
    if holdout:
        rest, held_out = _cut(rows, HOLDOUT_SHARE, rule, strata, groups, seed)
    train, valid = _cut(rest, VALID_SHARE, rule, strata, groups, seed + 1)
    if not len(valid) or (holdout and not len(held_out)):
        raise InputError("Every class has a single row, so none can be held out; give more rows.")
    return Split(train, valid, held_out)


def _cut(
    rows: "Array",
    share: float,
    rule: SplitRule,
    strata: "Array | None",
    groups: "Array | None",
    seed: int,
) -> tuple["Array", "Array"]:
    """The rows in two parts, the second with about that share of them."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    if rule.kind == "time":
        n_first = round(len(rows) * (1 - share))
        return rows[:n_first], rows[n_first:]
    if groups is not None:
        _check_groups(rule, groups[rows])
        splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
        first, second = next(splitter.split(rows, groups=groups[rows]))
        return rows[first], rows[second]
    if strata is None:
        first, second = train_test_split(rows, test_size=share, random_state=seed)
        return first, second
    return _cut_by_class(rows, share, strata, seed)


def _cut_by_class(
    rows: "Array", share: float, strata: "Array", seed: int
) -> tuple["Array", "Array"]:
    """As `_cut`, with each class in both parts; a class of one row stays in the first part.

    Where most classes have two or three rows, one of each would be far more than the share; then
    some of them are in the first part only.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    first, second = [], []
    for label in np.unique(strata[rows]):
        members = random.permutation(rows[strata[rows] == label])
        n_second = min(len(members) - 1, max(1, round(len(members) * share)))
        second.append(members[:n_second])
        first.append(members[n_second:])
    chosen = random.permutation(np.concatenate(second))
    n_wanted = max(1, round(len(rows) * share))
    if len(chosen) > _MAX_EXCESS * n_wanted + _MAX_MORE_ROWS:
        first.append(chosen[n_wanted:])
        chosen = chosen[:n_wanted]
    return random.permutation(np.concatenate(first)), chosen


def _check_groups(rule: SplitRule, groups: "Array") -> None:
    if len(set(groups)) < 2:
        raise InputError(
            f"The column {rule.column!r} has too few groups to keep each in one part; at least "
            "three are needed, or two beside held-out rows in a table of their own."
        )


def _times(frame: "DataFrame", rule: SplitRule) -> "Array":
    """Numbers that order the rows; a row without a time comes first, so that it is trained on."""
    import numpy as np
    import pandas as pd

    series = frame[rule.column]
    column = describe_column(series)
    if column.role == "datetime":
        return type_column(series, column).to_numpy().astype("int64")  # missing: the smallest
    numbers = pd.to_numeric(series, errors="coerce")
    if (numbers.isna() & series.notna()).any():
        stray = series[numbers.isna() & series.notna()].iloc[0]
        raise InputError(
            f"The column {rule.column!r} does not order the rows: {stray!r} is no time or number."
        )
    return numbers.astype("float64").fillna(-np.inf).to_numpy()
