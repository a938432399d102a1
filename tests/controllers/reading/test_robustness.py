"""Any text is read, soon, and only what is there comes back."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.controllers.reading.feedback import read_feedback
from automl_agent.controllers.reading.lexicon import PHRASES
from automl_agent.controllers.reading.reading import Reading, Table
from automl_agent.controllers.reading.requests import read_request
from automl_agent.controllers.reading.words import MAX_CHARACTERS

from .conftest import ALL, EXPERTS, METRICS, ODD

# Of the processor, for both readers; the slowest of these texts takes a thirtieth of it on a
# quiet machine, and a pattern that goes wrong takes minutes.
LIMIT_S = 6.0
KNOWN = sorted(
    phrase.strip().replace("*", "")
    for values in PHRASES.values()
    for phrases in values.values()
    for phrase in phrases.split("|")
)
NAMES = [name for table in (*ALL, ODD) for name in (table.name, *table.columns)]
WORDS = st.lists(
    st.one_of(
        st.sampled_from(KNOWN),
        st.sampled_from(NAMES),
        st.sampled_from([", ", ". ", "\n", "1.", "5 %", "0.9", '"', "“", "١٢", "9" * 400]),
        st.text(max_size=8),
    ),
    max_size=25,
).map(" ".join)


def read(words: str, tables: tuple[Table, ...]) -> Reading:
    return read_request(words, tables, experts=EXPERTS, metrics=METRICS)


@settings(max_examples=300, deadline=None)
@given(words=WORDS)
def test_every_text_gives_tasks_of_the_tables_or_a_problem(words: str) -> None:
    reading = read(words, (*ALL, ODD))
    columns = {table.name: table.columns for table in (*ALL, ODD)}
    for task in reading.tasks:
        assert task.target in columns[task.table]
        assert set(task.drop) <= set(columns[task.table]) - {task.target}
        assert task.metric is None or task.metric in METRICS
        assert set(task.experts) <= set(EXPERTS)
        assert task.time_s is None or task.time_s > 0
        assert task.n_trials is None or task.n_trials >= 1
    assert reading.tasks or reading.problem
    assert len({(task.table, task.target) for task in reading.tasks}) == len(reading.tasks)


@settings(max_examples=200, deadline=None)
@given(words=WORDS)
def test_every_feedback_is_read(words: str) -> None:
    feedback = read_feedback(words, experts=EXPERTS, metrics=METRICS)
    assert set(feedback.experts) <= set(EXPERTS)
    assert not set(feedback.experts) & set(feedback.excluded_experts)


@settings(max_examples=200, deadline=None)
@given(
    name=st.text(min_size=1, max_size=30).filter(lambda s: any(c.isalnum() for c in s)),
    others=st.lists(st.text(max_size=12), max_size=5),
)
def test_any_names_of_columns_can_be_there(name: str, others: list[str]) -> None:
    table = Table("t.csv", (*others, name))
    for task in read(f"predict '{name}' from t.csv", (table,)).tasks:
        assert task.target in table.columns


@settings(max_examples=100, deadline=None)
@given(name=st.from_regex(r"[a-z]{5,9}_[a-z]{5,9}", fullmatch=True))
def test_a_column_is_found_by_its_name_whatever_it_is(name: str) -> None:
    table = Table("t.csv", ("x1", name, "x2"))
    (task,) = read(f"predict {name} from t.csv", (table,)).tasks
    assert task.target == name


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("a" * MAX_CHARACTERS, id="one word"),
        pytest.param("a " * 2_000, id="short words"),
        pytest.param("predict " * 500, id="one verb"),
        pytest.param("predict income and " * 200, id="one task"),
        pytest.param("predict income from adult.csv and " * 120, id="one table"),
        pytest.param("adult.csv iris.csv " * 200, id="tables"),
        pytest.param(".csv" * 1_000, id="endings"),
        pytest.param("1 % 1 ms " * 450, id="amounts"),
        pytest.param("lose 1 % accuracy, " * 200, id="losses"),
        pytest.param("ignore race, " * 300, id="lists"),
        pytest.param("ignore race and race and race " * 130, id="long lists"),
        pytest.param("target is " * 400, id="assignments"),
        pytest.param("预测收入" * 1_000, id="Chinese"),
        pytest.param(".*" * 2_000, id="patterns"),
        pytest.param("((((" * 1_000, id="brackets"),
        pytest.param("\ufdfa" * MAX_CHARACTERS, id="one letter that stands for 18"),
        pytest.param("not xgboost, " * 300, id="exclusions"),
        pytest.param("for each table predict the last column. " * 100, id="for each"),
        pytest.param("incme " * 600, id="typos"),
        pytest.param("predict incme. " * 260, id="typos to guess"),
    ],
)
def test_adversarial_text_is_read_soon(words: str) -> None:
    read("predict income from adult.csv", ALL)  # the tree of phrases is built once
    started = time.process_time()
    read(words, (*ALL, ODD))
    read_feedback(words, experts=EXPERTS, metrics=METRICS)
    assert time.process_time() - started < LIMIT_S


def test_what_is_past_the_limit_is_not_read() -> None:
    words = "predict income from adult.csv" + " " * MAX_CHARACTERS + "with xgboost"
    assert read(words, ALL).tasks[0].experts == ()


def test_no_phrase_is_empty_or_there_twice_in_a_meaning() -> None:
    for kind, values in PHRASES.items():
        for value, phrases in values.items():
            listed = [phrase.strip() for phrase in phrases.split("|")]
            assert "" not in listed, (kind, value)
            assert len(listed) == len(set(listed)), (kind, value)
