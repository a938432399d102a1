"""The round: however the controller ends, what is trained is delivered, or the reason is told."""

import json
from typing import Any

import pytest

from automl_agent import Reply
from automl_agent.chat_models.chat_model import ModelTraits
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.gate import Approval
from automl_agent.controllers.planner.planner import Planner
from automl_agent.controllers.purse import Purse
from automl_agent.controllers.round import run_round
from automl_agent.errors import (
    DeclinedError,
    LimitError,
    ModelRefusedError,
    SetupError,
    TrainingError,
)
from automl_agent.testing import ScriptedChatModel

from .conftest import MakeSession, converse
from .wire import FINISH, PLAN, TRAIN


class Breaking(ScriptedChatModel):
    """Says what it was told to, and then breaks."""

    def __init__(self, exc: BaseException, *replies: Any, **options: Any) -> None:
        super().__init__([list(reply) for reply in replies], **options)
        self._exc, self._n_left = exc, len(replies)

    def reply(self, *given: Any, **options: Any) -> Reply:
        if self._n_left == 0:
            raise self._exc
        self._n_left -= 1
        return super().reply(*given, **options)


GONE = ModelRefusedError("The key is wrong.")


def start(make_session: MakeSession, **options: Any) -> Conversation:
    fields = {"metric": "accuracy", "n_trials": 2, "experts": ("linear",)}
    session = make_session(**fields)
    return converse(session, **options)


@pytest.mark.parametrize("is_interactive", [False, True])
def test_what_is_trained_is_delivered_though_the_controller_is_gone(
    is_interactive: bool, make_session: MakeSession
) -> None:
    conversation = start(make_session, is_interactive=is_interactive)
    outcome = run_round(conversation, Breaking(GONE, [*PLAN, *TRAIN]), None)
    assert outcome.ended == "the model gave no answer: The key is wrong"
    (result,) = outcome.results
    assert result["summary"] == "Ended early: the model gave no answer: The key is wrong."
    assert result["score"] > 0.8
    assert outcome.error is None


def test_without_a_trial_the_reason_is_told(make_session: MakeSession) -> None:
    outcome = run_round(start(make_session), Breaking(GONE), None)
    assert outcome.results == ()
    assert isinstance(outcome.error, TrainingError)
    expected = "Nothing was trained: the model gave no answer: The key is wrong."
    assert str(outcome.error) == expected


def test_the_planner_goes_on_where_the_model_left_off(
    make_session: MakeSession, events: list[tuple[str, Any]]
) -> None:
    half = PLAN[:4]  # the plan has one of its scripts
    outcome = run_round(start(make_session), Breaking(GONE, half), Planner())
    assert outcome.results[0]["n_trials"] == 2
    (replaced,) = [fields for name, fields in events if name == "controller_replaced"]
    assert replaced == {"reason": "the model gave no answer: The key is wrong", "by": "planner"}


def test_the_planner_goes_on_after_mistakes_of_the_model(make_session: MakeSession) -> None:
    early = [*PLAN[:3], ("predict_training_log", {"plan_id": "linear"}), ("train", {"plan_id": 1})]
    outcome = run_round(start(make_session), Breaking(GONE, early), Planner())
    assert outcome.results[0]["n_trials"] == 2


@pytest.mark.parametrize("purse", [Purse(limit_tokens=10), Purse(limit_usd=0.0)])
def test_when_nothing_can_be_paid_the_planner_goes_on(
    purse: Purse, make_session: MakeSession
) -> None:
    traits = ModelTraits("a:b", price=lambda usage: 1e-6 * usage.input_tokens)
    model = Breaking(GONE, traits=traits)
    conversation = start(make_session, purse=purse)
    outcome = run_round(conversation, model, Planner())
    assert model.received == []
    assert outcome.results[0]["n_trials"] == 2


def test_a_long_conversation_is_not_too_long_for_the_planner(make_session: MakeSession) -> None:
    """It finds its way by results that a language model may have had left out."""
    conversation = start(make_session)
    model = Breaking(GONE, [PLAN[0]])
    first = run_round(conversation, model, None)
    assert first.results == ()
    conversation = start(make_session)
    noise = [("look_around", {"text": "x" * 90_000})]
    outcome = run_round(conversation, Breaking(GONE, PLAN[:2], *[noise] * 5), Planner())
    assert outcome.results[0]["n_trials"] == 2


def test_a_price_that_is_unknown_stops_before_anything_is_asked(make_session: MakeSession) -> None:
    model = Breaking(GONE, traits=ModelTraits("a:b", price=lambda _usage: None))
    with pytest.raises(SetupError, match="price of a:b is unknown"):
        run_round(start(make_session, purse=Purse(limit_usd=1.0)), model, Planner())


def test_an_interrupt_before_a_trial_is_passed_on(make_session: MakeSession) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_round(start(make_session), Breaking(KeyboardInterrupt(), PLAN), Planner())


def test_an_interrupt_after_a_trial_delivers_it(make_session: MakeSession) -> None:
    model = Breaking(KeyboardInterrupt(), [*PLAN, *TRAIN])
    outcome = run_round(start(make_session), model, Planner())
    assert outcome.ended == "interrupted"
    assert outcome.results[0]["status"] == "interrupted"
    assert outcome.results[0]["n_trials"] == 1


def test_a_plan_that_the_person_declines_is_not_trained(make_session: MakeSession) -> None:
    class No:
        def approve(self, plans: Any) -> Approval:
            return Approval(False, reason="too slow")

        def answer(self, question: str) -> None:
            raise AssertionError

    conversation = start(make_session)
    conversation.tasks["t1"].gate = No()
    outcome = run_round(conversation, Breaking(GONE, [*PLAN, *TRAIN]), Planner())
    assert outcome.ended == "declined"
    assert isinstance(outcome.error, DeclinedError)
    assert "too slow" in str(outcome.error)


def test_time_that_does_not_suffice_is_a_limit(make_session: MakeSession) -> None:
    conversation = start(make_session)
    session = conversation.tasks["t1"]
    session.budget.time_s = 1e-6
    outcome = run_round(conversation, Breaking(GONE, PLAN), Planner())
    assert isinstance(outcome.error, LimitError)


def test_in_a_dialogue_a_plan_can_wait_for_the_next_request(make_session: MakeSession) -> None:
    conversation = start(make_session, is_interactive=True)
    outcome = run_round(conversation, ScriptedChatModel([list(PLAN), "Shall I train it?"]), None)
    assert (outcome.ended, outcome.text, outcome.error) == ("answered", "Shall I train it?", None)
    conversation.begin_round({"words": "go on"})
    model = ScriptedChatModel([list(TRAIN), list(FINISH)])
    outcome = run_round(conversation, model, None)
    assert outcome.results[0]["summary"] == "A linear model."


def test_finish_without_a_trial_says_why(make_session: MakeSession) -> None:
    outcome = run_round(
        start(make_session), ScriptedChatModel([[("finish", {"summary": "No such column."})]]), None
    )
    assert str(outcome.error) == "No such column."
    assert json.dumps(outcome.results) == "[]"
