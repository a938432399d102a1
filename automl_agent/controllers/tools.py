"""What a tool is, and the check of a call before anything is done."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from automl_agent.cards.documents import find_errors, load_schema
from automl_agent.chat_models.chat_model import ToolCall, ToolSpec
from automl_agent.controllers.session import Session
from automl_agent.errors import AutomlAgentError, ToolError, suggest
from automl_agent.plugins import BUILTIN


@dataclass(frozen=True)
class Tool:
    """A tool that the controller may call.

    parameters: a JSON Schema of an object, with which each call is validated.
    run: the session and the call's arguments → a JSON object.
    is_offered: whether the tool can be used in the session's present stage.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Callable[..., dict[str, Any]]
    is_offered: Callable[[Session], bool]

    def to_spec(self) -> ToolSpec:
        """The tool as a chat model sees it."""
        return ToolSpec(self.name, self.description, self.parameters)


def offered_tools(session: Session) -> list[Tool]:
    """The tools that can be used in the session's present stage."""
    return [tool for tool in session.plugins.tools.values() if _is_offered(tool, session)]


def _is_offered(tool: Tool, session: Session) -> bool:
    try:
        return tool.is_offered(session)
    except Exception:  # a plugin's tool that cannot say so is not offered
        if session.plugins.tools.distribution(tool.name) == BUILTIN:
            raise
        return False


def run_call(call: ToolCall, session: Session) -> dict[str, Any]:
    """What the tool returns.

    Raises: ToolError if the tool is unknown or not offered now, or the arguments do not fit.
    """
    offered = {tool.name: tool for tool in offered_tools(session)}
    if call.name not in offered:
        raise ToolError(
            f"The tool {call.name!r} cannot be called now.{suggest(call.name, offered)}"
        )
    tool = offered[call.name]
    check_arguments(tool, call.arguments)
    distribution = session.plugins.tools.distribution(call.name)
    if distribution == BUILTIN:
        return tool.run(session, **call.arguments)
    return _run_guarded(tool, call.arguments, session, distribution)


def _run_guarded(
    tool: Tool, arguments: Mapping[str, Any], session: Session, distribution: str
) -> dict[str, Any]:
    """As the tool's run; whatever a plugin's tool raises or returns, the controller can go on."""
    try:
        outcome = tool.run(session, **arguments)
        json.dumps(outcome)
    except AutomlAgentError:
        raise
    except Exception as exc:
        reason = f"{type(exc).__name__}: {exc}"
        raise ToolError(f"The tool {tool.name!r} of {distribution} failed with {reason}") from exc
    if not isinstance(outcome, dict):
        raise ToolError(f"The tool {tool.name!r} of {distribution} returned no JSON object.")
    return outcome


def check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Nothing, if the arguments fit the tool's schema.

    Raises: ToolError with what is wrong and the schema.
    """
    problem = next(find_errors(dict(arguments), tool.parameters), None)
    if problem is not None:
        schema = json.dumps(tool.parameters)
        raise ToolError(f"{tool.name}: {problem} The arguments' schema: {schema}")


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
