"""No turn waits for a full collection of garbage."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from automl_agent import Reply
from automl_agent.controllers.garbage import collect_if_due, postponed_collections
from automl_agent.controllers.round import run_round
from automl_agent.testing import ScriptedChatModel

from .conftest import MakeSession, converse
from .wire import FINISH, PLAN, TRAIN

# Python makes a full collection when a quarter more than it knew survived the younger ones.
N_OBJECTS = 2_000_000


@contextmanager
def counting_full_collections() -> Iterator[list[str]]:
    counted: list[str] = []

    def count(phase: str, details: dict[str, int]) -> None:
        if phase == "start" and details["generation"] == 2:
            counted.append(threading.current_thread().name)

    gc.callbacks.append(count)
    try:
        yield counted
    finally:
        gc.callbacks.remove(count)


def grow() -> list[list[int]]:
    return [[number] for number in range(N_OBJECTS)]


class Growing(ScriptedChatModel):
    """Keeps more and more objects."""

    def reply(self, *given: Any, **options: Any) -> Reply:
        self.kept = grow()
        return super().reply(*given, **options)


def test_objects_that_stay_lead_to_a_full_collection_by_itself() -> None:
    with counting_full_collections() as counted:
        kept = grow()
    assert counted and kept


def test_no_full_collection_starts_in_a_turn(make_session: MakeSession) -> None:
    conversation = converse(make_session())
    thresholds = gc.get_threshold()
    with counting_full_collections() as counted:
        outcome = run_round(conversation, Growing(["Nothing.", "Nothing."]), None)
        assert counted == []
    assert outcome.ended == "the controller stopped calling tools"
    assert gc.get_threshold() == thresholds


def test_a_training_in_the_sandbox_is_the_time_for_one(make_session: MakeSession) -> None:
    conversation = converse(make_session(metric="accuracy", n_trials=1, experts=("linear",)))
    model = Growing([[*PLAN, *TRAIN], FINISH])
    with counting_full_collections() as counted:
        outcome = run_round(conversation, model, None)
    assert outcome.results
    assert counted


@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_collection_is_due_only_where_python_would_make_one(is_enabled: bool) -> None:
    with postponed_collections(), counting_full_collections() as counted:
        gc.collect()
        collect_if_due()
        assert len(counted) == 1
        kept = grow()
        if not is_enabled:
            gc.disable()
        try:
            collect_if_due()
        finally:
            gc.enable()
    assert len(counted) == (2 if is_enabled else 1)
    assert kept


def test_of_two_rounds_at_once_the_last_to_end_leaves_python_as_it_was() -> None:
    thresholds = gc.get_threshold()
    first, second = postponed_collections(), postponed_collections()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == thresholds
    second.__exit__(None, None, None)
    assert gc.get_threshold() == thresholds
