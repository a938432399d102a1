"""What a session makes of the packaged knowledge: which settings are worth a trial."""

from typing import Any

import pytest

from automl_agent.controllers.conversation.advising import advise, choose_first_trials
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.tools.planning import assign_expert
from automl_agent.controllers.tools.profiling import profile_dataset
from automl_agent.knowledge.advisor import open_advisor
from automl_agent.knowledge.knowledge import open_knowledge

from ..conftest import MakeSession, converse

# Starting points of a card, of which the first learns next to nothing in its few steps.
POINTS: list[dict[str, Any]] = [
    {"learning_rate": 0.001, "max_depth": 1, "n_rounds": 10},
    {"learning_rate": 0.001, "max_depth": 2, "n_rounds": 10},
]


@pytest.fixture
def prepare(make_session: MakeSession) -> Any:
    def make(**fields: Any) -> Session:
        session = make_session(metric="log_loss", n_trials=50, **fields)
        knowledge = open_knowledge(session.directory.home, remembers=False)
        advise(session, open_advisor(session.directory.home, None, knowledge=knowledge))
        profile_dataset(converse(session))
        assign_expert(session, expert="xgboost", reason=".")
        return session

    return make


@pytest.mark.parametrize("early_stop", [True, False])
def test_candidates_that_cannot_win_are_left_out_unless_all_are_wanted(
    prepare: Any, early_stop: bool
) -> None:
    session = prepare(early_stop=early_stop)
    chosen = choose_first_trials(session, session.plans["xgboost"], POINTS)
    assert len(chosen) >= 3
    assert [point in chosen for point in POINTS] == [not early_stop] * 2
    assert bool(session.skipped) == early_stop
