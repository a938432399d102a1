from dataclasses import replace

import automl_agent_xgboost

from automl_agent import Expert, hookimpl


@hookimpl
def register_experts() -> list[Expert]:
    (expert,) = automl_agent_xgboost.register_experts()
    return [replace(expert, card=replace(expert.card, structure="Not the real one"))]
