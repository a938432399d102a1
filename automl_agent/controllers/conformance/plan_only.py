"""What lets a controller plan and never train: for tests of how it keeps the contract."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.tools.tool import Tool
from automl_agent.errors import SandboxError, ToolError
from automl_agent.experts.registry import Registry
from automl_agent.plugins import Plugins
from automl_agent.sandboxes.sandbox import SandboxOptions, StepEnd, StepSpec

NOTHING_TRAINED = (
    "The plan {plan_id} is complete and is kept; nothing is trained this time. Begin the tasks of "
    "the request that are still missing, if there are any; else call finish."
)


class IdleSandbox:
    """Takes steps and runs nothing."""

    name = "idle"
    is_container = False

    def find_problem(self, options: SandboxOptions) -> str | None:
        """None: it can always be used."""
        del options
        return None

    def start(self, spec: StepSpec) -> "_IdleStep":
        """A step that waits until it is stopped."""
        del spec
        return _IdleStep()


class _IdleStep:
    def __init__(self) -> None:
        self._end: StepEnd | None = None

    def poll(self) -> StepEnd | None:
        return self._end

    def output_tail(self) -> str:
        return ""

    def stop(self) -> None:
        self._end = StepEnd("killed")

    def collect(self, job_id: str, destination: Path) -> None:
        raise SandboxError(f"Nothing was run, so there is no model of job {job_id}.")

    def discard(self) -> None:
        pass


def forbid_training(plugins: Plugins) -> Plugins:
    """The same plugins, but a call of `train` only checks that the plans are complete."""
    tools: Registry[Any] = Registry(plugins.tools.kind)
    for name, tool in plugins.tools.items():
        kept = _refuse_to_train(tool) if name == "train" else tool
        tools.add(name, kept, distribution=plugins.tools.distribution(name))
    return replace(plugins, tools=tools)


def is_refusal(fields: Mapping[str, Any]) -> bool:
    """Whether an event `tool_returned` is of a call of `train` with which nothing was wrong."""
    plan_id = str(fields["arguments"].get("plan_id"))
    error = fields["outcome"].get("error")
    return bool(fields["name"] == "train" and error == NOTHING_TRAINED.format(plan_id=plan_id))


def _refuse_to_train(tool: Tool) -> Tool:
    def train(conversation: Conversation, *, plan_id: str) -> dict[str, Any]:
        session = conversation.route({"plan_id": plan_id})
        session.pass_gate()
        raise ToolError(NOTHING_TRAINED.format(plan_id=plan_id))

    def may_train(conversation: Conversation) -> bool:
        return any(tool.is_offered(session) for session in conversation.tasks.values())

    return replace(tool, run=train, is_offered=may_train, scope="conversation")
