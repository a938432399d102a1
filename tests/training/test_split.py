"""Dividing rows: each once, every class to learn from, nothing from the future or the group."""

from collections import Counter
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.data_card import Classes, DataCard, SplitRule
from automl_agent.errors import InputError
from automl_agent.training.split import HOLDOUT_SHARE, VALID_SHARE, Split, split_rows

seeds = st.integers(0, 2**31)
labels_of_rows = st.lists(st.integers(0, 6), min_size=20, max_size=200)


def make_card(
    kind: Literal["random", "stratified", "group", "time"], column: str | None
) -> DataCard:
    return DataCard(
        name="rows",
        description="",
        input_type="tabular",
        task="multiclass_classification",
        label_space=Classes(("a", "b")),
        metric="log_loss",
        provenance={},
        split=SplitRule(kind, column),
    )


def divide(
    labels: list[int] | np.ndarray,
    kind: Literal["random", "stratified", "group", "time"] = "stratified",
    *,
    by: object = None,
    seed: int = 0,
    holdout: bool = True,
) -> Split:
    """The division of rows with these labels; `by`: the cells of the column of the rule."""
    frame = pd.DataFrame({"by": by if by is not None else range(len(labels))})
    card = make_card(kind, "by" if kind in ("group", "time") else None)
    return split_rows(frame, np.asarray(labels), card, seed=seed, holdout=holdout)


def has_a_pair(labels: list[int]) -> bool:
    """Whether enough rows share a class that all three parts can have rows."""
    return sum(count - 1 for count in Counter(labels).values()) >= 8


@given(labels_of_rows.filter(has_a_pair), st.sampled_from(["random", "stratified", "time"]), seeds)
def test_the_parts_are_disjoint_and_cover_all_rows(
    labels: list[int], kind: Literal["random", "stratified", "time"], seed: int
) -> None:
    split = divide(labels, kind, seed=seed)
    rows = np.concatenate([split.train, split.valid, split.holdout])
    assert sorted(rows) == list(range(len(labels)))
    assert min(len(split.train), len(split.valid), len(split.holdout)) > 0


@given(labels_of_rows.filter(has_a_pair), st.sampled_from(["random", "stratified", "time"]), seeds)
def test_the_parts_have_their_shares(
    labels: list[int], kind: Literal["random", "stratified", "time"], seed: int
) -> None:
    split = divide(labels, kind, seed=seed)
    wanted = len(labels) * HOLDOUT_SHARE
    # Each of at most seven classes is rounded by itself, up to half as much and two rows above.
    assert wanted - 4 <= len(split.holdout) <= 1.5 * wanted + 3
    wanted = (len(labels) - len(split.holdout)) * VALID_SHARE
    assert wanted - 4 <= len(split.valid) <= 1.5 * wanted + 3


@given(labels_of_rows.filter(has_a_pair), seeds)
def test_every_class_is_trained_on(labels: list[int], seed: int) -> None:
    split = divide(labels, seed=seed)
    assert {labels[row] for row in split.train} == set(labels)


@given(st.lists(st.integers(3, 30), min_size=2, max_size=4).filter(lambda c: sum(c) >= 20), seeds)
def test_a_class_with_three_rows_is_in_all_parts_where_classes_are_few(
    counts: list[int], seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    split = divide(labels, seed=seed)
    for rows in (split.train, split.valid, split.holdout):
        assert set(labels[rows]) == set(range(len(counts)))


def test_the_shares_of_the_classes_are_kept() -> None:
    labels = np.repeat([0, 1, 2], [700, 250, 50])
    split = divide(labels)
    assert np.bincount(labels[split.holdout]).tolist() == [140, 50, 10]
    assert np.bincount(labels[split.valid]).tolist() == [112, 40, 8]
    assert np.bincount(labels[split.train]).tolist() == [448, 160, 32]


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([0] * 10 + [1] * 10, id="two classes"),
        pytest.param([0] * 19 + [1], id="one row of a class"),
        pytest.param([0] * 18 + [1] * 2, id="two rows of a class"),
        pytest.param(list(range(10)) * 2, id="ten classes of two rows"),
        pytest.param([*range(12), *[12] * 8], id="twelve classes of one row"),
    ],
)
def test_twenty_rows_are_enough(labels: list[int]) -> None:
    split = divide(labels)
    assert {labels[row] for row in split.train} == set(labels)
    assert 1 <= len(split.valid) <= 6
    assert 1 <= len(split.holdout) <= 6
    assert len(split.train) >= 10


def test_classes_of_two_or_three_rows_each_leave_most_rows_for_training() -> None:
    split = divide(np.repeat(range(500), [2, 3] * 250))
    assert [len(split.train), len(split.valid), len(split.holdout)] == [800, 200, 250]


def test_rows_that_are_all_of_their_own_class_cannot_be_divided() -> None:
    with pytest.raises(InputError, match="Every class has a single row"):
        divide(list(range(20)))


@given(labels_of_rows.filter(has_a_pair), st.sampled_from(["random", "stratified"]), seeds)
def test_the_same_seed_divides_alike_and_another_one_differently(
    labels: list[int], kind: Literal["random", "stratified"], seed: int
) -> None:
    first, again = divide(labels, kind, seed=seed), divide(labels, kind, seed=seed)
    assert first.fingerprint == again.fingerprint
    assert first.train.tolist() == again.train.tolist()
    # There are more divisions of twenty rows than seeds.
    assert divide(labels, kind, seed=seed + 1).fingerprint != first.fingerprint


def test_the_fingerprint_tells_a_row_that_changed_its_part() -> None:
    rows = np.arange(10)
    split = Split(rows[:6], rows[6:8], rows[8:])
    moved = Split(rows[:7], rows[7:8], rows[8:])
    narrow = Split(rows[:6].astype("int32"), rows[6:8], rows[8:])
    assert len(split.fingerprint) == 64
    assert split.fingerprint != moved.fingerprint
    assert split.fingerprint == narrow.fingerprint


@pytest.mark.parametrize("kind", ["random", "stratified", "time"])
def test_without_a_holdout_all_rows_may_be_trained_on(
    kind: Literal["random", "stratified", "time"],
) -> None:
    split = divide([0, 1] * 50, kind, holdout=False)
    assert len(split.holdout) == 0
    assert sorted([*split.train, *split.valid]) == list(range(100))
    assert len(split.valid) == 20


@given(st.lists(st.integers(0, 15), min_size=30, max_size=100), seeds)
def test_a_group_is_never_on_both_sides(groups: list[int], seed: int) -> None:
    if len(set(groups)) < 3:
        groups = [*groups, 100, 101, 102]
    split = divide([0] * len(groups), "group", by=groups, seed=seed)
    parts = [{groups[row] for row in rows} for rows in (split.train, split.valid, split.holdout)]
    assert sum(map(len, parts)) == len(set(groups))
    assert all(parts)


def test_rows_without_a_group_are_one_group() -> None:
    groups = [None, "a", "b", "c", "d"] * 10
    split = divide([0] * 50, "group", by=groups)
    homes = [
        rows
        for rows in (split.train, split.valid, split.holdout)
        if set(rows) & set(range(0, 50, 5))
    ]
    assert len(homes) == 1


@pytest.mark.parametrize(("n_groups", "holdout"), [(1, True), (1, False), (2, True)])
def test_too_few_groups_are_an_error_that_says_how_many_are_needed(
    n_groups: int, holdout: bool
) -> None:
    groups = [number % n_groups for number in range(40)]
    with pytest.raises(InputError, match=r"'by' has too few groups.*at least three"):
        divide([0] * 40, "group", by=groups, holdout=holdout)


TIMES = {
    "numbers": lambda day: day,
    "numbers as text": str,
    "dates": lambda day: pd.Timestamp("2020-01-01") + pd.Timedelta(days=day),
    "dates as text": lambda day: str(pd.Timestamp("2020-01-01").date() + pd.Timedelta(days=day)),
    "dates with the day first": lambda day: f"{day % 28 + 1:02}/{day // 28 % 12 + 1:02}/2020",
    "dates in time zones": lambda day: (
        pd.Timestamp("2020-01-01", tz="Asia/Tokyo") + pd.Timedelta(days=day)
    ),
}


@pytest.mark.parametrize("write", TIMES.values(), ids=TIMES)
def test_what_is_held_out_is_later_than_what_is_trained_on(write: object) -> None:
    # A year of twelve months of 28 days, in an order that has nothing to do with it.
    days = np.random.default_rng(0).permutation(336)
    assert callable(write)
    split = divide([0] * 336, "time", by=[write(int(day)) for day in days])
    assert sorted(days[split.train]) == list(range(215))
    assert sorted(days[split.valid]) == list(range(215, 269))
    assert sorted(days[split.holdout]) == list(range(269, 336))


@given(st.lists(st.integers(0, 5), min_size=20, max_size=60))
def test_rows_of_one_time_keep_their_order(times: list[int]) -> None:
    split = divide([0] * len(times), "time", by=times)
    rows = [*split.train, *split.valid, *split.holdout]
    assert rows == sorted(range(len(times)), key=lambda row: times[row])


@pytest.mark.parametrize("missing", [None, pd.NaT, np.nan], ids=["None", "NaT", "NaN"])
@pytest.mark.parametrize("is_date", [True, False], ids=["dates", "numbers"])
def test_a_row_without_a_time_is_trained_on(missing: object, is_date: bool) -> None:
    times: list[object] = list(pd.date_range("2020-01-01", periods=30)) if is_date else [*range(30)]
    times[5] = times[25] = missing
    split = divide([0] * 30, "time", by=times)
    assert {5, 25} <= set(split.train)
    assert set(split.holdout) == {29, 28, 27, 26, 24, 23}


def test_a_column_that_does_not_order_rows_is_an_error_that_shows_why() -> None:
    with pytest.raises(InputError, match="'by' does not order the rows: 'blue' is no time or num"):
        divide([0] * 30, "time", by=["blue", "red", "green"] * 10)
