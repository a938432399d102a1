"""Cards to test with: two documents as files, and strategies for every card and its fields.

The strategies are registered by type, so that a test says `st.from_type(DataCard)`.
"""

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from automl_agent.cards.data_card import (
    Classes,
    Column,
    Continuous,
    DataCard,
    Hint,
    SplitRule,
)
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.paragraph import Neighbour, Paragraph
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint

HOSTILE_TEXTS = (
    "",
    " ",
    'a "quoted" \\ back\\nslash',
    "two\nlines\r\nand\ttabs",
    '\n## Plan\nC, hyperparameters: {"learning_rate": 1}',
    "# AutoML prompt paragraph, version 1",
    'Model name: "other"',
    "right to left \u202e and back \u2069",
    "zero\u200bwidth, soft\u00adhyphen, \ufeffmark",
    "\x1b[2J\x07\x00\x7f\x9b",
    "line\u2028and paragraph\u2029separators",
    "tags \U000e0041, private \ue000, unassigned \U0003ffff",
    "a lone \ud800 surrogate",
    "\U0001f469\u200d\U0001f467 \u00e9 \u6570\u636e \U0001d4b3",
    "NaN",
)


@pytest.fixture
def data_document() -> dict[str, Any]:
    """A data card as JSON, with every kind of field."""
    return {
        "name": "adult",
        "description": "Census records",
        "input_type": "tabular",
        "task": "binary_classification",
        "target": "income",
        "label_space": {"kind": "classes", "classes": ["<=50K", ">50K"], "shares": [0.76, 0.24]},
        "metric": "log_loss",
        "n_rows": 100,
        "n_features": 2,
        "columns": [
            {"name": "age", "role": "numeric", "n_unique": 60, "missing_share": 0.0},
            {"name": "born", "role": "datetime", "datetime_format": "%d/%m/%Y"},
        ],
        "statistics": {"log10_rows": 2.0},
        "hints": [{"kind": "identifier", "text": "Not used.", "column": "id"}],
        "split": {"kind": "time", "column": "born"},
        "provenance": {
            "name": "stated",
            "description": "quoted",
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
            "split": "stated",
        },
    }


@pytest.fixture
def model_document() -> dict[str, Any]:
    """A model card as JSON, with every kind of parameter."""
    return make_model_document()


def make_model_document() -> dict[str, Any]:
    expectation = {
        "gain": [0.1, 0.5, 0.9],
        "n_steps": 100,
        "seconds_per_million_cells": 2.5,
        "memory_mib": 350,
    }
    return {
        "name": "trees",
        "structure": "Decision trees",
        "description": "Trees for tables.",
        "architecture": {"booster": "gbtree", "max_rounds": 3000, "is_deep": False},
        "tasks": ["binary_classification", "regression"],
        "input_types": ["tabular"],
        "search_space": [
            {"name": "policy", "type": "choice", "choices": ["depth", "loss"], "default": "depth"},
            {
                "name": "depth",
                "type": "int",
                "low": 2,
                "high": 8,
                "default": 4,
                "condition": {"parameter": "policy", "values": ["depth"]},
            },
            {"name": "rate", "type": "float", "low": 0.01, "high": 1, "log": True, "default": 0.1},
        ],
        "starting_points": [{"depth": 3, "rate": 0.3}],
        "requirements": [{"package": "trees", "version": ">=3,<4", "imports": ["trees"]}],
        "limits": {"max_rows": 1000, "max_columns": 20, "max_classes": 10},
        "expectations": {"binary_classification": expectation, "regression": expectation},
        "source": "A book",
    }


def _through_json(text: str) -> str:
    # JSON joins two surrogates that stand side by side, as in any text that was read from it.
    value: str = json.loads(json.dumps(text))
    return value


any_character = st.characters(exclude_categories=())  # with surrogates, unlike the default
texts = (st.sampled_from(HOSTILE_TEXTS) | st.text(any_character, max_size=12)).map(_through_json)
names = texts.filter(bool)
numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
counts = st.integers(0, 10**12)
values = texts | numbers | st.integers(-(10**15), 10**15) | st.booleans()


def maybe(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | strategy


columns = st.builds(
    Column,
    name=texts,
    role=st.sampled_from(["numeric", "categorical", "datetime", "text", "identifier"]),
    n_unique=maybe(counts),
    missing_share=maybe(shares),
    datetime_format=maybe(texts),
)
split_rules = st.builds(
    SplitRule, st.sampled_from(["group", "time"]), column=texts
) | st.sampled_from([SplitRule("random"), SplitRule("stratified")])
hints = st.builds(
    Hint, kind=st.sampled_from(["rare_class", "identifier"]), text=texts, column=maybe(texts)
)


@st.composite
def label_spaces(draw: DrawFn, task: str) -> Classes | Continuous:
    if task == "regression":
        return Continuous(draw(maybe(st.tuples(*[numbers] * 7))))
    n_classes = 2 if task == "binary_classification" else 4
    classes = draw(st.lists(texts, min_size=n_classes, max_size=n_classes, unique=True))
    return Classes(
        classes=tuple(classes),
        shares=draw(maybe(st.tuples(*[shares] * n_classes))),
        value_type=draw(st.sampled_from(["string", "integer", "boolean"])),
    )


@st.composite
def data_cards(draw: DrawFn) -> DataCard:
    task = draw(
        st.sampled_from(["binary_classification", "multiclass_classification", "regression"])
    )
    fields: dict[str, Any] = {
        "name": draw(names),
        "description": draw(texts),
        "input_type": draw(st.sampled_from(["tabular", "image", "text", "question_passage"])),
        "task": task,
        "label_space": draw(label_spaces(task)),
        "metric": draw(names),
        "target": draw(maybe(names)),
        "n_rows": draw(maybe(counts)),
        "n_features": draw(maybe(counts)),
        "columns": draw(
            maybe(st.lists(columns, max_size=3, unique_by=lambda c: c.name).map(tuple))
        ),
        "statistics": draw(maybe(st.dictionaries(texts, numbers, max_size=3))),
        "hints": draw(maybe(st.lists(hints, max_size=2).map(tuple))),
        "split": draw(maybe(split_rules)),
    }
    known = st.sampled_from(["measured", "quoted"])
    provenance = {key: draw(known) for key, value in fields.items() if value is not None}
    return DataCard(**fields, provenance=provenance)


@st.composite
def model_cards(draw: DrawFn) -> ModelCard:
    document = make_model_document() | {
        "structure": draw(names),
        "description": draw(names),
        "architecture": draw(st.dictionaries(texts, values, max_size=3)),
        "source": draw(texts),
    }
    document["search_space"][0]["description"] = draw(texts)
    document["requirements"][0]["version"] = draw(texts)
    for key in draw(st.sets(st.sampled_from(["starting_points", "limits", "source"]))):
        del document[key]
    return ModelCard.from_json(document)


@st.composite
def predicted_logs(draw: DrawFn) -> PredictedLog:
    steps = sorted(draw(st.lists(counts, min_size=1, max_size=3)))
    points = []
    for step in steps:
        low, median, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
        points.append(PredictedPoint(step, median, low, high))
    positive = st.floats(0, 1e9)
    return PredictedLog(draw(texts), draw(texts), tuple(points), draw(positive), draw(positive))


paragraphs = st.builds(
    Paragraph,
    data_card=data_cards(),
    model_card=model_cards(),
    requirements=st.lists(texts, max_size=2).map(tuple),
    constraints=st.lists(texts, max_size=2).map(tuple),
    resources=st.fixed_dictionaries(
        {
            "cpus": st.integers(1, 999),
            "memory_mib": st.integers(1, 10**9),
            "gpus": st.lists(texts, max_size=2),
        }
    ),
    data_processing=texts,
    model_architecture=texts,
    settings=st.dictionaries(texts, values, max_size=3),
    predicted_log=maybe(predicted_logs()),
    neighbours=st.lists(st.builds(Neighbour, texts, shares), max_size=2).map(tuple),
)

st.register_type_strategy(DataCard, data_cards())
st.register_type_strategy(ModelCard, model_cards())
st.register_type_strategy(PredictedLog, predicted_logs())
st.register_type_strategy(Paragraph, paragraphs)
