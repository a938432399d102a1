"""What a tool is, and the check of a call before anything is done."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from automl_agent.cards.documents import find_errors, load_schema
from automl_agent.chat_models.chat_model import ToolCall, ToolSpec
from automl_agent.configuration.setting import Privacy
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.privacy import mask_strange_text
from automl_agent.errors import AutomlAgentError, HangUp, ToolError, suggest
from automl_agent.plugins import BUILTIN

# What a plugin's tool may tell the controller in one result.
_MAX_OUTCOME = 50_000
_MAX_REASON = 500


@dataclass(frozen=True)
class Tool:
    """A tool that the controller may call.

    parameters: a JSON Schema of an object, with which each call is validated.
    run: the session of a task and the call's arguments → a JSON object.
    is_offered: whether the tool can be used in the present stage of a task's session.
    scope: "conversation" for a tool whose `run` and `is_offered` take the whole conversation. The
    others are called for one task, told by task_id, plan_id or trial_id if there are several.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Callable[..., dict[str, Any]]
    is_offered: Callable[[Any], bool]
    scope: Literal["task", "conversation"] = "task"

    def to_spec(self, *, is_offered: bool = True) -> ToolSpec:
        """The tool as a chat model sees it."""
        return ToolSpec(self.name, self.description, self.parameters, is_offered)


def tool_specs(conversation: Conversation) -> list[ToolSpec]:
    """Every tool, in an order that never changes, and whether it can be called now."""
    offered = set(offered_names(conversation))
    return [tool.to_spec(is_offered=tool.name in offered) for tool in _trusted_tools(conversation)]


def offered_names(conversation: Conversation) -> list[str]:
    """The names of the tools that can be called now, for one task or another."""
    return [
        tool.name
        for tool in _trusted_tools(conversation)
        if any(_is_offered(tool, place, conversation) for place in _places(tool, conversation))
    ]


def run_call(call: ToolCall, conversation: Conversation) -> dict[str, Any]:
    """What the tool returns.

    Raises: ToolError if the tool is unknown or not offered now, or the arguments do not fit.
    """
    tools = conversation.workplace.plugins.tools
    offered = offered_names(conversation)
    if call.name not in offered:
        raise ToolError(
            f"The tool {call.name!r} cannot be called now.{suggest(call.name, offered)}"
        )
    tool = tools[call.name]
    if call.problem:
        raise ToolError(f"{call.name}: {call.problem} {_describe_schema(tool)}")
    arguments = dict(call.arguments)
    place: Any = conversation
    if tool.scope == "task":
        check_arguments(tool, _without_own_routing(tool, arguments))
        place = conversation.route(arguments)
        if not _is_offered(tool, place, conversation):
            raise ToolError(f"The tool {call.name!r} cannot be called for {place.task_id} now.")
        arguments.pop("task_id", None)
    else:
        check_arguments(tool, arguments)
    distribution = tools.distribution(call.name)
    if distribution == BUILTIN:
        outcome: dict[str, Any] = tool.run(place, **arguments)
        return outcome
    try:
        return _run_guarded(tool, arguments, place, distribution, conversation.privacy)
    except ToolError as exc:
        # A plugin that failed may tell what it met in the data.
        raise ToolError(conversation.mask(str(exc), call)) from exc


def _trusted_tools(conversation: Conversation) -> list[Tool]:
    workplace = conversation.workplace
    return [
        tool for name, tool in workplace.plugins.tools.items() if name not in workplace.withheld
    ]


def _places(tool: Tool, conversation: Conversation) -> list[Any]:
    """What a tool can be called for."""
    if tool.scope == "conversation":
        return [conversation]
    # A finished task can still be looked at.
    return list(conversation.tasks.values())


def _is_offered(tool: Tool, place: Any, conversation: Conversation) -> bool:
    try:
        return tool.is_offered(place)
    except Exception:  # a plugin's tool that cannot say so is not offered
        if conversation.workplace.plugins.tools.distribution(tool.name) == BUILTIN:
            raise
        return False


def _without_own_routing(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the tool's schema is about: a plugin's need not know of tasks."""
    is_known = "task_id" in tool.parameters.get("properties", {})
    return {k: v for k, v in arguments.items() if is_known or k != "task_id"}


def _run_guarded(
    tool: Tool,
    arguments: Mapping[str, Any],
    place: Any,
    distribution: str,
    privacy: Privacy,
) -> dict[str, Any]:
    """As the tool's run; whatever a plugin's tool raises or returns, the controller can go on."""
    try:
        outcome = tool.run(place, **arguments)
        size = len(json.dumps(outcome))
    except (AutomlAgentError, HangUp):
        raise
    except (Exception, SystemExit) as exc:
        text = mask_strange_text(f"{type(exc).__name__}: {exc}"[:_MAX_REASON], (), privacy)
        raise ToolError(f"The tool {tool.name!r} of {distribution} failed with {text}") from exc
    if not isinstance(outcome, dict):
        raise ToolError(f"The tool {tool.name!r} of {distribution} returned no JSON object.")
    if size > _MAX_OUTCOME:
        raise ToolError(
            f"The tool {tool.name!r} of {distribution} returned {size} characters; "
            f"{_MAX_OUTCOME} are allowed."
        )
    return outcome


def check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Nothing, if the arguments fit the tool's schema.

    Raises: ToolError with what is wrong and the schema.
    """
    problem = next(find_errors(dict(arguments), tool.parameters), None)
    if problem is not None:
        raise ToolError(f"{tool.name}: {problem} {_describe_schema(tool)}")


def _describe_schema(tool: Tool) -> str:
    return f"The arguments' schema: {json.dumps(tool.parameters)}"


@cache
def builtin_parameters(name: str) -> dict[str, Any]:
    """The schema of a built-in tool's arguments, with its references resolved."""
    definitions: Any = load_schema("tool_arguments")["$defs"]
    schema = json.loads(json.dumps(definitions[name]))
    for key, value in schema.get("properties", {}).items():
        reference = value.get("$ref", "")
        if reference:
            schema["properties"][key] = definitions[reference.rpartition("/")[2]]
    return dict(schema)
