"""Sessions with a controller whose replies are written down."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from .conftest import Talk

Talks = Callable[..., Talk]
Install = Callable[[Sequence[Any]], None]
PLANNING = [
    [["profile_dataset", {"data": "iris.csv", "target": "species"}]],
    [["assign_expert", {"expert": "xgboost", "reason": "It is fast."}]],
    [
        ["write_script", {"plan_id": "xgboost", "script": "data_processing.py"}],
        ["write_script", {"plan_id": "xgboost", "script": "model.py"}],
        ["set_hyperparameters", {"plan_id": "xgboost", "settings": {}}],
        ["predict_training_log", {"plan_id": "xgboost"}],
    ],
    [["train", {"plan_id": "xgboost"}]],
]


def test_prose_alone_is_shown_with_a_hint(talk: Talks, scripted: Install) -> None:
    scripted(["First *text*\nof <b>two</b> lines\x1b[2J.", "More."])
    said = talk(["predict something", "and more"], "--controller", "scripted")
    assert "First *text*\nof <b>two</b> lines\\u001b[2J.\n" in said.shown
    assert said.shown.count("No tool was called; /model planner lets") == 2
    assert said.code == 0


@pytest.mark.usefixtures("iris")
def test_the_controller_can_be_changed_in_the_midst_of_a_conversation(
    talk: Talks, scripted: Install
) -> None:
    scripted(PLANNING)
    said = talk(
        ["plan it for iris.csv", "n", "/edit nothing", "/model planner", "go on", "y"],
        "--controller", "scripted",
    )  # fmt: skip
    assert "There is no plan 'nothing'." in said.shown
    assert "Controller: planner; nothing leaves this machine." in said.after("/model planner")
    assert "Delivered: " in said.shown


@pytest.mark.usefixtures("iris")
def test_a_question_of_the_controller_is_asked_and_answered(talk: Talks, scripted: Install) -> None:
    ask = [["ask_user", {"question": "Which column\x07?"}]]
    scripted([ask, "Thanks.", ask, "A pity."])
    said = talk(["hello", "species", "again"], "--controller", "scripted")
    assert "Which column\\u0007?\nYour answer: species\n" in said.shown
    assert "ask_user Which column\\u0007?  species" in said.shown
    assert "no answer" in said.shown


@pytest.mark.usefixtures("iris")
def test_an_undone_request_is_not_seen_by_the_model_and_calls_stay_apart(
    talk: Talks, scripted: Install
) -> None:
    scripted([*PLANNING, PLANNING[0], "Here is your profile."])
    said = talk(["plan iris.csv", "n", "/undo", "profile iris.csv"], "--controller", "scripted")
    assert said.shown.count("profile_dataset iris.csv species") == 2
    assert "Here is your profile." in said.after("profile iris.csv")


def test_without_its_key_a_model_is_replaced_by_the_planner(
    talk: Talks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    said = talk(
        ["/model", "/model anthropic:claude-x", "/model"], "--controller", "anthropic:claude-x"
    )
    assert "The built-in planner takes over" in said.shown
    assert said.shown.count("ANTHROPIC_API_KEY") >= 2
    assert "Controller: planner; nothing leaves this machine." in said.after("/model")


def test_a_plugin_that_cannot_be_loaded_is_named_and_the_session_begins(
    talk: Talks, scripted: Install, site: Any
) -> None:
    site.add("automl-agent-broken", {"broken": "broken_plugin"}, {"broken_plugin.py": "1/0"})
    said = talk(["/model"])
    assert "automl-agent-broken" in said.complaints
    assert "planner" in said.after("/model")
