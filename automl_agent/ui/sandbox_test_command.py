"""`automl-agent sandbox test`: attacks the sandbox on this machine, and says what held."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from automl_agent.errors import SetupError
from automl_agent.sandboxes.battery.battery import PROBES, run_battery, small_policy
from automl_agent.sandboxes.battery.probe import Finding, Probe
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.rendering import show_table

_MAX_FOUND_CHARACTERS = 160


@click.command("test")
@click.option("--runtime", default="", help="The container runtime, such as runsc.")
@click.option(
    "--allow-degraded",
    multiple=True,
    metavar="LIMIT",
    help="Do without a limit that the engine cannot enforce; may be repeated.",
)
@output_format
def test(output_format: str, runtime: str, allow_degraded: tuple[str, ...]) -> int:
    """Attack the sandbox from inside. Exit code 1 if something is broken.

    It takes about half a minute, and at its end no container of it is left.
    """
    from automl_agent.installed_requirements import installed_requirements
    from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
    from automl_agent.sandboxes.image.build import image_name

    options = SandboxOptions(runtime=runtime, allow_degraded=allow_degraded)
    policy = small_policy(runtime)
    sandbox = DockerSandbox(lambda _: image_name(installed_requirements()), policy=policy)
    problem = sandbox.find_problem(options)
    if problem:
        raise SetupError(f"The sandbox cannot be tested: {problem}")
    findings = run_battery(sandbox, policy, options=options, on_start=_show_progress)
    _clear_progress()
    _show_findings(findings, output_format)
    return 0 if all(finding.held for finding in findings) else 1


def _show_findings(findings: Sequence[Finding], output_format: str) -> None:
    n_held = sum(finding.held for finding in findings)
    if output_format == "json":
        print_json(
            {
                "ok": n_held == len(findings),
                "n_held": n_held,
                "n_broken": len(findings) - n_held,
                "probes": [asdict(finding) for finding in findings],
            }
        )
        return
    rows = [[f.name, f.tries, f.found[:_MAX_FOUND_CHARACTERS], f.verdict] for f in findings]
    show_table(["id", "what was tried", "what happened", "verdict"], rows)
    if n_held == len(findings):
        click.echo(f"All {n_held} probes held.")
    else:
        broken = ", ".join(finding.name for finding in findings if not finding.held)
        click.echo(f"BROKEN: {broken}. {n_held} of {len(findings)} probes held.")


def _show_progress(probe: Probe, position: int) -> None:
    if sys.stderr.isatty():
        line = f"{position + 1}/{len(PROBES)} {probe.name}: {probe.tries}"
        click.echo(f"\r\x1b[K{line}", nl=False, err=True)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
