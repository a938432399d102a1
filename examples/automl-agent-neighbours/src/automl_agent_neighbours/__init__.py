"""Nearest neighbours as an expert of automl-agent."""

from collections.abc import Sequence

from automl_agent import Expert, hookimpl, template_expert


@hookimpl
def register_experts() -> Sequence[Expert]:
    """The expert `neighbours`."""
    return (template_expert(__name__),)
