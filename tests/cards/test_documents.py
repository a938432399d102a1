import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.documents import (
    check_document,
    dump_json,
    find_errors,
    parse_json,
    read_document,
)
from automl_agent.errors import CardError

MISSING = object()


def change(document: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """The document with a value at /a/0/b; MISSING takes the field away."""
    *parents, last = place.split("/")[1:]
    target: Any = document
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]
    if value is MISSING:
        del target[last]
    else:
        target[int(last) if isinstance(target, list) else last] = value
    return document


DATA_CARD_FAULTS = [
    pytest.param(
        "/input_type",
        "table",
        'at /input_type: "table" is not allowed; allowed: tabular, image, text, question_passage.',
        id="not in the list",
    ),
    pytest.param("/name", 3, "at /name: 3 must be a string.", id="a number for a text"),
    pytest.param(
        "/columns", {}, "at /columns: {} must be a list.", id="an object where a list belongs"
    ),
    pytest.param(
        "/n_rows", 1.5, "at /n_rows: 1.5 must be a whole number.", id="a fraction of a row"
    ),
    pytest.param(
        "/n_rows", True, "at /n_rows: true must be a whole number.", id="a boolean for a number"
    ),
    pytest.param(
        "/statistics/log10_rows",
        float("nan"),
        "at /statistics/log10_rows: NaN must be a number.",
        id="NaN",
    ),
    pytest.param(
        "/statistics/log10_rows",
        float("inf"),
        "at /statistics/log10_rows: Infinity must be a number.",
        id="infinity",
    ),
    pytest.param(
        "/statistics",
        {"a/\x1b\u202e": "x"},
        'at /statistics/a/\\u001b\\u202e: "x" must be a number.',
        id="unseen characters in the path",
    ),
    pytest.param("/metric", MISSING, "at /: the field 'metric' is missing.", id="a missing field"),
    pytest.param(
        "/columns/1/role",
        MISSING,
        "at /columns/1: the field 'role' is missing.",
        id="a missing field further down",
    ),
    pytest.param(
        "/nmae",
        "x",
        "at /: the field 'nmae' is unknown. Did you mean 'name'?",
        id="an unknown field that resembles one",
    ),
    pytest.param(
        "/split/xyz",
        1,
        "at /split: the field 'xyz' is unknown. Available: column, kind.",
        id="an unknown field that resembles none",
    ),
    pytest.param(
        "/columns/0/missing_share",
        1.5,
        "at /columns/0/missing_share: 1.5 is not allowed; allowed: at most 1.",
        id="too great",
    ),
    pytest.param(
        "/n_rows", -1, "at /n_rows: -1 is not allowed; allowed: at least 0.", id="too small"
    ),
    pytest.param(
        "/name", "", 'at /name: "" is not allowed; allowed: 1 or more characters.', id="empty"
    ),
    pytest.param(
        "/split/column",
        MISSING,
        "at /split: the field 'column' is missing.",
        id="a field that another field's value asks for",
    ),
    pytest.param(
        "/split/kind",
        "tme",
        'at /split/kind: "tme" is not allowed; allowed: random, stratified, group, time.',
        id="the value that such a condition rests on",
    ),
    pytest.param(
        "/label_space/kind",
        "numbers",
        'at /label_space/kind: "numbers" is not allowed; allowed: classes, continuous.',
        id="no kind of label space",
    ),
    pytest.param(
        "/label_space/kind",
        MISSING,
        "at /label_space: the field 'kind' is missing.",
        id="a label space without a kind",
    ),
    pytest.param(
        "/label_space", "yes", 'at /label_space: "yes" must be an object.', id="no label space"
    ),
    pytest.param(
        "/label_space/classes",
        ["a"],
        'at /label_space/classes: ["a"] is not allowed; allowed: 2 or more items.',
        id="one class",
    ),
    pytest.param(
        "/label_space/classes",
        ["a", "a"],
        'at /label_space/classes: ["a", "a"] is not allowed; allowed: items that differ.',
        id="a class twice",
    ),
    pytest.param(
        "/label_space",
        {"kind": "continuous", "quantiles": [1, 2]},
        "at /label_space/quantiles: [1, 2] is not allowed; allowed: 7 or more items.",
        id="the second kind of label space",
    ),
    pytest.param(
        "/label_space/quantiles",
        [0] * 7,
        "at /label_space: the field 'quantiles' is unknown. "
        "Available: classes, kind, shares, value_type.",
        id="a field of the other kind",
    ),
    pytest.param(
        "/provenance/n_rows",
        "stated",
        'at /provenance/n_rows: "stated" is not allowed; allowed: measured, quoted.',
        id="a number that nobody measured or quoted",
    ),
    pytest.param(
        "/provenance/statistics",
        "inferred",
        'at /provenance/statistics: "inferred" is not allowed; allowed: measured, quoted.',
        id="statistics that nobody measured or quoted",
    ),
    pytest.param(
        "/description",
        ["x" * 100],
        f'at /description: ["{"x" * 77}… must be a string.',
        id="a long value",
    ),
]
MODEL_CARD_FAULTS = [
    pytest.param(
        "/name",
        "My Trees",
        'at /name: "My Trees" is not allowed; allowed: text that matches ^[a-z][a-z0-9-]*$.',
        id="a pattern",
    ),
    pytest.param(
        "/tasks/0",
        "clustering",
        'at /tasks/0: "clustering" is not allowed; '
        "allowed: binary_classification, multiclass_classification, regression.",
        id="a list in another schema",
    ),
    pytest.param(
        "/architecture/booster",
        None,
        "at /architecture/booster: null must be a string or a number or a boolean.",
        id="several types",
    ),
    pytest.param(
        "/search_space/0/type",
        "chioce",
        'at /search_space/0/type: "chioce" is not allowed; allowed: int, float, choice.',
        id="a type, before what it would ask for",
    ),
    pytest.param(
        "/search_space/1/choices",
        [1],
        "at /search_space/1: the field 'choices' does not go with the others.",
        id="choices of a number",
    ),
    pytest.param(
        "/search_space/0/low",
        1,
        "at /search_space/0: the field 'low' does not go with the others.",
        id="a bound of a choice",
    ),
    pytest.param(
        "/search_space/1/high",
        MISSING,
        "at /search_space/1: the field 'high' is missing.",
        id="a number without a bound",
    ),
    pytest.param(
        "/search_space/1/hi",
        8,
        "at /search_space/1: the field 'hi' is unknown. Did you mean 'high'?",
        id="an unknown field beside conditions",
    ),
    pytest.param(
        "/expectations/regression/gain",
        [0, 1, 2],
        "at /expectations/regression/gain/2: 2 is not allowed; allowed: at most 1.",
        id="an item of a list",
    ),
    pytest.param(
        "/expectations/regression/memory_mib",
        0,
        "at /expectations/regression/memory_mib: 0 is not allowed; allowed: more than 0.",
        id="an excluded bound",
    ),
]


@pytest.mark.parametrize(("place", "value", "message"), DATA_CARD_FAULTS)
def test_a_fault_in_a_data_card_is_told_with_place_value_and_what_is_allowed(
    data_document: dict[str, Any], place: str, value: object, message: str
) -> None:
    with pytest.raises(CardError) as caught:
        check_document(change(data_document, place, value), "data_card", source="card.json")
    assert str(caught.value) == f"card.json: {message}"


@pytest.mark.parametrize(("place", "value", "message"), MODEL_CARD_FAULTS)
def test_a_fault_in_a_model_card_is_told_with_place_value_and_what_is_allowed(
    model_document: dict[str, Any], place: str, value: object, message: str
) -> None:
    with pytest.raises(CardError) as caught:
        check_document(change(model_document, place, value), "model_card", source="card.json")
    assert str(caught.value) == f"card.json: {message}"


@pytest.mark.parametrize(
    ("predicted_log", "message"),
    [
        (5, "at /predicted_log: 5 must be null or an object."),
        ({"seconds": "x"}, 'at /predicted_log/seconds: "x" must be a number.'),
        ({"seconds": 1}, "at /predicted_log: the field 'predictor' is missing."),
    ],
    ids=["neither null nor an object", "an object with a wrong value", "an object that lacks one"],
)
def test_of_several_branches_the_one_that_the_document_means_is_told(
    predicted_log: object, message: str
) -> None:
    plan = {
        "plan_id": "trees",
        "expert": "trees",
        "data": "adult",
        "metric": "auc",
        "settings": {},
        "scripts": [],
        "generated": [],
        "predicted_log": predicted_log,
        "resources": {"cpus": 1, "memory_mib": 1, "gpus": []},
        "constraints": [],
    }
    assert next(find_errors(plan, "plan")) == message


def test_a_document_without_faults_passes(
    data_document: dict[str, Any], model_document: dict[str, Any]
) -> None:
    assert list(find_errors(data_document, "data_card")) == []
    assert list(find_errors(model_document, "model_card")) == []


def test_every_fault_is_found_the_shallowest_first(data_document: dict[str, Any]) -> None:
    document = change(change(data_document, "/metric", 1), "/columns/0/role", "number")
    assert [error.partition(":")[0] for error in find_errors(document, "data_card")] == [
        "at /metric",
        "at /columns/0/role",
    ]


def test_a_schema_of_ones_own_may_refer_to_those_that_ship() -> None:
    schema = {"type": "array", "items": {"$ref": "urn:automl-agent:data_card:1#/$defs/task"}}
    check_document(["regression"], schema, source="tasks")
    with pytest.raises(CardError, match=re.escape('tasks: at /0: "x" is not allowed')):
        check_document(["x"], schema, source="tasks")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[NaN]", "NaN is not a finite number"),
        ("[-Infinity]", "-Infinity is not a finite number"),
        ("1e999", "1e999 is not a finite number"),
        ("9" * 400, f"{'9' * 79}… is not a finite number"),
        ("9" * 5000, f"{'9' * 79}… is not a finite number"),
        ('{"a": 1, "b": 2, "a": 3}', "the field 'a' is there twice"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"a": 1', "Expecting ',' delimiter: line 1 column 8 (char 7)"),
    ],
    ids=["NaN", "infinity", "beyond a float", "400 digits", "5000 digits", "double", "deep", "cut"],
)
def test_what_is_no_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        parse_json(text)
    assert str(caught.value) == reason


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_a_dumped_value_is_visible_and_parses_to_itself(value: object) -> None:
    text = dump_json(value)
    categories = {unicodedata.category(character) for character in text}
    assert categories.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    assert parse_json(text) == value


def test_only_unseen_characters_are_escaped() -> None:
    assert dump_json("é 数\u200b\x7f\x9b\U000e0041\ud800😀") == (
        '"é 数\\u200b\\u007f\\u009b\\udb40\\udc41\\ud800😀"'
    )


def test_a_document_is_read_from_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(b'\xef\xbb\xbf{"name": "\xc3\xa9"}')
    assert read_document(path) == {"name": "é"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"name": ', "is not JSON (Expecting value: line 1 column 10 (char 9))."),
        (b'{"n": NaN}', "is not JSON (NaN is not a finite number)."),
        (b"\xff\xfe{", "cannot be read, because it is not UTF-8 text."),
        (b"", "is not JSON (Expecting value: line 1 column 1 (char 0))."),
    ],
    ids=["cut off", "NaN", "not text", "empty"],
)
def test_a_file_that_is_no_document_is_told_with_its_name(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(CardError) as caught:
        read_document(path)
    assert str(caught.value) == f"{path}: {reason}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none.json", "No such file or directory"), ("", "Is a directory")],
    ids=["missing", "a folder"],
)
def test_a_path_without_a_file_is_told(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(CardError) as caught:
        read_document(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read ({reason})."
