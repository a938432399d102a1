import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.data_card import (
    Classes,
    Column,
    Continuous,
    DataCard,
    Hint,
    SplitRule,
    read_data_card,
)
from automl_agent.cards.documents import check_document
from automl_agent.errors import CardError


def test_a_document_becomes_a_card_with_every_field(data_document: dict[str, Any]) -> None:
    assert DataCard.from_json(data_document) == DataCard(
        name="adult",
        description="Census records",
        input_type="tabular",
        task="binary_classification",
        target="income",
        label_space=Classes(("<=50K", ">50K"), shares=(0.76, 0.24)),
        metric="log_loss",
        n_rows=100,
        n_features=2,
        columns=(
            Column("age", "numeric", n_unique=60, missing_share=0.0),
            Column("born", "datetime", datetime_format="%d/%m/%Y"),
        ),
        statistics={"log10_rows": 2.0},
        hints=(Hint("identifier", "Not used.", column="id"),),
        split=SplitRule("time", column="born"),
        provenance=data_document["provenance"],
    )


@given(st.from_type(DataCard))
def test_a_card_is_the_same_after_a_way_through_json(card: DataCard) -> None:
    document = card.to_json()
    check_document(document, "data_card", source="card")
    assert DataCard.from_json(json.loads(json.dumps(document))) == card


@given(st.from_type(DataCard))
def test_fields_that_are_not_known_are_left_out_of_the_document(card: DataCard) -> None:
    assert None not in card.to_json().values()
    assert set(card.to_json()) == {key for key, value in vars(card).items() if value is not None}


def test_a_card_is_read_from_a_file(tmp_path: Path, data_document: dict[str, Any]) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(data_document), encoding="utf-8")
    assert read_data_card(path) == DataCard.from_json(data_document)


def test_the_message_about_a_file_begins_with_its_name(
    tmp_path: Path, data_document: dict[str, Any]
) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(data_document | {"task": "guess"}), encoding="utf-8")
    with pytest.raises(CardError, match=f"^{re.escape(str(path))}: at /task: "):
        read_data_card(path)


@pytest.mark.parametrize("field", ["name", "description", "n_rows", "label_space", "split"])
def test_a_field_that_does_not_say_how_it_is_known_is_refused(
    data_document: dict[str, Any], field: str
) -> None:
    del data_document["provenance"][field]
    with pytest.raises(CardError) as caught:
        DataCard.from_json(data_document)
    assert str(caught.value) == (
        f"data card: at /provenance: the field {field!r} does not say how it is known; "
        "allowed: measured, quoted, inferred, stated (numbers: measured, quoted)."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task": "regression"},
            "at /label_space/kind: must be 'continuous' for regression.",
        ),
        (
            {"label_space": {"kind": "continuous"}},
            "at /label_space/kind: must be 'classes' for binary_classification.",
        ),
        (
            {"label_space": {"kind": "classes", "classes": ["a", "b", "c"]}},
            "at /label_space/classes: 3 classes are not allowed for binary_classification; "
            "allowed: 2.",
        ),
        (
            {"label_space": {"kind": "classes", "classes": ["a", "b"], "shares": [1, 0, 0]}},
            "at /label_space/shares: 3 shares are not allowed for 2 classes; allowed: 2.",
        ),
        (
            {"columns": [{"name": "a", "role": "numeric"}, {"name": "a", "role": "text"}]},
            "at /columns: the column 'a' is there twice.",
        ),
    ],
    ids=["classes in a regression", "numbers in classes", "three for two", "shares", "columns"],
)
def test_fields_that_contradict_each_other_are_refused(
    data_document: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CardError) as caught:
        DataCard.from_json(data_document | changes, source="card.json")
    assert str(caught.value) == f"card.json: {message}"


@pytest.mark.parametrize("document", [None, [], "card", 3], ids=["null", "list", "text", "number"])
def test_what_is_no_object_is_no_card(document: object) -> None:
    with pytest.raises(CardError, match="must be an object"):
        DataCard.from_json(document)


def test_features_are_the_columns_that_experts_are_given(data_document: dict[str, Any]) -> None:
    roles = ["numeric", "text", "categorical", "identifier", "boolean", "constant", "datetime"]
    columns = [{"name": role, "role": role} for role in roles]
    card = DataCard.from_json(data_document | {"columns": columns})
    assert [c.name for c in card.features] == ["numeric", "categorical", "boolean", "datetime"]


def test_a_card_without_columns_has_no_features(data_document: dict[str, Any]) -> None:
    del data_document["columns"]
    assert DataCard.from_json(data_document).features == ()


def test_a_regression_has_no_number_of_classes(data_document: dict[str, Any]) -> None:
    card = DataCard.from_json(data_document)
    assert card.n_classes == 2
    assert replace(card, label_space=Continuous()).n_classes is None
