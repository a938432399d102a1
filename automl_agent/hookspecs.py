"""Every extension point. A plugin implements those it needs and marks them with `hookimpl`.

Each hook returns values; nothing is passed in to be changed. A plugin is a module (or object) named
by an entry point of the group `automl_agent`. Importing it must be cheap: heavy packages belong
into scripts. What the package itself brings is registered through the same hooks.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from click import Command
    from pandas import DataFrame

    from automl_agent.cards.metric import Metric
    from automl_agent.chat_models.chat_model import ChatModelProvider
    from automl_agent.controllers.tools.tool import Tool
    from automl_agent.experts.expert import Expert
    from automl_agent.knowledge.encoding.encoder import Encoder
    from automl_agent.sandboxes.sandbox import Sandbox

PROJECT = "automl_agent"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_experts() -> "Sequence[Expert]":
    """The experts of this plugin; their cards also lie as static data in its package."""
    raise AssertionError


@hookspec
def register_metrics() -> "Sequence[Metric]":
    """Metrics beside the built-in ones."""
    raise AssertionError


@hookspec
def register_chat_models() -> "Sequence[ChatModelProvider]":
    """Providers of chat models, chosen by the part of `--controller` before the colon."""
    raise AssertionError


@hookspec
def register_sandboxes() -> "Sequence[Sandbox]":
    """Places where scripts run, chosen by `--sandbox`."""
    raise AssertionError


@hookspec
def register_encoders() -> "Sequence[Encoder]":
    """Encoders of texts beside the packaged one, chosen by the setting `knowledge.encoder`."""
    raise AssertionError


@hookspec
def register_tools() -> "Sequence[Tool]":
    """Tools that the controller may call beside the built-in ones."""
    raise AssertionError


@hookspec
def register_commands() -> "Sequence[Command]":
    """Commands of the `automl-agent` program beside the built-in ones."""
    raise AssertionError


@hookspec
def load_dataset(source: str) -> "DataFrame | None":
    """The table at a path or address, or None if this plugin does not know such sources."""
    raise AssertionError


@hookspec
def on_event(name: str, fields: Mapping[str, Any]) -> None:
    """Told of each event of a run: its name and plain JSON values."""
    raise AssertionError
