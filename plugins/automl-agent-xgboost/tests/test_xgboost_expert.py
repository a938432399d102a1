"""The expert `xgboost` keeps the contract of experts."""

import automl_agent_xgboost
import pytest

from automl_agent import Expert
from automl_agent.testing import ExpertContract


class TestXgboost(ExpertContract):
    @pytest.fixture
    def expert(self) -> Expert:
        (expert,) = automl_agent_xgboost.register_experts()
        return expert
