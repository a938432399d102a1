"""What a session makes of the packaged knowledge: which settings are worth a trial."""

from dataclasses import replace
from typing import Any

import pytest

from automl_agent.controllers.conversation.advising import (
    advise,
    choose_first_trials,
    make_question,
    propose_settings,
)
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.tools.planning import assign_expert
from automl_agent.controllers.tools.profiling import profile_dataset
from automl_agent.knowledge.advisor import open_advisor
from automl_agent.knowledge.knowledge import open_knowledge

from ..conftest import MakeSession, converse

# Starting points of a card; but for the first two they learn next to nothing in their few steps.
POINTS: list[dict[str, Any]] = [
    {"learning_rate": 0.1, "max_depth": 3, "n_rounds": 100},
    {"learning_rate": 0.1, "max_depth": 6, "n_rounds": 50},
    {"learning_rate": 0.001, "max_depth": 1, "n_rounds": 10},
    {"learning_rate": 0.001, "max_depth": 2, "n_rounds": 10},
]


@pytest.fixture
def prepare(make_session: MakeSession) -> Any:
    def make(**fields: Any) -> Session:
        session = make_session(**{"metric": "log_loss", "n_trials": 50, **fields})
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
    assert [point in chosen for point in POINTS[2:]] == [not early_stop] * 2
    assert bool(session.skipped) == early_stop


def test_tuning_begins_with_the_plans_settings_and_the_experts_first_points(prepare: Any) -> None:
    session = prepare()
    plan = session.plans["xgboost"]
    assert choose_first_trials(session, plan, POINTS)[:3] == [plan.settings, *POINTS[:2]]
    again = replace(plan, settings=POINTS[0])
    assert choose_first_trials(session, again, POINTS).count(POINTS[0]) == 1


def test_with_one_trial_left_the_others_are_left_out_and_told(prepare: Any) -> None:
    session = prepare(n_trials=1)
    plan = session.plans["xgboost"]
    assert choose_first_trials(session, plan, POINTS) == [plan.settings, *POINTS[:2]]
    assert session.skipped
    assert all(one["reason"].endswith("; no trial is left for it") for one in session.skipped)


def test_where_time_is_short_a_plan_begins_with_settings_that_take_little(prepare: Any) -> None:
    patient, hasty = prepare(time_s=3600.0), prepare(time_s=0.5)
    model = patient.plans["xgboost"].model_card
    transfer, question = propose_settings(patient, model), make_question(patient, model)
    assert transfer is not None and question is not None
    seconds = [
        patient.advisor.predict(question, candidate.settings).combined.seconds
        for candidate in transfer.candidates
    ]
    assert patient.plans["xgboost"].settings == transfer.candidates[0].settings
    least = transfer.candidates[seconds.index(min(seconds))]
    assert min(seconds) < seconds[0]
    assert hasty.plans["xgboost"].settings == least.settings
