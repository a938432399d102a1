"""The capability matrix of the Docker sandbox, for `automl-agent doctor`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.errors import AutomlAgentError
from automl_agent.runs.run_directory import home_folder
from automl_agent.ui.rendering import show_table

if TYPE_CHECKING:
    from automl_agent.sandboxes.docker.capabilities import Capability


@dataclass(frozen=True)
class DockerReport:
    """What a container can be held to here.

    problem: why nothing could be measured, with the remedy; empty if it could.
    """

    capabilities: "tuple[Capability, ...]" = ()
    problem: str = ""

    @property
    def is_lacking(self) -> bool:
        """Whether a mandatory limit does not hold on an engine that is there."""
        return any(capability.state == "MISSING" for capability in self.capabilities)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        rows = [capability.to_json() for capability in self.capabilities]
        return {"problem": self.problem, "capabilities": rows}


def describe_capabilities() -> DockerReport:
    """The matrix, measured on the engine if one answers and the image is there."""
    from automl_agent.builtin_plugin import find_image
    from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
    from automl_agent.sandboxes.docker.matrix import PROBE_OPTIONS, measure_capabilities

    sandbox = DockerSandbox(find_image)
    try:
        problem = sandbox.find_problem(PROBE_OPTIONS)
        if problem:
            return DockerReport(problem=problem)
        return DockerReport(tuple(measure_capabilities(sandbox, home_folder())))
    except (AutomlAgentError, OSError) as exc:
        return DockerReport(problem=str(exc))


def show_capabilities(report: DockerReport) -> None:
    """The matrix as a table, or a line that says why there is none."""
    if report.problem:
        click.echo(escape_unseen(f"Docker: nothing was measured. {report.problem}"))
        return
    rows = [
        [str(c.row.number), c.state, c.row.name, c.row.what, c.found, c.remedy]
        for c in report.capabilities
    ]
    click.echo("What the Docker sandbox enforces here (rows of docs/sandbox.md):")
    show_table(["row", "", "limit", "what", "found", "remedy"], rows)
