"""The expert `neighbours` keeps the contract of experts."""

import automl_agent_neighbours
import pytest

from automl_agent import Expert
from automl_agent.testing import ExpertContract


class TestNeighbours(ExpertContract):
    @pytest.fixture
    def expert(self) -> Expert:
        (expert,) = automl_agent_neighbours.register_experts()
        return expert
