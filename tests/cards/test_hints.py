from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from automl_agent.cards.data_card import Hint
from automl_agent.cards.profile import profile_table

N_ROWS = 1000
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=N_ROWS)
CODES = RANDOM.integers(0, 3, N_ROWS)
NAMES = np.array(["red", "green", "blue"])[CODES]
VALUES = RANDOM.normal(size=N_ROWS)
SORTED_DAYS = pd.date_range("2020-01-01", periods=N_ROWS)
DAYS = SORTED_DAYS[RANDOM.permutation(N_ROWS)]
# One in 200 rows is "fraud": a constant prediction is right for 99.5 % of them.
IS_FRAUD = np.arange(N_ROWS) % 200 == 7


def find(column: object, target: object, *, name: str = "a") -> list[tuple[str, str | None]]:
    """The kinds of the hints and their columns, for a table of this column and plain noise."""
    frame = pd.DataFrame({name: column, "noise": NOISE, "y": target})
    card = profile_table(frame, target="y", name="table")
    return [(hint.kind, hint.column) for hint in card.hints or ()]


def spoil(cells: object, n_cells: int, value: object) -> pd.Series:
    """The cells with others in n_cells rows."""
    spoilt = pd.Series(cells, dtype="object")
    spoilt[RANDOM.choice(N_ROWS, n_cells, replace=False)] = value
    return spoilt


@pytest.mark.parametrize(
    "column",
    [NAMES, CODES, np.char.upper(NAMES), [f"group {code}" for code in CODES]],
    ids=["itself", "numbers for it", "its capitals", "other names"],
)
def test_a_column_with_a_value_for_each_class_equals_the_target(column: object) -> None:
    assert find(column, NAMES) == [("equals_target", "a")]


def test_a_copy_of_a_binary_target_equals_it() -> None:
    assert find(IS_FRAUD, np.where(IS_FRAUD, "fraud", "fine")) == [("equals_target", "a")]


@pytest.mark.parametrize(
    "column",
    [
        [f"{name} {i % 7}" for i, name in enumerate(NAMES)],
        CODES + RANDOM.uniform(-0.4, 0.4, N_ROWS),
        spoil(NAMES, 3, "red"),
        spoil(CODES * 100.0 + NOISE, 2, None),
        pd.Timestamp("2020-01-01") + pd.to_timedelta(CODES * 9000 + np.arange(N_ROWS), unit="h"),
    ],
    ids=["a finer copy", "a number", "a copy with faults", "a number with gaps", "a date"],
)
def test_a_column_that_tells_nearly_every_class_determines_the_target(column: object) -> None:
    assert find(column, NAMES) == [("determines_target", "a")]


def test_a_cell_that_is_missing_may_tell_the_class_too() -> None:
    closed_at = pd.Series(VALUES).mask(~IS_FRAUD)
    assert find(closed_at, np.where(IS_FRAUD, "closed", "open")) == [("determines_target", "a")]


@pytest.mark.parametrize(
    "column",
    [
        NOISE * 2,
        CODES + NOISE,
        [f"word {i}" for i in RANDOM.integers(0, 400, N_ROWS)],
        NAMES == "red",
        RANDOM.integers(0, 2, N_ROWS),
        spoil(NAMES, 100, "red"),
        spoil(VALUES, 900, None),
        DAYS,
    ],
    ids=[
        "noise",
        "a signal",
        "many words",
        "a coarse copy",
        "a coin",
        "a weak copy",
        "a sparse column",
        "dates",
    ],
)
@pytest.mark.parametrize("target", [NAMES, IS_FRAUD], ids=["balanced", "imbalanced"])
def test_a_plain_column_is_no_leak(column: object, target: np.ndarray) -> None:
    assert find(column, target) == []


@pytest.mark.parametrize("n_rows", [20, 40, 64, 100])
def test_a_small_table_of_distinct_numbers_has_no_leak(n_rows: int) -> None:
    frame = pd.DataFrame(RANDOM.normal(size=(n_rows, 20))).assign(y=np.arange(n_rows) % 2)
    assert profile_table(frame, target="y", name="table").hints == ()


def test_too_few_rows_of_the_other_class_tell_nothing() -> None:
    target = np.where(np.arange(N_ROWS) < 4, "rare", "usual")
    assert find(np.where(np.arange(N_ROWS) < 4, 1, 0), target) == [("rare_class", None)]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (VALUES, "equals_target"),
        (VALUES * -2.54 + 7, "equals_target"),
        (np.exp(VALUES), "equals_target"),
        (VALUES + NOISE / 50, "determines_target"),
        (np.round(VALUES, 1), "determines_target"),
        ([f"price {value:.1f}" for value in VALUES.round(1)], "determines_target"),
        (pd.Timestamp("2020-01-01") + pd.to_timedelta(VALUES, unit="D"), "equals_target"),
        (spoil(VALUES, 10, None).astype("float64"), "equals_target"),
        (spoil(VALUES, 10, np.inf).astype("float64"), "equals_target"),
    ],
    ids=[
        "itself",
        "other units",
        "a monotone function",
        "a little noise",
        "rounded",
        "a word for each",
        "dates",
        "gaps",
        "infinities",
    ],
)
def test_a_column_that_tells_the_value_is_a_leak(column: object, kind: str) -> None:
    assert find(column, VALUES) == [(kind, "a")]


@pytest.mark.parametrize(
    "column",
    [VALUES + NOISE / 5, NOISE * 3, NAMES, np.abs(VALUES), DAYS, VALUES > 0],
    ids=["a signal", "noise", "words", "half a copy", "dates", "its sign"],
)
def test_a_plain_column_of_a_regression_is_no_leak(column: object) -> None:
    assert find(column, VALUES) == []


def hints_of(frame: pd.DataFrame) -> tuple[Hint, ...] | None:
    return profile_table(frame, target="y", name="table").hints


def test_repeated_rows_are_counted() -> None:
    frame = pd.DataFrame({"id": np.arange(N_ROWS), "a": NOISE, "b": CODES + NOISE, "y": NAMES})
    frame.loc[990:, ["a", "b", "y"]] = frame.loc[:9, ["a", "b", "y"]].to_numpy()
    assert hints_of(frame) == (
        Hint("duplicate_rows", "10 of 1000 rows (1.0%) repeat another row and its label."),
        Hint("identifier", "Nearly every row has its own value; the column is not used.", "id"),
    )


def test_alike_rows_with_other_labels_are_no_repetition() -> None:
    columns = {"a": np.repeat(NOISE[:500], 2), "b": np.repeat(VALUES[:500], 2)}
    frame = pd.DataFrame(columns | {"y": np.tile(["x", "y"], 500)})
    assert hints_of(frame) == ()


def test_rows_of_a_few_values_are_alike_by_chance() -> None:
    frame = pd.DataFrame({"a": CODES, "b": NOISE > 0, "y": RANDOM.permutation(NAMES)})
    assert hints_of(frame) == ()


@pytest.mark.parametrize("step", [1, -1], ids=["ascending", "descending"])
def test_rows_in_the_order_of_time_are_told(step: int) -> None:
    assert find(SORTED_DAYS[::step], NAMES) == [("time_order", "a")]


def test_dates_in_words_are_in_order_too() -> None:
    assert find(SORTED_DAYS.strftime("%d/%m/%Y"), NAMES) == [("time_order", "a")]


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        (
            np.arange(N_ROWS),
            Hint("identifier", "Nearly every row has its own value; the column is not used.", "a"),
        ),
        (
            ["x"] * N_ROWS,
            Hint("unused_column", "A constant column is not used by experts for tables.", "a"),
        ),
        (
            [f"these are the words of row {i}" for i in range(N_ROWS)],
            Hint("unused_column", "A text column is not used by experts for tables.", "a"),
        ),
    ],
    ids=["identifier", "constant", "text"],
)
def test_a_column_that_is_not_used_is_told(column: object, hint: Hint) -> None:
    assert hints_of(pd.DataFrame({"a": column, "noise": NOISE, "y": NAMES})) == (hint,)


@pytest.mark.parametrize(
    ("n_rare", "text"),
    [
        (1, "The class 'rare 0' has only 4 rows."),
        (2, "2 classes have fewer than 5 rows: 'rare 0', 'rare 1'."),
        (
            9,
            "9 classes have fewer than 5 rows: "
            "'rare 0', 'rare 1', 'rare 2', 'rare 3', 'rare 4', ….",
        ),
    ],
)
def test_rare_classes_are_told_in_one_hint(n_rare: int, text: str) -> None:
    target = NAMES.astype(object)
    for index in range(n_rare):
        target[4 * index : 4 * index + 4] = f"rare {index}"
    assert hints_of(pd.DataFrame({"a": NOISE, "y": target})) == (Hint("rare_class", text),)


def test_a_class_is_rare_among_all_rows_and_not_among_those_that_are_looked_at() -> None:
    # 9 of 300,000 rows: of the 100,000 that are looked at for leaks, about 3.
    target = np.where(np.arange(300_000) % 33_333 == 5, "few", "many")
    frame = pd.DataFrame({"a": np.arange(300_000) % 1000 / 3, "y": target})
    assert (target == "few").sum() == 9
    assert hints_of(frame) == ()


@pytest.mark.parametrize(
    "load",
    [datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes],
)
def test_well_known_tables_have_no_leak(load: Callable[..., object]) -> None:
    # The width of a petal tells 96 % of the irises: a good feature, as a botanist would say.
    frame = load(as_frame=True).frame.rename(columns={"target": "y"})  # type: ignore[attr-defined]
    kinds = {hint.kind for hint in hints_of(frame) or ()}
    assert kinds <= {"duplicate_rows"}


def test_the_text_of_a_leak_says_how_much_is_told() -> None:
    frame = pd.DataFrame({"a": NAMES, "b": VALUES, "y": NAMES})
    assert hints_of(frame) == (
        Hint("equals_target", "It tells the label of 100.00% of the rows; is it a leak?", "a"),
    )
    frame = pd.DataFrame({"a": NAMES, "b": VALUES, "y": VALUES})
    assert hints_of(frame) == (
        Hint("equals_target", "Its correlation with the target is 1.0000; is it a leak?", "b"),
    )
