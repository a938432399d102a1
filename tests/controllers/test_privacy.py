"""What a chat model is shown: names and statistics, and no cell that could be kept back."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.documents import escape_unseen
from automl_agent.cards.profile import profile_table
from automl_agent.controllers.privacy import (
    MAX_NAME,
    MAX_SHOWN_COLUMNS,
    mask_strange_text,
    mask_values,
    redact_result,
    show_card,
    show_failure,
    show_name,
    show_rows,
)

SCRIPT = {"model.py": "def fit(rows):\n    raise ValueError(rows.price)\n"}


def trace(last: str, *, script: str = "/code/model.py", line: int = 2) -> str:
    frame = f'  File "{script}", line {line}, in fit\n    raise ValueError(rows.price)\n'
    return f"Traceback (most recent call last):\n{frame}{last}"


def test_a_failure_is_told_by_type_line_and_what_python_itself_says() -> None:
    assert show_failure(trace("KeyError: 'price'"), SCRIPT, "schema") == {
        "exception": "KeyError",
        "untrusted_text": "'price'",
        "script": "model.py",
        "line": 2,
        "source_line": "raise ValueError(rows.price)",
    }


@pytest.mark.parametrize(
    "text",
    [
        "ZeroDivisionError: division by zero",
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
        "TypeError: fit() missing 1 required positional argument: 'rows'",
        "IndexError: list index out of range",
        "ValueError: too many values to unpack (expected 2)",
        "NameError: name 'rows' is not defined",
        "StopIteration",
        "Exception: rows",
    ],
)
def test_messages_of_python_stay_legible(text: str) -> None:
    told = show_failure(trace(text), SCRIPT, "schema")
    joined = f"{told['exception']}: {told['untrusted_text']}"
    assert joined.rstrip(": ") == text


@pytest.mark.parametrize(
    "cell",
    [
        "Smith",
        "Größe",
        "日本",
        "★★★",
        "123",
        "12.5",
        "-3.25e7",
        "1,234",
        "11/22/33",
        "2020-01-02",
        "12 34 56 78",
        "555_1234",
        "a1b2c3d4",
        "x@y.example",
        "🙂",
    ],
)
@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}"', "[{0}, {0}]", "not {0}x", "{0}"])
def test_no_cell_is_left_in_the_text_of_a_failure(cell: str, form: str) -> None:
    told = show_failure(trace(f"ValueError: {form.format(cell)}"), SCRIPT, "schema")
    assert cell not in told["untrusted_text"]
    digits = "".join(filter(str.isdigit, cell))
    if len(digits) > 3:
        assert digits not in "".join(filter(str.isdigit, told["untrusted_text"]))
    assert cell in show_failure(trace(f"ValueError: {cell}"), SCRIPT, "sample")["untrusted_text"]


@pytest.mark.parametrize("name", ["SmithError", "Smith.JonesError", "x" * 300 + "Error"])
def test_the_name_of_an_exception_can_be_a_cell_too(name: str) -> None:
    told = show_failure(trace(f"{name}: rows"), SCRIPT, "schema")
    assert told["exception"] == "Error"


@pytest.mark.parametrize("output", ["", "\n", "Killed", "a" * 100_000, "File x, line 99999999999"])
def test_output_without_a_traceback_is_told_too(output: str) -> None:
    told = show_failure(output, SCRIPT, "sample")
    assert told["exception"] == "unknown"
    assert len(told["untrusted_text"]) <= 500


def test_a_line_outside_the_scripts_is_not_told() -> None:
    told = show_failure(trace("ValueError: rows", script="/usr/lib/secret.py"), SCRIPT, "schema")
    assert "script" not in told
    assert "line" not in show_failure(trace("ValueError", line=2), {}, "schema")


@given(st.text(max_size=200), st.sampled_from(["schema", "none"]))
def test_letters_and_digits_of_strange_text_are_masked(text: str, privacy: Any) -> None:
    marked = f"{text} Qzx{text}"
    masked = mask_strange_text(marked, (), privacy)
    assert "Qzx" not in masked
    assert all(character.isascii() or character == "…" for character in masked)


KNOWN = {"iris.csv", "price"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("There is no column 'x'.", "There is no column '…'."),
        ("There is no table 'iris.csv'.", "There is no table 'iris.csv'."),
        ('It has "O\'Brien" in it.', 'It has "…" in it.'),
        ("The person's cell 'Smith' doesn't fit.", "The person's cell '…' doesn't fit."),
        ("Its classes are 'a', 'b c', 'd'.", "Its classes are '…', '…', '…'."),
        ("It is 'a\nb' here.", "It is '…' here."),
        ("About 12345.678 and 12.", "About … and 12."),
        ("In `Smith` it is.", "In `…` it is."),
    ],
)
def test_quoted_texts_that_are_no_names_are_masked(text: str, masked: str) -> None:
    assert mask_values(text, KNOWN, "schema") == masked
    assert mask_values(text, KNOWN, "sample") == text


def test_with_none_no_name_is_offered_instead() -> None:
    text = "There is no column 'x'. Available: age, price, sex."
    assert mask_values(text, KNOWN, "none") == "There is no column '…'."
    assert "age, price" in mask_values(text, KNOWN, "schema")
    assert mask_values("No 'x'. Did you mean 'age'?", KNOWN, "none") == "No '…'."


@given(st.text(max_size=500))
def test_a_name_is_shown_short_and_legible(name: str) -> None:
    shown = show_name(name)
    assert len(shown) <= MAX_NAME
    assert escape_unseen(shown) == shown
    if name.isascii() and name.isprintable() and len(name) <= MAX_NAME:
        assert shown == name


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = {f"n{i}": rng.normal(size=60) for i in range(80)}
    return pd.DataFrame(numbers | {"y": np.where(numbers["n0"] > 0, "Ja", "Nein")})


def test_a_card_is_shown_without_class_names_and_with_few_columns(frame: pd.DataFrame) -> None:
    card = profile_table(frame, target="y", name="t")
    shown = show_card(card, "schema")
    assert len(shown["columns"]) == MAX_SHOWN_COLUMNS
    assert shown["n_columns_not_shown"] == 20
    assert shown["label_space"]["n_classes"] == 2
    assert "Nein" not in str(shown)
    assert set(show_card(card, "none")) == {"task", "target", "metric", "input_type", "n_rows"}


def test_the_extremes_of_a_target_are_not_shown(frame: pd.DataFrame) -> None:
    values = frame["n1"].copy()
    values[0], values[1] = 98765.4321, -87654.3219
    card = profile_table(frame.assign(y=values), target="y", name="t")
    quantiles = show_card(card, "schema")["label_space"]["quantiles_5_25_50_75_95"]
    assert len(quantiles) == 5
    assert max(map(abs, quantiles)) < 10


def test_rows_are_shown_with_sample_only(frame: pd.DataFrame) -> None:
    assert show_rows(frame, "schema") is None
    assert show_rows(frame, "none") is None
    long = frame.assign(n0="x\u202e" + "y" * 200)
    rows = show_rows(long, "sample")
    assert rows is not None
    assert len(rows) == 5
    assert rows[0]["n0"].startswith("x\\u202ey")
    assert len(rows[0]["n0"]) == MAX_NAME


def test_of_a_result_that_is_taken_back_only_numbers_and_ids_are_left() -> None:
    result = {
        "task_id": "t1",
        "data_card": {"name": "t"},
        "rows": [{"a": "Smith", "name": "Smith"}],
        "experts": [{"expert": "linear", "description": "Smith", "expected_score": 0.5}],
        "failure": {"untrusted_text": "Smith"},
        "error": "no 'Smith'",
        "delivered": {"t1": {"leaderboard": [{"name": "a", "scores": {"accuracy": 1.0}}]}},
    }
    kept = redact_result(result)
    assert "Smith" not in str(kept)
    assert kept["experts"] == [{"expert": "linear", "description": "…", "expected_score": 0.5}]
    assert kept["delivered"] == result["delivered"]
    assert redact_result(kept) == kept
