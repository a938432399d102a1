import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_agent.cards.data_card import Classes, Column, Continuous, DataCard, Hint, SplitRule
from automl_agent.cards.documents import check_document
from automl_agent.cards.metric import Task
from automl_agent.cards.profile import MIN_ROWS, profile_table
from automl_agent.cards.tables import encode_labels, type_features
from automl_agent.errors import InputError

N_ROWS = 60
NOISE = np.random.default_rng(0).normal(size=N_ROWS)


@pytest.fixture
def frame() -> pd.DataFrame:
    """A table as a CSV file brings it; its first row has no label."""
    return pd.DataFrame(
        {
            "id": [str(i) for i in range(N_ROWS)],
            "age": [str(i % 30 + 20) for i in range(N_ROWS)],
            "work": ["private", "state", None] * 20,
            "born": [f"{i % 28 + 1:02}/03/1990" for i in range(N_ROWS)],
            "income": [None, ">50K", "<=50K", "<=50K"] + [">50K", "<=50K", "<=50K", "<=50K"] * 14,
        }
    )


def test_a_card_holds_what_the_table_shows(frame: pd.DataFrame) -> None:
    assert profile_table(frame, target="income", name="adult.csv") == DataCard(
        name="adult.csv",
        description="",
        input_type="tabular",
        task="binary_classification",
        target="income",
        label_space=Classes(("<=50K", ">50K"), (0.745763, 0.254237)),
        metric="log_loss",
        n_rows=59,
        n_features=3,
        columns=(
            Column("id", "identifier", n_unique=59, missing_share=0.0),
            Column("age", "numeric", n_unique=30, missing_share=0.0),
            Column("work", "categorical", n_unique=2, missing_share=0.338983),
            Column("born", "datetime", 28, 0.0, datetime_format="%d/%m/%Y"),
        ),
        statistics={
            "log10_rows": 1.770852,
            "n_numeric": 2.0,
            "n_categorical": 1.0,
            "missing_share": 0.112994,
            "max_cardinality": 2.0,
            "class_entropy": 0.566942,
            "min_class_share": 0.254237,
        },
        hints=(
            Hint("unlabelled_rows", "Rows without a label in 'income' are left out: 1."),
            Hint("identifier", "Nearly every row has its own value; the column is not used.", "id"),
        ),
        split=SplitRule("stratified"),
        provenance={
            "name": "inferred",
            "description": "inferred",
            "input_type": "measured",
            "task": "inferred",
            "target": "stated",
            "label_space": "measured",
            "metric": "inferred",
            "n_rows": "measured",
            "n_features": "measured",
            "columns": "measured",
            "statistics": "measured",
            "hints": "measured",
            "split": "inferred",
        },
    )


def test_what_the_person_states_is_taken_over_and_marked(frame: pd.DataFrame) -> None:
    card = profile_table(
        frame,
        target="income",
        name="adult.csv",
        description="Census records",
        task="multiclass_classification",
        metric="roc_auc",
        split=SplitRule("time", "born"),
    )
    stated = {key for key, known in card.provenance.items() if known == "stated"}
    assert stated == {"target", "description", "task", "metric", "split"}
    assert (card.description, card.task, card.metric, card.split) == (
        "Census records",
        "multiclass_classification",
        "roc_auc",
        SplitRule("time", "born"),
    )


@pytest.mark.parametrize(
    ("target", "task", "metric", "split"),
    [
        ("income", "binary_classification", "log_loss", "stratified"),
        ("work", "binary_classification", "log_loss", "stratified"),
        ("age", "regression", "rmse", "random"),
    ],
)
def test_metric_and_split_fit_the_task(
    frame: pd.DataFrame, target: str, task: Task, metric: str, split: str
) -> None:
    card = profile_table(frame, target=target, name="adult.csv")
    assert (card.task, card.metric, card.split) == (task, metric, SplitRule(split))  # type: ignore[arg-type]


def test_columns_that_are_dropped_are_not_in_the_card(frame: pd.DataFrame) -> None:
    card = profile_table(frame, target="income", name="adult.csv", drop=["id", "born"])
    assert [column.name for column in card.columns or ()] == ["age", "work"]


def test_a_regression_has_statistics_without_classes(frame: pd.DataFrame) -> None:
    card = profile_table(frame, target="age", name="adult.csv", drop=["id"])
    assert isinstance(card.label_space, Continuous)
    assert card.label_space.quantiles == (20.0, 21.0, 27.0, 34.5, 42.0, 48.0, 49.0)
    assert set(card.statistics or ()) == {
        "log10_rows",
        "n_numeric",
        "n_categorical",
        "missing_share",
        "max_cardinality",
    }


def test_the_table_itself_stays_as_it_is(frame: pd.DataFrame) -> None:
    before = frame.copy()
    profile_table(frame, target="income", name="adult.csv")
    pd.testing.assert_frame_equal(frame, before)


def test_columns_whose_names_are_numbers_are_found() -> None:
    frame = pd.DataFrame({0: NOISE, 1: ["x", "y"] * 30})
    card = profile_table(frame, target="1", name="table")
    assert [column.name for column in card.columns or ()] == ["0"]


Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda frame: frame.rename(columns={"income": "Income "}),
            "The table has no column 'income'. Did you mean 'Income '?",
        ),
        (
            lambda frame: frame.head(MIN_ROWS),
            "Only 19 rows have a label in 'income'; at least 20 are needed.",
        ),
        (
            lambda frame: frame[frame["income"] == ">50K"].iloc[[0] * 20],
            "The target 'income' is '>50K' in every row; there is nothing to learn. "
            "Choose another --target.",
        ),
        (
            lambda frame: frame.assign(income=[1, "1"] * 30),
            "The target 'income' is 1 in every row; there is nothing to learn. "
            "Choose another --target.",
        ),
        (
            lambda frame: frame.assign(income=[f"name {i}" for i in range(N_ROWS)]),
            "The target 'income' has 60 classes in 60 rows; there is nothing to learn. "
            "Choose another --target, or say --task regression.",
        ),
        (
            lambda frame: frame.assign(income=pd.date_range("2020-01-01", periods=N_ROWS)),
            "The target 'income' is a date; make it a number, such as days, or choose another "
            "--target.",
        ),
        (
            lambda frame: frame.assign(income=["many", *NOISE[1:]]),
            "The target 'income' has cells that are not finite numbers, such as 'many'; "
            "remove those rows, or say --task multiclass_classification.",
        ),
        (
            lambda frame: frame[["id", "income"]],
            "The table has no column to learn from beside the target.",
        ),
        (
            lambda frame: frame.rename(columns={"age": "work"}),
            "The table has 2 columns named 'work'; rename them.",
        ),
        (
            lambda frame: frame.rename(columns={"age": "income"}),
            "The table has 2 columns named 'income'; rename them.",
        ),
    ],
    ids=[
        "no target",
        "few rows",
        "one class",
        "one class in two spellings",
        "all classes differ",
        "a date",
        "a word among numbers",
        "no feature",
        "a name twice",
        "the target twice",
    ],
)
def test_a_table_from_which_nothing_can_be_learnt_is_refused(
    frame: pd.DataFrame, change: Change, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        profile_table(change(frame), target="income", name="adult.csv")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": ["ages"]}, "The table has no column 'ages'. Did you mean 'age'?"),
        (
            {"split": SplitRule("group", "wrok")},
            "The table has no column 'wrok'. Did you mean 'work'?",
        ),
        (
            {"drop": ["id", "income"]},
            "The target 'income' cannot be left out; choose another --target.",
        ),
        (
            {"task": "regression"},
            "The target 'income' has cells that are not finite numbers, such as '>50K'; "
            "remove those rows, or say --task multiclass_classification.",
        ),
        (
            {"target": "age", "task": "binary_classification"},
            "The target has 30 classes, which is no binary classification; "
            "leave --task out, or say multiclass_classification.",
        ),
    ],
    ids=["drop", "split", "the target dropped", "no numbers", "not binary"],
)
def test_an_option_that_does_not_fit_the_table_is_refused(
    frame: pd.DataFrame, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        profile_table(frame, name="adult.csv", **{"target": "income", **options})
    assert str(caught.value) == message


def test_thousands_of_columns_are_measured() -> None:
    columns = {f"c{i}": np.roll(NOISE, i) for i in range(1000)}
    frame = pd.DataFrame(columns).astype("str").assign(y=["x", "y"] * 30)
    card = profile_table(frame, target="y", name="wide")
    assert (card.n_features, card.hints) == (1000, ())


texts = st.text(max_size=8)  # no surrogates: pandas' strings cannot hold them
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "words": texts,
    "numbers": st.floats(width=32) | st.integers(-(10**9), 10**9),
    "words of numbers": st.floats().map(str) | st.integers().map(str),
    "booleans": st.booleans(),
    "dates": st.datetimes().map(lambda time: time.isoformat(" ")) | st.dates(),
    "times": st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)),
    "durations": st.timedeltas(datetime.timedelta(0), datetime.timedelta(999)),
    "decimals": st.decimals(allow_nan=False, allow_infinity=False).map(Decimal),
    "lists": st.lists(st.integers(), max_size=2),
    "objects": st.dictionaries(texts, st.integers(), max_size=2),
    "bytes": st.binary(max_size=4),
    "anything": texts | st.integers() | st.booleans() | st.dates() | st.lists(st.none()),
}


@st.composite
def columns(draw: st.DrawFn) -> pd.Series:
    """A column of a few cells of one kind again and again, perhaps with gaps."""
    kind = draw(st.sampled_from(sorted(CELLS)))
    cells = draw(st.lists(CELLS[kind], min_size=1, max_size=8))
    if draw(st.booleans()):
        cells.append(None)
    values = [cells[i % len(cells)] for i in range(N_ROWS)]
    if kind in ("words", "booleans") and draw(st.booleans()):
        return pd.Series(values, dtype="category")
    if kind in ("numbers", "booleans", "times", "durations") and draw(st.booleans()):
        return pd.Series(values)  # typed by pandas
    return pd.Series(values, dtype="object")


TARGETS = {
    "classes": ["a", "b", "c"] * 20,
    "integers": [3, 1, 2] * 20,
    "booleans": [True, False] * 30,
    "values": NOISE,
    "words of values": NOISE.astype(str),
}


@given(
    features=st.dictionaries(texts.filter(lambda name: name != "y"), columns(), max_size=4),
    target=st.sampled_from(sorted(TARGETS)),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_card_of_any_table_fits_its_schema_and_types_its_rows(
    features: dict[str, pd.Series], target: str
) -> None:
    frame = pd.DataFrame(features, index=range(N_ROWS)).assign(y=TARGETS[target])
    frame.insert(0, "a column to learn from", NOISE[::-1])
    card = profile_table(frame, target="y", name="table")
    document = card.to_json()
    check_document(document, "data_card", source="card")
    assert DataCard.from_json(json.loads(json.dumps(document, allow_nan=False))) == card
    typed = type_features(frame, card.features)
    assert {str(dtype) for dtype in typed.dtypes} <= {"float64", "str", "datetime64[us]"}
    assert len(encode_labels(frame["y"], card)) == N_ROWS
