"""`automl-agent doctor`: what is there, what is missing, and the remedy."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from automl_agent.errors import SetupError
from automl_agent.experts.requirements import describe_installation, find_missing
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import home_folder, journal_path
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.ui.capability_table import describe_capabilities, show_capabilities
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.rendering import show_table

MIN_FREE_GIB = 1.0
MIN_MEMORY_MIB = 1024


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    remedy: empty if all is well; of what is fine, what would make it better.
    """

    what: str
    is_fine: bool
    text: str
    remedy: str = ""


@click.command()
@output_format
def doctor(output_format: str) -> int:
    """Say what is there, what is missing, and the remedy. Exit code 1 if something is missing."""
    findings = list(examine())
    sandbox = describe_capabilities()
    is_fine = all(finding.is_fine for finding in findings) and not sandbox.is_lacking
    if output_format == "json":
        listed = [asdict(finding) for finding in findings]
        print_json({"ok": is_fine, "findings": listed, "docker": sandbox.to_json()})
    else:
        rows = [["ok" if f.is_fine else "MISSING", f.what, f.text, f.remedy] for f in findings]
        show_table(["", "what", "found", "remedy"], rows)
        show_capabilities(sandbox)
        click.echo("All is well." if is_fine else "Something is missing; see the remedies.")
    return 0 if is_fine else 1


def examine() -> Iterator[Finding]:
    """Everything that a run needs, one finding each."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding(
        "Python",
        sys.version_info >= (3, 11),
        python,
        "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer.",
    )
    yield from _examine_state()
    yield from _examine_machine()
    yield from _examine_plugins()


def _examine_state() -> Iterator[Finding]:
    home = home_folder()
    try:
        with Journal(journal_path(home)):
            pass
    except SetupError as exc:
        yield Finding("state", False, str(home), str(exc))
        return
    yield Finding("state", True, str(home))
    free_gib = shutil.disk_usage(home).free / 2**30
    remedy = "" if free_gib >= MIN_FREE_GIB else f"Free at least {MIN_FREE_GIB:g} GiB there."
    yield Finding("disk", not remedy, f"{free_gib:.1f} GiB free", remedy)


def _examine_machine() -> Iterator[Finding]:
    from automl_agent.sandboxes.resources import available_resources

    resources = available_resources()
    remedy = "" if resources.memory_mib >= MIN_MEMORY_MIB else "Close programs, or add memory."
    text = f"{resources.cpus} processors, {resources.memory_mib} MiB of memory for trainings"
    yield Finding("machine", not remedy, text, remedy)


def _examine_plugins() -> Iterator[Finding]:
    from automl_agent.agent import load_all_plugins

    plugins = load_all_plugins()
    sandboxes = plugins.sandboxes.items()
    problems = {name: sandbox.find_problem(SandboxOptions()) for name, sandbox in sandboxes}
    for name, problem in problems.items():
        # The scripts of installed experts need no more than one sandbox.
        is_fine = problem is None or None in problems.values()
        text = "usable" if problem is None else "not there" if is_fine else "not usable"
        yield Finding(f"sandbox {name}", is_fine, text, problem or "")
    for failure in plugins.failures:
        yield Finding(f"plugin {failure.distribution}", False, failure.reason, failure.remedy)
    if not plugins.experts:
        yield Finding("experts", False, "none", "pip install automl-agent-xgboost")
    for name, expert in plugins.experts.items():
        missing = find_missing(expert.card.requirements)
        text = "; ".join(problem for _, problem in missing)
        text = text or f"from {plugins.experts.distribution(name)}"
        remedy = describe_installation(missing) if missing else ""
        yield Finding(f"expert {name}", not missing, text, remedy)
