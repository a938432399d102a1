"""What plugin authors need for their tests."""

from automl_agent.testing.expert_contract import ExpertContract
from automl_agent.testing.scripted import ScriptedChatModel

__all__ = ["ExpertContract", "ScriptedChatModel"]
