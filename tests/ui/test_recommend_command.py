"""`automl-agent recommend`, as a person or a script uses it."""

import json
from pathlib import Path
from typing import Any

import pytest

from automl_agent.cards.documents import check_document
from automl_agent.cards.paragraph import parse_paragraph

from .conftest import Program

HEADLINE: dict[str, Any] = {
    "name": "churn",
    "input_type": "tabular",
    "label_space": {"kind": "classes", "classes": ["no", "yes"]},
    "metric": "roc_auc",
}


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card with nothing but its headline."""
    path = tmp_path / "card.json"
    path.write_text(json.dumps(HEADLINE))
    return path


def test_a_headline_is_enough_for_a_recommendation(program: Program, card: Path) -> None:
    done = program("recommend", card)
    assert done.code == 0, done.err
    text, _, paragraph = done.out.partition("as a prompt paragraph:\n")
    assert text.startswith("churn: binary classification, metric roc_auc\nNote: ")
    for part in ("equally frequent", "hyperparameters: ", "predicted: roc_auc 0.", "curve: "):
        assert part in text
    assert "time unknown" in text
    assert "No similar data set is known" in text
    assert "automl-agent run TABLE --target COLUMN --metric roc_auc --expert " in text
    assert parse_paragraph(paragraph).data_card.name == "churn"


def test_the_card_of_a_table_goes_in(program: Program, table: Path, tmp_path: Path) -> None:
    path = tmp_path / "wine.json"
    assert program("cards", "data", table, "--target", "target", "-o", path).code == 0
    done = program("recommend", path, "--expert", "xgboost", "--metric", "accuracy")
    assert done.code == 0, done.err
    assert "178 rows, 13 features, multiclass classification of target, metric accuracy" in done.out
    assert "Note" not in done.out
    assert "1. xgboost" in done.out
    assert "2. " not in done.out
    assert "time unknown" not in done.out


def test_json_output_is_one_document_that_fits_its_schema(program: Program, card: Path) -> None:
    done = program("recommend", card, "--limit", 2, "--output-format", "json")
    assert (done.code, done.err) == (0, "")
    check_document(done.document, "recommendation", source="standard output")
    assert len(done.document["recommendations"]) == 2
    assert done.document["n_more"] >= 2


def test_nothing_is_trained_or_kept(program: Program, card: Path, home: Path) -> None:
    program("recommend", card)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "arguments", "code", "message"),
    [
        pytest.param(None, [], 3, "cannot be read", id="no file"),
        pytest.param("name: churn", [], 3, "is not JSON", id="not JSON"),
        pytest.param("[]", [], 3, "must be an object", id="no card"),
        pytest.param('{"name": "x"}', [], 3, "is missing", id="not enough"),
        pytest.param({"n_rows": 5}, [], 3, "'n_rows' does not say how", id="a number of nobody"),
        pytest.param({"input_type": "image"}, [], 3, "install a plugin", id="input"),
        pytest.param({"metric": "rmse"}, [], 3, "does not fit binary", id="metric of other task"),
        pytest.param({}, ["--metric", "rmse"], 3, "does not fit binary", id="option of other task"),
        pytest.param({}, ["--metric", "acuracy"], 4, "'accuracy'", id="no such metric"),
        pytest.param({}, ["--expert", "xgbost"], 4, "'xgboost'", id="no such expert"),
        pytest.param({}, ["--limit", "0"], 2, "limit", id="limit"),
    ],
)
def test_bad_input_gets_one_sentence_and_an_exit_code(
    text: Any, arguments: list[str], code: int, message: str, program: Program, tmp_path: Path
) -> None:
    path = tmp_path / "card.json"
    if text is not None:
        path.write_text(text if isinstance(text, str) else json.dumps({**HEADLINE, **text}))
    done = program("recommend", path, *arguments)
    assert done.code == code, done.err
    assert done.out == ""
    assert message in done.err
    assert "Traceback" not in done.err


def test_the_model_card_of_an_expert_is_told_apart(program: Program) -> None:
    card = next(Path(__file__).parents[2].glob("plugins/*-xgboost/src/*/model_card.json"))
    done = program("recommend", card)
    assert done.code == 3
    assert "is a model card; a data card is needed" in done.err
