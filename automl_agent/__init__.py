"""AutoML-GPT as software: experts are plugins, a controller assigns tasks to them.

`Agent().run(data=frame, target="income")` trains a model; the other names are for plugins.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl_agent.agent import Agent
    from automl_agent.cards.data_card import DataCard, SplitRule
    from automl_agent.cards.metric import Metric
    from automl_agent.cards.model_card import ModelCard
    from automl_agent.controllers.chat_model import (
        ChatModel,
        ChatModelProvider,
        Message,
        Reply,
        ToolCall,
        ToolSpec,
    )
    from automl_agent.controllers.tools import Tool
    from automl_agent.errors import (
        AutomlAgentError,
        PluginError,
        SandboxError,
        ToolError,
        UserError,
    )
    from automl_agent.experts.expert import Expert, template_expert
    from automl_agent.experts.plan import Plan
    from automl_agent.hookspecs import hookimpl
    from automl_agent.result import Result
    from automl_agent.sandboxes.sandbox import Sandbox

_MODULES = {
    "Agent": "agent",
    "AutomlAgentError": "errors",
    "ChatModel": "controllers.chat_model",
    "ChatModelProvider": "controllers.chat_model",
    "DataCard": "cards.data_card",
    "Expert": "experts.expert",
    "Message": "controllers.chat_model",
    "Metric": "cards.metric",
    "ModelCard": "cards.model_card",
    "Plan": "experts.plan",
    "PluginError": "errors",
    "Reply": "controllers.chat_model",
    "Result": "result",
    "Sandbox": "sandboxes.sandbox",
    "SandboxError": "errors",
    "SplitRule": "cards.data_card",
    "Tool": "controllers.tools",
    "ToolCall": "controllers.chat_model",
    "ToolError": "errors",
    "ToolSpec": "controllers.chat_model",
    "UserError": "errors",
    "hookimpl": "hookspecs",
    "template_expert": "experts.expert",
}
__all__ = list(_MODULES)  # one list of the names, not two
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Names are imported when they are first used: `import automl_agent` itself stays fast.
    if name not in _MODULES:
        raise AttributeError(f"module 'automl_agent' has no attribute {name!r}")
    return getattr(import_module(f"automl_agent.{_MODULES[name]}"), name)
