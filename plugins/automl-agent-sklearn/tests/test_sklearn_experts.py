"""The experts of automl-agent-sklearn keep the contract of experts."""

import automl_agent_sklearn
import pytest

from automl_agent import Expert
from automl_agent.testing import ExpertContract

EXPERTS = {expert.card.name: expert for expert in automl_agent_sklearn.register_experts()}


class TestLinear(ExpertContract):
    @pytest.fixture
    def expert(self) -> Expert:
        return EXPERTS["linear"]


class TestHistGradientBoosting(ExpertContract):
    @pytest.fixture
    def expert(self) -> Expert:
        return EXPERTS["hist-gradient-boosting"]


class TestExtraTrees(ExpertContract):
    @pytest.fixture
    def expert(self) -> Expert:
        return EXPERTS["extra-trees"]
