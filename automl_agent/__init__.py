"""AutoML-GPT as software: experts are plugins, a controller assigns tasks to them.

`Agent().run(data=frame, target="income")` trains a model; the other names are for plugins.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl_agent.agent import Agent as Agent
    from automl_agent.cards.data_card import DataCard as DataCard
    from automl_agent.cards.data_card import SplitRule as SplitRule
    from automl_agent.cards.metric import Metric as Metric
    from automl_agent.cards.model_card import ModelCard as ModelCard
    from automl_agent.chat_models.chat_model import ChatModel as ChatModel
    from automl_agent.chat_models.chat_model import ChatModelProvider as ChatModelProvider
    from automl_agent.chat_models.chat_model import Message as Message
    from automl_agent.chat_models.chat_model import Reply as Reply
    from automl_agent.chat_models.chat_model import ToolCall as ToolCall
    from automl_agent.chat_models.chat_model import ToolSpec as ToolSpec
    from automl_agent.controllers.tools.tool import Tool as Tool
    from automl_agent.errors import AutomlAgentError as AutomlAgentError
    from automl_agent.errors import PluginError as PluginError
    from automl_agent.errors import SandboxError as SandboxError
    from automl_agent.errors import ToolError as ToolError
    from automl_agent.errors import UserError as UserError
    from automl_agent.experts.expert import Expert as Expert
    from automl_agent.experts.expert import template_expert as template_expert
    from automl_agent.experts.plan import Plan as Plan
    from automl_agent.hookspecs import hookimpl as hookimpl
    from automl_agent.knowledge.encoding.encoder import Encoder as Encoder
    from automl_agent.result import Result as Result
    from automl_agent.sandboxes.sandbox import Sandbox as Sandbox
    from automl_agent.sandboxes.sandbox import SandboxOptions as SandboxOptions

_MODULES = {
    "Agent": "agent",
    "AutomlAgentError": "errors",
    "ChatModel": "chat_models.chat_model",
    "ChatModelProvider": "chat_models.chat_model",
    "DataCard": "cards.data_card",
    "Encoder": "knowledge.encoding.encoder",
    "Expert": "experts.expert",
    "Message": "chat_models.chat_model",
    "Metric": "cards.metric",
    "ModelCard": "cards.model_card",
    "Plan": "experts.plan",
    "PluginError": "errors",
    "Reply": "chat_models.chat_model",
    "Result": "result",
    "Sandbox": "sandboxes.sandbox",
    "SandboxError": "errors",
    "SandboxOptions": "sandboxes.sandbox",
    "SplitRule": "cards.data_card",
    "Tool": "controllers.tools.tool",
    "ToolCall": "chat_models.chat_model",
    "ToolError": "errors",
    "ToolSpec": "chat_models.chat_model",
    "UserError": "errors",
    "hookimpl": "hookspecs",
    "template_expert": "experts.expert",
}
__all__ = list(_MODULES)
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Names are imported when they are first used: `import automl_agent` itself stays fast.
    if name not in _MODULES:
        raise AttributeError(f"module 'automl_agent' has no attribute {name!r}")
    return getattr(import_module(f"automl_agent.{_MODULES[name]}"), name)
