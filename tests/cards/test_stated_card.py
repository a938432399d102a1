"""A card that a person wrote by hand: the headline is enough, and numbers need a source."""

import json
from pathlib import Path
from typing import Any

import pytest

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.profile import profile_table
from automl_agent.cards.stated_card import parse_stated_card, read_stated_card
from automl_agent.errors import CardError
from automl_agent.testing.tables import TARGET, load_example

HEADLINE: dict[str, Any] = {
    "name": "churn",
    "input_type": "tabular",
    "label_space": {"kind": "classes", "classes": ["no", "yes"]},
    "metric": "roc_auc",
}


@pytest.mark.parametrize(
    ("label_space", "task"),
    [
        ({"kind": "classes", "classes": ["no", "yes"]}, "binary_classification"),
        ({"kind": "classes", "classes": ["a", "b", "c"]}, "multiclass_classification"),
        ({"kind": "continuous"}, "regression"),
    ],
)
def test_the_headline_is_enough(label_space: dict[str, Any], task: str) -> None:
    card = parse_stated_card({**HEADLINE, "label_space": label_space})
    assert (card.name, card.task, card.description, card.n_rows) == ("churn", task, "", None)
    assert card.provenance == {
        **dict.fromkeys(HEADLINE, "stated"),
        "task": "inferred",
        "description": "inferred",
    }
    assert DataCard.from_json(card.to_json()) == card


def test_what_the_card_says_counts(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    known = {"n_rows": "quoted", "metric": "quoted"}
    more = {"description": "of a bank", "n_rows": 1000, "provenance": known}
    path.write_text(json.dumps({**HEADLINE, **more}))
    card = read_stated_card(path)
    assert (card.description, card.n_rows, card.metric) == ("of a bank", 1000, "roc_auc")
    assert card.provenance["n_rows"] == "quoted"
    assert card.provenance["metric"] == "quoted"
    assert card.provenance["description"] == "stated"


def test_another_metric_is_what_the_person_says() -> None:
    card = parse_stated_card({**HEADLINE, "provenance": {"metric": "quoted"}}, metric="accuracy")
    assert (card.metric, card.provenance["metric"]) == ("accuracy", "stated")
    without = {key: value for key, value in HEADLINE.items() if key != "metric"}
    assert parse_stated_card(without, metric="accuracy") == parse_stated_card(
        {**HEADLINE, "metric": "accuracy"}
    )


def test_a_measured_card_stays_as_it_is() -> None:
    measured = profile_table(load_example("binary_classification"), target=TARGET, name="x")
    assert parse_stated_card(measured.to_json()) == measured


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({**HEADLINE, "n_rows": 100}, "'n_rows' does not say how it is known"),
        ({**HEADLINE, "n_rows": 100, "provenance": {"n_rows": "stated"}}, "measured, quoted"),
        ({"name": "churn"}, "is missing"),
        ({k: v for k, v in HEADLINE.items() if k != "metric"}, "'metric' is missing"),
        ({**HEADLINE, "label_space": ["no", "yes"]}, "at /label_space"),
        ({**HEADLINE, "label_space": {"kind": "classes", "classes": ["no"]}}, "at /label_space"),
        ({**HEADLINE, "input_type": "sound"}, '"sound" is not allowed; allowed: tabular'),
        ({**HEADLINE, "provenance": []}, "at /provenance"),
        ({**HEADLINE, "search_space": []}, "is a model card; a data card is needed"),
        ([HEADLINE], "must be an object"),
        ("churn", "must be an object"),
    ],
)
def test_what_is_no_data_card_is_refused_with_the_place(document: Any, message: str) -> None:
    with pytest.raises(CardError, match=message):
        parse_stated_card(document, source="card.json")


@pytest.mark.parametrize(
    ("content", "what"), [(None, "cannot be read"), ("a,b\n1,2\n", "is not JSON")]
)
def test_a_table_in_the_place_of_a_card_is_told_what_to_do(
    tmp_path: Path, content: str | None, what: str
) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CardError, match=what) as caught:
        read_stated_card(path)
    assert "automl-agent cards data TABLE" in str(caught.value)
