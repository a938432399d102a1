"""`automl-agent runs explain`: why the parts of a run ended as they did."""

from dataclasses import asdict
from typing import Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.runs.explanation import (
    MAX_SAID_CHARACTERS,
    Explanation,
    explain_steps,
    explain_trials,
)
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import choose_run, home_folder, journal_path
from automl_agent.ui.options import output_format, print_json

_MAX_LINE_CHARACTERS = 400
_MAX_SAID_LINES = 10


@click.command("explain")
@click.argument("run")
@output_format
def explain_run(run: str, output_format: str) -> None:
    """Which limit ended each step and trial of RUN (its id, or "last"), and what to do."""
    with Journal(journal_path(home_folder())) as journal:
        rows = {row["run_id"]: row for row in reversed(journal.list_runs())}
        row = rows[choose_run(list(rows), run)]
        steps, trials = (journal.list_rows(name, row["run_id"]) for name in ("steps", "trials"))
    troubles = [*explain_steps(steps), *explain_trials(trials, steps)]
    error = str((row["result"] or {}).get("error") or "")
    counts = {
        "steps": len(steps),
        "trials": len(trials),
        "ended_well": len(steps) + len(trials) - len(troubles),
    }
    if output_format == "json":
        document: dict[str, Any] = {"run_id": row["run_id"], "status": row["status"], **counts}
        print_json({**document, "error": error, "troubles": [asdict(t) for t in troubles]})
        return
    _say(f"Run {row['run_id']}: {row['status']}.{f' {error}' if error else ''}")
    for trouble in troubles:
        _show(trouble)
    if troubles:
        click.echo(f"\n{counts['ended_well']} other steps and trials ended well.")
    else:
        click.echo(f"It had no trouble: {len(steps)} steps and {len(trials)} trials ended well.")


def _show(trouble: Explanation) -> None:
    click.echo()
    _say(f"{trouble.kind} {trouble.key}: {trouble.limit}. {trouble.sentence}")
    if trouble.evidence:
        _say(f"  Evidence: {'; '.join(trouble.evidence)}.")
    lines = trouble.said[-MAX_SAID_CHARACTERS:].strip().splitlines()
    if lines and trouble.said.strip() != trouble.sentence:
        click.echo("  It said:")
        for line in lines[-_MAX_SAID_LINES:]:
            _say(f"    | {line}")
    _say(f"  Next: {trouble.next_step}")


def _say(line: str) -> None:
    """A line that may hold what a script printed: shown inert, and not longer than a screen."""
    click.echo(escape_unseen(line[: 2 * _MAX_LINE_CHARACTERS])[: 3 * _MAX_LINE_CHARACTERS])
