"""A task that has ended can be looked at, and nothing more is planned or trained for it."""

import pytest

from automl_agent.chat_models.chat_model import ToolCall
from automl_agent.controllers.conversation.workplace import end_run
from automl_agent.controllers.tools.tool import offered_names, run_call
from automl_agent.errors import ToolError

from ..conftest import MakeSession, converse


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_experts", {}),
        ("assign_expert", {"expert": "linear", "reason": "It is small."}),
        ("write_script", {"plan_id": "linear", "script": "model.py"}),
        ("set_hyperparameters", {"plan_id": "linear", "settings": {}}),
        ("predict_training_log", {"plan_id": "linear"}),
        ("train", {"plan_id": "linear"}),
        ("tune", {"plan_id": "linear", "n_trials": 1}),
    ],
)
def test_a_call_for_a_task_that_has_ended_is_answered_by_an_error(
    make_session: MakeSession, name: str, arguments: dict[str, object]
) -> None:
    session = make_session()
    conversation = converse(session)
    run_call(ToolCall("a", "profile_dataset", {}), conversation)
    run_call(ToolCall("b", "assign_expert", {"expert": "linear", "reason": "."}), conversation)
    for script in ("data_processing.py", "model.py"):
        given = {"plan_id": "linear", "script": script}
        run_call(ToolCall("c", "write_script", given), conversation)
    run_call(ToolCall("d", "predict_training_log", {"plan_id": "linear"}), conversation)
    end_run(session, "failed", "It went nowhere.")
    assert not session.directory.root.exists()
    assert name not in offered_names(conversation)
    with pytest.raises(ToolError, match="cannot be called now"):
        run_call(ToolCall("e", name, arguments), conversation)
