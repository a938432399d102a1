"""The check by hand says what the schema says."""

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl_agent.cards.documents import find_errors
from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.check import check_record, fits_record
from automl_agent.knowledge.records.record import Record

from ..making import make_known, make_record

RECORD = make_record(make_known()).to_json()
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10**400)
    | st.floats()
    | st.sampled_from(["", "log_loss", "0123456789abcdef"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
points = st.tuples(st.integers(-1, 9) | st.just(3.0), st.floats(), st.floats()).map(list)
changes = st.one_of(
    st.fixed_dictionaries({}, optional=dict.fromkeys(RECORD, values)),
    st.fixed_dictionaries({"curve": st.lists(points | values, max_size=3)}),
    st.fixed_dictionaries({"curve": st.lists(st.just([1, 0.5, 0.5]), min_size=99, max_size=102)}),
    st.fixed_dictionaries({"scores": st.dictionaries(st.text(max_size=3), st.floats())}),
    st.dictionaries(st.text(max_size=3), values, max_size=1),
)


@settings(max_examples=400, deadline=None)
@given(changes)
@example({"seconds": True})
@example({"n_splits": 0})
@example({"n_splits": 1.0})
@example({"n_steps": 2.5})
@example({"seconds": math.inf})
@example({"memory_mib": 10**400})
@example({"n_steps": 10**400})
@example({"n_steps": 2**53 + 2})
@example({"n_splits": 2**53})
@example({"curve": [[10**400, 0.5, 0.5]]})
@example({"settings": {"a": [1]}})
@example({"scores": {"log_loss": 1e308, "b": 1e308, "c": 1e308}})
@example({"card_id": "0123456789abcdef\n"})
def test_a_document_fits_where_the_schema_says_so(change: dict[str, Any]) -> None:
    document = {**RECORD, **change}
    fits_schema = not list(find_errors(document, "knowledge_record"))
    has_metric = fits_schema and document["metric"] in document["scores"]
    assert fits_record(document) == has_metric


def test_what_a_record_writes_fits_and_is_read_again() -> None:
    check_record(RECORD, source="here")
    assert Record.from_json(RECORD).to_json() == RECORD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"seconds": math.nan}, "at /seconds: NaN must be a number", id="NaN"),
        pytest.param({"more": 1}, "the field 'more' is unknown", id="unknown"),
        pytest.param({"metric": "rmse"}, "at /metric: must be one of the scores", id="metric"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(KnowledgeError, match=f"^here: .*{message}"):
        check_record({**RECORD, **change}, source="here")
