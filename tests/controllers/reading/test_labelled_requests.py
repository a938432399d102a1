"""The labelled requests and distractor cards that the reader is measured with."""

import json
from pathlib import Path

import pytest

from automl_agent.cards.model_card import read_model_card

REQUESTS = Path(__file__).parents[3] / "benchmarks" / "requests"
DOCUMENT = json.loads((REQUESTS / "requests.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("request_", DOCUMENT["requests"], ids=lambda r: r["id"])
def test_a_label_names_columns_of_its_tables(request_: dict[str, object]) -> None:
    labels = request_["label"]
    assert isinstance(labels, list)
    assert bool(labels) != bool(request_.get("decline"))
    for label in labels:
        table = DOCUMENT["tables"][label["table"]]
        assert {label["target"], *label.get("drop", [])} <= set(table["columns"])
        assert request_["tables"] == "all" or label["table"] in request_["tables"]


def test_ids_and_words_are_unique() -> None:
    for key in ("id", "words"):
        values = [request[key] for request in DOCUMENT["requests"]]
        assert len(values) == len(set(values))


@pytest.mark.parametrize(
    "path", sorted(REQUESTS.glob("distractors/*.json")), ids=lambda path: path.stem
)
def test_a_distractor_is_a_valid_expert_for_something_else(path: Path) -> None:
    card = read_model_card(path)
    assert (card.name, "tabular" in card.input_types) == (path.stem, False)
