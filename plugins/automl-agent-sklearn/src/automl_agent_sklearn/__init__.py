"""Linear models, boosted trees and extra trees by scikit-learn as experts of automl-agent."""

from collections.abc import Sequence

from automl_agent import Expert, hookimpl, template_expert

_NAMES = ("linear", "hist-gradient-boosting", "extra-trees")


@hookimpl
def register_experts() -> Sequence[Expert]:
    """The experts `linear`, `hist-gradient-boosting` and `extra-trees`."""
    return tuple(
        template_expert(__name__, card=f"model_cards/{name}.json", templates=f"templates/{name}")
        for name in _NAMES
    )
