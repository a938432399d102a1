"""How `tables` types columns and encodes labels; reading files is in test_tables."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from automl_agent.cards.data_card import Classes, Column, Continuous, DataCard, Role
from automl_agent.cards.tables import (
    encode_labels,
    parse_numbers,
    text_cells,
    to_numbers,
    type_column,
    type_features,
)
from automl_agent.errors import InputError

NAN = float("nan")


def plain(series: pd.Series) -> list[Any]:
    """The cells as Python's values, None where one is missing."""
    return [None if pd.isna(cell) else cell for cell in series]


def make_card(label_space: Classes | Continuous, *, target: str = "y") -> DataCard:
    task = "regression" if isinstance(label_space, Continuous) else "multiclass_classification"
    return DataCard(
        name="table",
        description="",
        input_type="tabular",
        task=task,
        target=target,
        label_space=label_space,
        metric="any",
        provenance={},
    )


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (pd.Series([3, 4]), ["3", "4"]),
        (pd.Series([3.0, NAN]), ["3", None]),
        (pd.Series([3.5, 4.0]), ["3.5", "4.0"]),
        (pd.Series([1e300, NAN]), ["1e+300", None]),
        (pd.Series([np.inf, 1.0]), ["inf", "1.0"]),
        (pd.Series([3, None], dtype="Int64"), ["3", None]),
        (pd.Series([3.0, None], dtype="Float64"), ["3", None]),
        (pd.Series([True, False]), ["True", "False"]),
        (pd.Series([True, None], dtype="boolean"), ["True", None]),
        (pd.Series([True, None], dtype="object"), ["True", None]),
        (pd.Series(["x", None]), ["x", None]),
        (pd.Series([1, "a", 2.5, None], dtype="object"), ["1", "a", "2.5", None]),
        (pd.Series(["b", None, "a"], dtype="category"), ["b", None, "a"]),
        (pd.Series([2, None, 1], dtype="category"), ["2", None, "1"]),
        (pd.cut(pd.Series([1, 2, None]), [0, 1, 2]), ["(0, 1]", "(1, 2]", None]),
        (pd.Series([Decimal("1.50"), None]), ["1.50", None]),
        (pd.Series([[1, 2], None]), ["[1, 2]", None]),
        (pd.Series([np.array([1, 2]), None]), ["[1 2]", None]),
        (pd.Series([{"a": 1}, None]), ["{'a': 1}", None]),
        (pd.Series([b"abc", b"\xff"]), ["b'abc'", "b'\\xff'"]),
        (pd.Series(["\ud800", None], dtype="object"), ["'\\ud800'", None]),
        (pd.Series([datetime.date(2020, 1, 2), None]), ["2020-01-02", None]),
        (pd.Series([1, None], dtype=pd.ArrowDtype(pa.int32())), ["1", None]),
        (pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int8()))), ["[1]", None]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pd.Series) else "",
)
def test_a_cell_as_text_is_the_same_whatever_its_type(
    cells: pd.Series, texts: list[str | None]
) -> None:
    typed = text_cells(cells)
    assert typed.dtype == "str"
    assert plain(typed) == texts
    assert typed.index.equals(cells.index)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (pd.Series([1, 2]), [1.0, 2.0]),
        (pd.Series([1, None], dtype="Int64"), [1.0, None]),
        (pd.Series([1, None], dtype=pd.ArrowDtype(pa.int32())), [1.0, None]),
        (
            pd.Series([Decimal("1.5"), None], dtype=pd.ArrowDtype(pa.decimal128(4, 1))),
            [1.5, None],
        ),
        (pd.Series([Decimal("1.5"), None]), [1.5, None]),
        (pd.Series([True, False]), [1.0, 0.0]),
        (pd.Series(pd.arrays.SparseArray([0, 1])), [0.0, 1.0]),
        (pd.Series(["1", " 2 ", "1e3", "x", None]), [1.0, 2.0, 1000.0, None, None]),
        (pd.Series([1, "2", "x", [3]], dtype="object"), [1.0, 2.0, None, None]),
        (pd.Series([2, 1], dtype="category"), [2.0, 1.0]),
        (pd.Series(pd.to_timedelta(["1h", None])), [3600.0, None]),
        (pd.Series([1j, 2.0]), [None, None]),
        (pd.Series(pd.to_datetime(["2020-01-01"])), [None]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pd.Series) else "",
)
def test_numbers_are_read_whatever_the_cells_type(
    cells: pd.Series, numbers: list[float | None]
) -> None:
    typed = to_numbers(cells)
    assert typed.dtype == "float64"
    assert plain(typed) == numbers


@pytest.mark.parametrize(
    "word", ["1", "-1.5", "+5", " 5", "1e5", ".5", "inf", "x", "", "0x10", "1_000", "1,5"]
)
def test_a_word_is_the_same_number_beside_words_that_are_none(word: str) -> None:
    alone = parse_numbers(pd.Series([word], dtype="str"))
    beside = parse_numbers(pd.Series([word, "none"], dtype="str"))
    assert plain(alone) == plain(beside.head(1))


def type_cells(cells: pd.Series, role: Role, date_format: str | None = None) -> pd.Series:
    return type_column(cells, Column("a", role, datetime_format=date_format))


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (pd.Series(["yes", "No", " TRUE ", "f", "maybe", None]), [1, 0, 1, 0, None, None]),
        (pd.Series([True, False]), [1, 0]),
        (pd.Series([True, None, False], dtype="object"), [1, None, 0]),
        (pd.Series([True, None], dtype="boolean"), [1, None]),
        (pd.Series(["1", "0", "2"]), [1, 0, None]),
        (pd.Series([1.0, 0.0, NAN]), [1, 0, None]),
    ],
    ids=["words", "bool", "bool with None", "nullable", "digits", "numbers"],
)
def test_a_boolean_column_becomes_ones_and_zeros(
    cells: pd.Series, values: list[float | None]
) -> None:
    typed = type_cells(cells, "boolean")
    assert typed.dtype == "float64"
    assert plain(typed) == values


@pytest.mark.parametrize(
    ("cells", "date_format", "first"),
    [
        (pd.Series(["31/12/2020", "x"]), "%d/%m/%Y", "2020-12-31"),
        (
            pd.Series(["2020-12-31T23:00:00+02:00", None]),
            "%Y-%m-%dT%H:%M:%S%z",
            "2020-12-31 21:00",
        ),
        (pd.Series(["2020-12-31", "soon"]), None, "2020-12-31"),
        (pd.Series(["2020-12-31 10:00", "31/12/2020"]), "ISO8601", "2020-12-31 10:00"),
        (pd.Series(pd.to_datetime(["2020-12-31", None])), "%d/%m/%Y", "2020-12-31"),
        (
            pd.Series(pd.to_datetime(["2020-12-31 10:00", None])).dt.tz_localize("Europe/Berlin"),
            None,
            "2020-12-31 09:00",
        ),
        (pd.Series([datetime.date(2020, 12, 31), None]), "%Y-%m-%d", "2020-12-31"),
        (pd.Series(pd.PeriodIndex(["2020-12-31", None], freq="D")), "%Y-%m-%d", "2020-12-31"),
        (pd.Series([datetime.date(9999, 12, 31), None]), "%Y-%m-%d", "9999-12-31"),
    ],
    ids=["text", "offset", "iso", "mixed", "typed", "zone", "date", "period", "far"],
)
def test_a_datetime_column_becomes_universal_times(
    cells: pd.Series, date_format: str | None, first: str
) -> None:
    typed = type_cells(cells, "datetime", date_format)
    assert typed.dtype == "datetime64[us]"
    assert plain(typed) == [pd.Timestamp(first), None]


def test_words_in_a_column_that_was_typed_are_read_as_iso_dates_only() -> None:
    # Whether "01/02/2020" is in January or in February, nobody can tell.
    typed = type_cells(pd.Series(["01/02/2020", "2020-02-01"]), "datetime")
    assert plain(typed) == [None, pd.Timestamp("2020-02-01")]


def test_features_are_typed_by_their_roles_in_the_cards_order() -> None:
    frame = pd.DataFrame({"a": ["1", "x"], "b": ["yes", "no"], "c": [1.0, 2.0]}, index=[4, 2])
    columns = [Column("c", "categorical"), Column("a", "numeric"), Column("b", "boolean")]
    typed = type_features(frame, columns)
    expected = pd.DataFrame({0: ["1", "2"], 1: [1.0, NAN], 2: [1.0, 0.0]}, index=[4, 2])
    pd.testing.assert_frame_equal(typed, expected)


def test_columns_may_be_called_anything() -> None:
    names = ["", " ", "a\nb", "\u202eabc", "index", "0", "__class__"]
    frame = pd.DataFrame([["1"] * len(names)], columns=names)
    typed = type_features(frame, [Column(name, "numeric") for name in reversed(names)])
    assert typed.to_numpy().tolist() == [[1.0] * len(names)]


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (pd.Series(["no", "yes", "no"]), ("no", "yes"), [0, 1, 0]),
        (pd.Series([3, 1, 2]), ("1", "2", "3"), [2, 0, 1]),
        (pd.Series([3.0, 1.0]), ("1", "2", "3"), [2, 0]),
        (pd.Series([True, False]), ("False", "True"), [1, 0]),
        (pd.Series(["b", "a"], dtype="category"), ("a", "b"), [1, 0]),
        (pd.Series(["01", "1"]), ("01", "1"), [0, 1]),
    ],
    ids=["text", "int", "float", "bool", "category", "padded"],
)
def test_labels_become_the_positions_of_their_classes(
    labels: pd.Series, classes: tuple[str, ...], codes: list[int]
) -> None:
    encoded = encode_labels(labels, make_card(Classes(classes)))
    assert encoded.dtype == np.int64
    assert encoded.tolist() == codes


def test_values_of_a_regression_become_floats() -> None:
    encoded = encode_labels(pd.Series(["1", "2.5"]), make_card(Continuous()))
    assert encoded.dtype == np.float64
    assert encoded.tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("labels", "space", "message"),
    [
        (
            ["no", "maybe"],
            Classes(("no", "yes")),
            "has the label 'maybe', which the training data does not have; its classes are "
            "'no', 'yes'.",
        ),
        (
            ["a", "z"],
            Classes(tuple("abcdefghijkl")),
            "has the label 'z', which the training data does not have; its classes are "
            "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', ….",
        ),
        (["no", None], Classes(("no", "yes")), "has rows without a label; remove them."),
        (
            ["1", "many"],
            Continuous(),
            "has cells that are not finite numbers, such as 'many'; "
            "remove those rows, or say --task multiclass_classification.",
        ),
        (
            [1.0, np.inf],
            Continuous(),
            "has cells that are not finite numbers, such as 'inf'; "
            "remove those rows, or say --task multiclass_classification.",
        ),
    ],
    ids=["no class", "many classes", "missing", "a word", "infinity"],
)
def test_a_label_that_cannot_be_encoded_is_told(
    labels: list[Any], space: Classes | Continuous, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        encode_labels(pd.Series(labels), make_card(space))
    assert str(caught.value) == f"The target 'y' {message}"


def test_infinity_counts_as_missing() -> None:
    frame = pd.DataFrame({"a": ["1.5", "inf", "-inf", None]})
    typed = type_features(frame, [Column("a", "numeric")])
    assert plain(typed[0]) == [1.5, None, None, None]
