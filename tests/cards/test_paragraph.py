import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.paragraph import (
    TASK_SENTENCE,
    Neighbour,
    Paragraph,
    parse_paragraph,
    render_paragraph,
)
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.errors import CardError

LABELS = (
    "Data name",
    "Input data type",
    "Label space",
    "Evaluation metric",
    "Data description",
    "Task",
    "Other data card fields",
    "Model name",
    "Model structure",
    "Model description",
    "Architecture hyperparameters",
    "Other model card fields",
    "Requirements",
    "Constraints",
    "Resources",
    "Similar data sets",
    "A, data processing",
    "B, model architecture",
    "C, hyperparameters",
    "D, predicted training log",
)
many = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@pytest.fixture
def paragraph(data_document: dict[str, Any], model_document: dict[str, Any]) -> Paragraph:
    return Paragraph(
        data_card=DataCard.from_json(data_document),
        model_card=ModelCard.from_json(model_document),
        requirements=("trees>=3,<4",),
        constraints=("under 1 ms a row",),
        resources={"cpus": 2, "memory_mib": 8000, "gpus": ["4 x NVIDIA A5000"]},
        data_processing="Keeps the columns.",
        model_architecture="Grows trees.",
        settings={"policy": "depth", "depth": 4, "rate": 0.1},
        predicted_log=PredictedLog(
            "model card", "log_loss", (PredictedPoint(100, 0.3, 0.2, 0.4),), 12.5, 350
        ),
        neighbours=(Neighbour("census", 0.9),),
    )


def change_line(paragraph: Paragraph, label: str, line: str | None) -> str:
    """The rendered paragraph with another line instead of the label's; None takes it away."""
    lines = render_paragraph(paragraph).split("\n")
    (position,) = (i for i, text in enumerate(lines) if text.startswith(f"{label}: "))
    lines[position : position + 1] = [] if line is None else [line]
    return "\n".join(lines)


def line_of(paragraph: Paragraph, label: str) -> int:
    lines = render_paragraph(paragraph).split("\n")
    return next(i for i, text in enumerate(lines, start=1) if text.startswith(f"{label}: "))


@given(st.from_type(Paragraph))
@many
def test_a_rendered_paragraph_parses_to_what_it_was_made_from(paragraph: Paragraph) -> None:
    assert parse_paragraph(render_paragraph(paragraph)) == paragraph


@given(st.from_type(Paragraph))
@many
def test_every_value_is_visible_and_on_a_line_of_its_own(paragraph: Paragraph) -> None:
    lines = render_paragraph(paragraph).split("\n")
    labels = [line.partition(":")[0] for line in lines if re.match(r"[ABCD]?[A-Za-z, ]+: ", line)]
    assert tuple(labels) == LABELS
    for line in lines:
        categories = {unicodedata.category(character) for character in line}
        assert categories.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def test_a_paragraph_is_a_page_of_labelled_lines(paragraph: Paragraph) -> None:
    card = replace(
        paragraph.data_card, n_rows=None, columns=None, hints=None, statistics=None, provenance={}
    )
    text = render_paragraph(replace(paragraph, data_card=card, predicted_log=None))
    lines = [line for line in text.split("\n") if not line.startswith("Other model card fields")]
    assert lines == [
        "# AutoML prompt paragraph, version 1",
        TASK_SENTENCE,
        "",
        "## Data card",
        'Data name: "adult"',
        'Input data type: "tabular"',
        'Label space: {"classes": ["<=50K", ">50K"], "shares": [0.76, 0.24], '
        '"value_type": "string", "kind": "classes"}',
        'Evaluation metric: "log_loss"',
        'Data description: "Census records"',
        'Task: "binary_classification"',
        'Other data card fields: {"provenance": {}, "target": "income", "n_features": 2, '
        '"split": {"kind": "time", "column": "born"}}',
        "",
        "## Model card",
        'Model name: "trees"',
        'Model structure: "Decision trees"',
        'Model description: "Trees for tables."',
        'Architecture hyperparameters: {"booster": "gbtree", "max_rounds": 3000, "is_deep": false}',
        "",
        "## Requirements and resources",
        'Requirements: ["trees>=3,<4"]',
        'Constraints: ["under 1 ms a row"]',
        'Resources: {"cpus": 2, "memory_mib": 8000, "gpus": ["4 x NVIDIA A5000"]}',
        "",
        "## Plan",
        'Similar data sets: [{"name": "census", "similarity": 0.9}]',
        'A, data processing: "Keeps the columns."',
        'B, model architecture: "Grows trees."',
        'C, hyperparameters: {"policy": "depth", "depth": 4, "rate": 0.1}',
        "D, predicted training log: null",
        "",
    ]


def test_an_edited_setting_is_taken_over(paragraph: Paragraph) -> None:
    text = change_line(paragraph, "C, hyperparameters", 'C, hyperparameters: {"rate": 0.3}')
    assert parse_paragraph(text) == replace(paragraph, settings={"rate": 0.3})


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text + "\n\n# A remark\n",
        lambda text: text.replace('"adult"', '   "adult"  '),
    ],
    ids=["line ends", "byte order mark", "no empty lines", "a remark", "blanks"],
)
def test_what_an_editor_does_to_lines_changes_nothing(paragraph: Paragraph, edit: Any) -> None:
    assert parse_paragraph(edit(render_paragraph(paragraph))) == paragraph


@pytest.mark.parametrize("label", LABELS)
def test_a_missing_line_is_told(paragraph: Paragraph, label: str) -> None:
    with pytest.raises(CardError) as caught:
        parse_paragraph(change_line(paragraph, label, None))
    assert str(caught.value) == f"prompt paragraph: the line {label!r} is missing."


@pytest.mark.parametrize("label", LABELS)
def test_a_double_line_is_told(paragraph: Paragraph, label: str) -> None:
    text = render_paragraph(paragraph)
    n_lines = text.count("\n")
    (line,) = (line for line in text.split("\n") if line.startswith(f"{label}: "))
    with pytest.raises(CardError) as caught:
        parse_paragraph(text + line)
    assert str(caught.value) == f"prompt paragraph, line {n_lines + 1}: {label!r} is there twice."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Metric", "is not 'Label: value'."),
        ('metric: "auc"', "is not 'Label: value'."),
        ('"auc"', "is not 'Label: value'."),
        (
            'Evaluation metrics: "auc"',
            "the label 'Evaluation metrics' is unknown. Did you mean 'Evaluation metric'?",
        ),
        (
            "Evaluation metric: auc",
            "the value of 'Evaluation metric' is not JSON (Expecting value: character 1).",
        ),
        (
            'Evaluation metric: "auc',
            "the value of 'Evaluation metric' is not JSON "
            "(Unterminated string starting at: character 1).",
        ),
        (
            "Evaluation metric: NaN",
            "the value of 'Evaluation metric' is not JSON (NaN is not a finite number).",
        ),
        ("Evaluation metric: 3", "'Evaluation metric': at /: 3 must be a string."),
        (
            'Evaluation metric: ""',
            "'Evaluation metric': at /: \"\" is not allowed; allowed: 1 or more characters.",
        ),
    ],
    ids=[
        "no value",
        "a small letter",
        "no label",
        "an unknown label",
        "no JSON",
        "an open quote",
        "NaN",
        "a number",
        "an empty text",
    ],
)
def test_a_broken_line_is_told_with_its_number(
    paragraph: Paragraph, line: str, message: str
) -> None:
    number = line_of(paragraph, "Evaluation metric")
    with pytest.raises(CardError) as caught:
        parse_paragraph(change_line(paragraph, "Evaluation metric", line))
    place = f"prompt paragraph, line {number}"
    assert str(caught.value) in (f"{place}: {message}", f"{place}, {message}")


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("Label space", '{"kind": "x"}', '"x" is not allowed; allowed: classes, continuous.'),
        ("Other data card fields", "[]", "[] must be an object."),
        ("Architecture hyperparameters", "3", "3 must be an object."),
        ("Requirements", '"numpy"', '"numpy" must be a list.'),
        ("Constraints", "[1]", "1 must be a string."),
        ("Resources", "{}", "the field 'cpus' is missing."),
        ("Resources", '{"cpus": 0, "memory_mib": 1, "gpus": []}', "0 is not allowed; allowed: at"),
        ("Similar data sets", "[[]]", "[] must be an object."),
        ("Similar data sets", '[{"name": "a", "similarity": 2}]', "2 is not allowed; allowed: at"),
        ("A, data processing", "null", "null must be a string."),
        ("C, hyperparameters", "[]", "[] must be an object."),
        ("C, hyperparameters", '{"rate": 1, "rate": 2}', "the field 'rate' is there twice"),
        ("C, hyperparameters", '{"rate": null}', "null must be a string or a number or a boolean"),
        ("C, hyperparameters", '{"rate": Infinity}', "Infinity is not a finite number"),
        ("D, predicted training log", "{}", "the field 'predictor' is missing."),
        ("D, predicted training log", "0", "0 must be null or an object."),
    ],
)
def test_a_value_that_its_line_cannot_hold_is_told_with_the_line(
    paragraph: Paragraph, label: str, value: str, message: str
) -> None:
    number = line_of(paragraph, label)
    with pytest.raises(CardError) as caught:
        parse_paragraph(change_line(paragraph, label, f"{label}: {value}"))
    assert str(caught.value).startswith(f"prompt paragraph, line {number}")
    assert repr(label) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("label", "old", "new", "message"),
    [
        (
            "Other data card fields",
            '"n_rows": 100',
            '"n_rows": -1',
            "prompt paragraph, data card: at /n_rows: -1 is not allowed; allowed: at least 0.",
        ),
        (
            "Other data card fields",
            '"n_rows": 100',
            '"n_rows": 100, "metric": "auc"',
            "prompt paragraph, 'Other data card fields': the field 'metric' has the line "
            "'Evaluation metric' above.",
        ),
        (
            "Other model card fields",
            '"source": "A book"',
            '"source": "A book", "name": "other"',
            "prompt paragraph, 'Other model card fields': the field 'name' has the line "
            "'Model name' above.",
        ),
        (
            "Task",
            "binary_classification",
            "regression",
            "prompt paragraph, data card: at /label_space/kind: must be 'continuous' for "
            "regression.",
        ),
        (
            "D, predicted training log",
            '"median": 0.3',
            '"median": 0.5',
            "prompt paragraph, 'D, predicted training log': at /points/0: the median 0.5 is not "
            "between low 0.2 and high 0.4.",
        ),
    ],
    ids=["a number", "a hidden metric", "a hidden name", "a contradiction", "a curve"],
)
def test_fields_that_do_not_fit_together_are_told(
    paragraph: Paragraph, label: str, old: str, new: str, message: str
) -> None:
    text = render_paragraph(paragraph)
    (line,) = (line for line in text.split("\n") if line.startswith(f"{label}: "))
    with pytest.raises(CardError) as caught:
        parse_paragraph(change_line(paragraph, label, line.replace(old, new)))
    assert str(caught.value) == message


scraps = st.sampled_from(
    ["null", "NaN", "[]", "{}", '"', "\\", "-1", "1e999", ": ", "#", "\x00", "{", "}", ",", '"a"']
)
pieces = scraps | st.text(max_size=5)


@st.composite
def edits(draw: st.DrawFn, text: str) -> str:
    """The text with one line taken away, doubled, replaced, or with a piece of it replaced."""
    lines = text.split("\n")
    position = draw(st.integers(0, len(lines) - 1))
    line = lines[position]
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(line))] * 2)))
    label = line.partition(": ")[0]
    lines[position : position + 1] = draw(
        st.sampled_from(
            [
                [],
                [line, line],
                [draw(pieces)],
                [f"{label}: {draw(pieces)}"],
                [line[:start] + draw(pieces) + line[end:]],
                [line[:start], line[start:]],
            ]
        )
    )
    return "\n".join(lines)


@given(st.data())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_edited_paragraph_parses_or_is_refused_with_its_place(
    paragraph: Paragraph, data: st.DataObject
) -> None:
    text = data.draw(edits(render_paragraph(paragraph)))
    refusal = find_refusal(text)
    if refusal is None:
        parsed = parse_paragraph(text)
        assert parse_paragraph(render_paragraph(parsed)) == parsed
    else:
        assert refusal.startswith("prompt paragraph")


def find_refusal(text: str) -> str | None:
    try:
        parse_paragraph(text)
    except CardError as exc:
        return str(exc)
    return None
