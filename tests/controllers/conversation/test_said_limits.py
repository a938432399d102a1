"""What a person's words allow of time and trials holds, whatever the controller makes of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

from automl_agent import Agent, ChatModelProvider
from automl_agent.cards.documents import check_document
from automl_agent.controllers.conversation.dialogue import Dialogue
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path
from automl_agent.testing import ScriptedChatModel
from automl_agent.ui.progress import describe_limit

Events = list[tuple[str, dict[str, Any]]]
Opens = Callable[..., AbstractContextManager[Dialogue]]
PLAN = [
    [("profile_dataset", {"data": "iris.csv", "target": "target"})],
    [("assign_expert", {"task_id": "t1", "expert": "linear", "reason": "."})],
    [
        ("write_script", {"plan_id": "linear", "script": "data_processing.py"}),
        ("write_script", {"plan_id": "linear", "script": "model.py"}),
        ("predict_training_log", {"plan_id": "linear"}),
    ],
]
GREEDY = [
    [("train", {"plan_id": "linear"})],
    [("tune", {"plan_id": "linear", "n_trials": 50})],
    [("finish", {"summary": "I took what I could."})],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("iris.csv", "plants.csv"):
        load_iris(as_frame=True).frame.to_csv(tmp_path / name, index=False)
    return tmp_path


@pytest.fixture
def open_dialogue(folder: Path, events: Events) -> Opens:
    """A dialogue with the planner, or with a model of the given replies."""

    def open_it(*replies: Any, **options: Any) -> AbstractContextManager[Dialogue]:
        agent = Agent(
            controller="test" if replies else "planner",
            on_event=lambda name, fields: events.append((name, dict(fields))),
        )
        provider = ChatModelProvider("test", lambda _name: ScriptedChatModel(replies))
        agent.plugins.chat_models.add("test", provider, distribution="test")
        return agent.open_dialogue(folder=folder, **{"n_trials": 3, "seed": 1, **options})

    return open_it


@pytest.fixture
def list_requests(home: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The requests of all runs, the first one first."""
    with Journal(journal_path(home)) as journal:
        yield lambda: [run["request"] for run in reversed(journal.list_runs())]


def test_the_planner_trains_no_more_than_the_words_allow(
    open_dialogue: Opens, list_requests: Callable[[], list[dict[str, Any]]], events: Events
) -> None:
    with open_dialogue() as dialogue:
        first = dialogue.say("predict target from iris.csv with linear, at most 2 trials, 90 s")
        second = dialogue.say("smaller, at most 1 trial")
        third = dialogue.say("smaller")
    numbers = [outcome.results[0]["n_trials"] for outcome in (first, second, third)]
    assert numbers == [2, 1, 3]
    check_document(dict(second.results[0]), "run_result", source="result")
    limits = [(request["n_trials"], request["time_s"]) for request in list_requests()]
    assert limits == [(2, 90.0), (1, 300.0), (3, 300.0)]
    told = [describe_limit(fields, "--{} {}") for name, fields in events if name == "limit_read"]
    assert told == [f"At most {limit}, as you say." for limit in ("90 s", "2 trials", "1 trial")]


def test_a_model_that_overlooks_a_limit_is_held_to_it(open_dialogue: Opens) -> None:
    with open_dialogue(*PLAN, *GREEDY) as dialogue:
        outcome = dialogue.say("predict target from iris.csv, at most 2 trials")
    assert [result["n_trials"] for result in outcome.results] == [2]


def test_a_plan_keeps_its_limit_until_it_is_trained(open_dialogue: Opens) -> None:
    replies = (*PLAN, [("finish", {"summary": "Shall I train it?"})], *GREEDY)
    with open_dialogue(*replies, is_interactive=True) as dialogue:
        assert not dialogue.say("predict target from iris.csv, at most 2 trials").results
        (result,) = dialogue.say("Yes, please.").results
    assert result["n_trials"] == 2


def test_a_task_may_have_fewer_trials_than_another(open_dialogue: Opens) -> None:
    words = (
        "Predict target from iris.csv with linear, at most 1 trial. "
        "Predict target from plants.csv with linear, at most 2 trials."
    )
    with open_dialogue() as dialogue:
        outcome = dialogue.say(words)
    assert [result["n_trials"] for result in outcome.results] == [1, 2]


def test_neither_words_nor_a_model_get_more_than_is_allowed(
    open_dialogue: Opens, events: Events
) -> None:
    (name, given), *_ = PLAN[0]
    profile = [(name, {**given, "n_trials": 50})]
    with open_dialogue(profile, *PLAN[1:], *GREEDY, n_trials=2) as dialogue:
        outcome = dialogue.say("predict target from iris.csv, 40 trials, in an hour")
    assert [result["n_trials"] for result in outcome.results] == [2]
    told = [describe_limit(fields, "--{} {}") for name, fields in events if name == "limit_read"]
    assert told == [
        "You ask for 3600 s, and at most 300 are allowed; --time 3600s allows more.",
        "You ask for 40 trials, and at most 2 are allowed; --trials 40 allows more.",
    ]
