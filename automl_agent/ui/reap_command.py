"""`automl-agent reap`: takes away what dead runs left."""

from contextlib import closing
from dataclasses import asdict

import click

from automl_agent.sandboxes.docker.engine import open_engine
from automl_agent.sandboxes.docker.reaper import reap as remove_orphans
from automl_agent.ui.options import output_format, print_json


@click.command()
@output_format
def reap(output_format: str) -> None:
    """Remove containers of runs that were killed; those of living runs and of others stay.

    It also happens by itself whenever a run starts its first container.
    """
    with closing(open_engine()) as client:
        removed = remove_orphans(client)
    if output_format == "json":
        print_json({"removed": [asdict(container) for container in removed]})
        return
    for container in removed:
        click.echo(f"Removed {container.name}: {container.reason}.")
    if not removed:
        click.echo("Nothing is left of dead runs.")
