"""What the package itself registers, through the same hooks as any plugin."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.cards.tables import read_table
from automl_agent.chat_models.chat_model import ChatModelProvider
from automl_agent.controllers.planner.planner import Planner
from automl_agent.controllers.tools.closing import CLOSING_TOOLS
from automl_agent.controllers.tools.planning import PLANNING_TOOLS
from automl_agent.controllers.tools.profiling import PROFILING_TOOL
from automl_agent.controllers.tools.tool import Tool
from automl_agent.controllers.tools.training import TRAINING_TOOLS
from automl_agent.hookspecs import hookimpl
from automl_agent.installed_requirements import installed_requirements
from automl_agent.knowledge.encoding.encoder import Encoder
from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.image.build import image_name
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.sandbox import Sandbox
from automl_agent.training.scoring import BUILTIN_METRICS

if TYPE_CHECKING:
    from pandas import DataFrame


@hookimpl
def register_metrics() -> Sequence[Metric]:
    """Scores for classification and regression."""
    return BUILTIN_METRICS


@hookimpl
def register_chat_models() -> Sequence[ChatModelProvider]:
    """The planner."""
    return (ChatModelProvider("planner", lambda _model: Planner()),)


@hookimpl
def register_sandboxes() -> Sequence[Sandbox]:
    """The Docker and the process sandbox."""
    return (DockerSandbox(find_image), ProcessSandbox())


def find_image(variant: str) -> str:
    """The name of the image with the packages that the installed experts declare."""
    return image_name(installed_requirements(), "gpu" if variant == "gpu" else "cpu")


@hookimpl
def register_encoders() -> Sequence[Encoder]:
    """The one that comes with the package."""
    return (PackagedEncoder(),)


@hookimpl
def register_tools() -> Sequence[Tool]:
    """The tools of the contract."""
    return (PROFILING_TOOL, *PLANNING_TOOLS, *TRAINING_TOOLS, *CLOSING_TOOLS)


def read_builtin_table(source: str) -> "DataFrame":
    """The table in a CSV or Parquet file, asked for after every plugin's `load_dataset`."""
    return read_table(Path(source).expanduser())
