import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl_agent.cards.data_card import Classes, Column, Continuous
from automl_agent.cards.metric import Task
from automl_agent.cards.roles import (
    count_distinct,
    describe_classes,
    describe_column,
    describe_values,
    infer_task,
)

N_ROWS = 100
RANDOM = np.random.default_rng(0)
DAYS = pd.date_range("2020-01-01", periods=N_ROWS)
SHUFFLED = RANDOM.permutation(N_ROWS)


def repeat(*cells: object, dtype: str | None = None) -> pd.Series:
    """The cells again and again, N_ROWS in all."""
    return pd.Series([cells[i % len(cells)] for i in range(N_ROWS)], dtype=dtype, name="a")


def words(cells: object) -> pd.Series:
    """The cells as a CSV file brings them."""
    return pd.Series(cells, name="a").astype("str")


NUMERIC = {
    "words of numbers": words(RANDOM.normal(size=N_ROWS)),
    "whole numbers": words(RANDOM.integers(0, 9, N_ROWS)),
    "numbers with blanks": repeat(" 1.5", "2 ", "3"),
    "scientific": repeat("1e5", "-2.5E-3", "3"),
    "zero and one": repeat("0", "1"),
    "shuffled unique integers": words(SHUFFLED),
    "every second integer": words(np.arange(0, 2 * N_ROWS, 2)),
    "half numbers in order": words(np.arange(N_ROWS) + 0.5),
    "years": words(RANDOM.integers(1990, 2020, N_ROWS)),
    "dates as numbers": words(DAYS.strftime("%Y%m%d")),
    "leading zeros of different length": repeat("007", "42", "1234"),
    "fractions with a leading zero": repeat("0.5", "0.7", "1.2"),
    "digits": repeat("0", "3", "7"),
    "whole numbers with missing cells": repeat(1.0, None, 3.0, 2.0),
    "nullable integers": repeat(1, None, 3, dtype="Int64"),
    "floats": pd.Series(RANDOM.normal(size=N_ROWS), name="a"),
    "infinity": repeat(1.0, np.inf, 2.0),
    "decimals": repeat(Decimal("1.5"), Decimal("2.25")),
    "durations": pd.Series(pd.to_timedelta(SHUFFLED, unit="h"), name="a"),
    "numbers as objects": repeat(1, 2.5, "3", dtype="object"),
}
IDENTIFIERS = {
    "a counter": words(np.arange(N_ROWS)),
    "a counter from one": pd.Series(np.arange(N_ROWS) + 1, name="a"),
    "a padded counter": words([f"{i:05}" for i in range(N_ROWS)]),
    "names": words([f"person {i}" for i in range(N_ROWS)]),
    "hashes": words([f"{i * 7919:x}" + "f" for i in range(N_ROWS)]),
    "distinct padded codes": words([f"{i:08}" for i in SHUFFLED]),
}
CATEGORICAL = {
    "words": repeat("a", "b", "c"),
    "words and their capitals": repeat("Yes", "maybe", "no"),
    "two words for true": repeat("t", "y"),
    "two words for false": repeat("n", "f"),
    "zip codes": words([f"{i % 20:02}123" for i in range(N_ROWS)]),
    "numbered months": repeat("01", "02", "11", "12"),
    "numbers and words": repeat("1", "2", "many", "few"),
    "ranges": repeat("10-19", "20-29", "30-39"),
    "weekdays": repeat("Monday", "Tuesday", "Friday"),
    "month names": repeat("May", "June", "July"),
    "times of day": repeat("10:30", "11:45", "23:59"),
    "versions": repeat("1.2.3", "1.2.4", "2.0.0"),
    "names with years": repeat("model 2019", "model 2020"),
    "long texts that repeat": repeat("a b c d e f", "g h i j k l"),
    "numbers of the type category": repeat(1, 2, 3, dtype="category"),
    "lists": repeat([1, 2], [3], [1, 2, 3]),
    "objects": repeat({"a": 1}, {"b": 2}),
    "bytes": repeat(b"a", b"b"),
    "complex numbers": repeat(1j, 2j),
    "times": repeat(datetime.time(1), datetime.time(2)),
    "many decimal commas": repeat("1,5", "2,5", "3,5"),
}
BOOLEAN = {
    "true and false": repeat("true", "false"),
    "yes and no": repeat("Yes", "no", "YES"),
    "y and n": repeat("y", "n"),
    "t and f": repeat("t", "f", None),
    "booleans": repeat(True, False),
    "booleans and None": repeat(True, None, False),
    "nullable booleans": repeat(True, None, False, dtype="boolean"),
}
TEXTS = {
    "reviews": words([f"it was the best of {i} times" for i in range(N_ROWS)]),
    "addresses": words([f"{i} Main Street, Springfield" for i in range(N_ROWS)]),
}
CONSTANT = {
    "one word": repeat("x"),
    "one number": repeat(3),
    "one word and missing cells": repeat("x", None),
    "missing cells only": repeat(None),
    "one boolean": repeat(True),
    "one date": repeat("2020-01-01"),
    "one list": repeat([1]),
}
DATETIMES: dict[str, tuple[pd.Series, str | None]] = {
    "iso dates": (words(DAYS.strftime("%Y-%m-%d")), "%Y-%m-%d"),
    "iso times": (words(DAYS.strftime("%Y-%m-%dT%H:%M:%S")), "%Y-%m-%dT%H:%M:%S"),
    "zones": (words(DAYS.strftime("%Y-%m-%d %H:%M:%S+02:00")), "%Y-%m-%d %H:%M:%S%z"),
    "several zones": (
        repeat("2020-01-01T00:00:00Z", "2020-01-01T00:00:00+01:00"),
        "%Y-%m-%dT%H:%M:%S%z",
    ),
    "with and without fractions": (
        repeat("2020-01-01T00:00:00", "2020-01-01T00:00:00.5"),
        "ISO8601",
    ),
    "days first": (words(DAYS.strftime("%d/%m/%Y")), "%d/%m/%Y"),
    "months first": (words(DAYS.strftime("%m/%d/%Y")), "%m/%d/%Y"),
    "points": (words(DAYS.strftime("%d.%m.%Y")), "%d.%m.%Y"),
    "short years, days first": (words(DAYS.strftime("%d/%m/%y")), "%d/%m/%y"),
    "short years, months first": (words(DAYS.strftime("%m/%d/%y")), "%m/%d/%y"),
    "month names": (words(DAYS.strftime("%d %b %Y")), "%d %b %Y"),
    "a stray word on top": (
        words(["soon", *DAYS.strftime("%Y-%m-%d")]),
        "%Y-%m-%d",
    ),
    "typed": (pd.Series(DAYS, name="a"), None),
    "typed with a zone": (pd.Series(DAYS, name="a").dt.tz_localize("Asia/Tokyo"), None),
    "date objects": (pd.Series(DAYS.date, name="a"), "%Y-%m-%d"),
    "periods": (pd.Series(DAYS.to_period("D"), name="a"), "%Y-%m-%d"),
}


def params(columns: dict[str, pd.Series]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cells", columns.values(), ids=list(columns))


@params(NUMERIC)
def test_a_column_of_numbers_is_numeric(cells: pd.Series) -> None:
    assert describe_column(cells).role == "numeric"


@params(IDENTIFIERS)
def test_a_column_that_names_rows_is_an_identifier(cells: pd.Series) -> None:
    assert describe_column(cells).role == "identifier"


@params(CATEGORICAL)
def test_a_column_of_a_few_words_is_categorical(cells: pd.Series) -> None:
    assert describe_column(cells).role == "categorical"


@params(BOOLEAN)
def test_a_column_of_true_and_false_is_boolean(cells: pd.Series) -> None:
    assert describe_column(cells).role == "boolean"


@params(TEXTS)
def test_a_column_of_sentences_is_text(cells: pd.Series) -> None:
    assert describe_column(cells).role == "text"


@params(CONSTANT)
def test_a_column_of_at_most_one_value_is_constant(cells: pd.Series) -> None:
    column = describe_column(cells)
    assert (column.role, column.datetime_format) == ("constant", None)


@pytest.mark.parametrize(("cells", "date_format"), DATETIMES.values(), ids=list(DATETIMES))
def test_a_column_of_dates_is_datetime_with_its_format(
    cells: pd.Series, date_format: str | None
) -> None:
    column = describe_column(cells)
    assert (column.role, column.datetime_format) == ("datetime", date_format)


def test_days_above_twelve_tell_the_format_however_late_they_come() -> None:
    days = pd.date_range("2020-01-01", "2020-01-12").append(pd.DatetimeIndex(["2020-01-31"]))
    cells = words(np.repeat(days.strftime("%d/%m/%Y"), 1000))
    assert describe_column(cells).datetime_format == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("numbers", "n_words", "role"),
    [
        (RANDOM.integers(0, 9, 1000), 0, "numeric"),
        (RANDOM.integers(0, 9, 1000), 20, "numeric"),
        (RANDOM.integers(0, 9, 1000), 30, "categorical"),
        (RANDOM.normal(size=1000), 30, "numeric"),
        (RANDOM.normal(size=1000), 200, "numeric"),
        (RANDOM.normal(size=1000), 300, "categorical"),
    ],
)
def test_a_stray_word_among_numbers_does_not_make_categories(
    numbers: np.ndarray, n_words: int, role: str
) -> None:
    cells = words([*["unknown"] * n_words, *numbers[n_words:]])
    assert describe_column(cells).role == role


@pytest.mark.parametrize("n_rows", [20, 49])
def test_a_counter_of_a_few_rows_is_no_identifier(n_rows: int) -> None:
    assert describe_column(words(np.arange(n_rows))).role == "numeric"


def test_distinct_words_in_a_few_rows_are_no_identifier() -> None:
    assert describe_column(words([f"w{i}" for i in range(49)])).role == "categorical"


def test_a_column_is_described_with_its_counts() -> None:
    cells = repeat("b", "a", None, "a")
    assert describe_column(cells) == Column("a", "categorical", n_unique=2, missing_share=0.25)


def test_a_name_that_is_no_text_becomes_one() -> None:
    assert describe_column(pd.Series([1.5, 2.5], name=7)).name == "7"


@pytest.mark.parametrize(
    ("cells", "n_distinct"),
    [
        (["a", "b", "a", None], 2),
        ([1.0, 2.0, np.nan], 2),
        ([[1], [1], [2]], 2),
        ([{"a": 1}, {"a": 1}], 1),
        ([1, "1", 1.0], 2),
        ([None, None], 0),
    ],
    ids=["words", "numbers", "lists", "objects", "mixed", "missing"],
)
def test_distinct_values_are_counted_whatever_they_are(cells: list[Any], n_distinct: int) -> None:
    assert count_distinct(pd.Series(cells, dtype="object")) == n_distinct


TASKS: dict[str, tuple[pd.Series, Task]] = {
    "yes and no": (repeat("yes", "no"), "binary_classification"),
    "words of 0 and 1": (repeat("0", "1"), "binary_classification"),
    "0 and 1": (repeat(0, 1), "binary_classification"),
    "two floats": (repeat(0.5, 1.5), "binary_classification"),
    "booleans": (repeat(True, False), "binary_classification"),
    "words of 1, 2, 3": (repeat("1", "2", "3"), "multiclass_classification"),
    "1, 2, 3": (repeat(1, 2, 3), "multiclass_classification"),
    "1.0, 2.0, 3.0": (repeat(1.0, 2.0, 3.0), "multiclass_classification"),
    "words": (repeat("a", "b", "c"), "multiclass_classification"),
    "numbers and a word": (repeat("1", "2", "many"), "multiclass_classification"),
    "1, 2, 3.5": (repeat(1, 2, 3.5), "regression"),
    "words of 1, 2, 3.5": (repeat("1", "2", "3.5"), "regression"),
    "as many integers as rows": (words(SHUFFLED), "regression"),
    "ten integers": (repeat(*range(10)), "multiclass_classification"),
    "eleven integers in 100 rows": (repeat(*range(11)), "regression"),
    "floats": (pd.Series(RANDOM.normal(size=N_ROWS)), "regression"),
    "floats and a stray word": (words(["?", *RANDOM.normal(size=N_ROWS)]), "regression"),
    "durations": (pd.Series(pd.to_timedelta(SHUFFLED, unit="h")), "regression"),
    "three of the type category": (repeat(1, 2, 3, dtype="category"), "multiclass_classification"),
    "lists": (repeat([1], [2], [3]), "multiclass_classification"),
}


@pytest.mark.parametrize(("labels", "task"), TASKS.values(), ids=list(TASKS))
def test_the_labels_tell_the_task(labels: pd.Series, task: Task) -> None:
    assert infer_task(labels) == task


@pytest.mark.parametrize(
    ("labels", "space"),
    [
        (["yes", "no", "no", "no"], Classes(("no", "yes"), (0.75, 0.25))),
        (["10", "9", "9", "9"], Classes(("9", "10"), (0.75, 0.25), "integer")),
        ([2, 1, -3, 1], Classes(("-3", "1", "2"), (0.25, 0.5, 0.25), "integer")),
        ([2.0, 1.0], Classes(("1", "2"), (0.5, 0.5), "integer")),
        ([2.5, 1.0], Classes(("1.0", "2.5"), (0.5, 0.5), "string")),
        ([True, False], Classes(("False", "True"), (0.5, 0.5), "boolean")),
        (["01", "1"], Classes(("01", "1"), (0.5, 0.5), "string")),
        (["+1", "-1"], Classes(("+1", "-1"), (0.5, 0.5), "string")),
        (["1", "9" * 19], Classes(("1", "9" * 19), (0.5, 0.5), "string")),
        (["\u00b2", "\u0661"], Classes(("\u00b2", "\u0661"), (0.5, 0.5), "string")),
        (["a", "b", "c"], Classes(("a", "b", "c"), (0.333333,) * 3, "string")),
    ],
    ids=[
        "words",
        "words of integers",
        "integers",
        "whole floats",
        "floats",
        "booleans",
        "padded",
        "signs",
        "beyond 64 bits",
        "other digits",
        "thirds",
    ],
)
def test_classes_are_in_order_and_know_their_type(labels: list[Any], space: Classes) -> None:
    assert describe_classes(pd.Series(labels)) == space


@pytest.mark.parametrize(
    "labels", [list(range(101)), [str(i) for i in range(101)]], ids=["numbers", "words"]
)
def test_values_are_described_by_their_quantiles(labels: list[Any]) -> None:
    expected = Continuous((0.0, 5.0, 25.0, 50.0, 75.0, 95.0, 100.0))
    assert describe_values(pd.Series(labels)) == expected
