"""`automl-agent runs`: what was run."""

import time
from typing import Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.runs.conversation_lock import is_held
from automl_agent.runs.journal import Journal
from automl_agent.runs.journal_tables import OWNERS, TABLES
from automl_agent.runs.run_directory import choose_run, home_folder, journal_path
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.rendering import format_number, show_result, show_table
from automl_agent.ui.runs_explain import explain_run


@click.group()
def runs() -> None:
    """List, show and explain runs."""


runs.add_command(explain_run)


@runs.command("list")
@output_format
def list_runs(output_format: str) -> None:
    """All runs, the newest first."""
    with Journal(journal_path(home_folder())) as journal:
        rows = _list_runs(journal)
    if output_format == "json":
        print_json({"runs": [_summarise(row) for row in rows]})
    elif not rows:
        click.echo("There are no runs yet; start one: automl-agent run TABLE --target COLUMN")
    else:
        headers = ["run", "status", "started", "table", "target", "metric", "score"]
        show_table(headers, [_describe(row) for row in rows])


@runs.command("show")
@click.argument("run")
@output_format
def show_run(run: str, output_format: str) -> None:
    """What RUN (its id, or "last") was asked, did and delivered."""
    with Journal(journal_path(home_folder())) as journal:
        rows = {row["run_id"]: row for row in reversed(_list_runs(journal))}
        row = rows[choose_run(list(rows), run)]
        tables = {table: journal.list_rows(table, row[OWNERS[table]]) for table in TABLES}
    if output_format == "json":
        print_json({**row, **tables})
        return
    request = row["request"]
    click.echo(escape_unseen(f"Run {row['run_id']}: {row['status']}, started {_when(row)}"))
    click.echo(escape_unseen(f"Request: {request['table']}, target {request['target']}"))
    result = row["result"] or {}
    if "leaderboard" in result:
        show_result(result)
    else:
        click.echo(escape_unseen(result.get("error", "It has no result.")))
        _show_trials(tables["trials"])


def _list_runs(journal: Journal) -> list[dict[str, Any]]:
    """The journal's runs; one whose program was killed is "abandoned", not "started" for ever."""
    home = home_folder()
    return [
        row | {"status": "abandoned"}
        if row["ended"] is None and not is_held(home, row["conversation_id"])
        else row
        for row in journal.list_runs()
    ]


def _show_trials(trials: list[dict[str, Any]]) -> None:
    rows = []
    for trial in trials:
        outcome = trial["outcome"] or {}
        problem = outcome.get("message") or outcome.get("reason") or ""
        score = format_number(outcome.get("valid_score"))
        rows.append([trial["key"], trial["status"], score, problem.split("\n")[-1][:100]])
    show_table(["trial", "status", "validation score", "message"], rows)


def _describe(row: dict[str, Any]) -> list[str]:
    summary = _summarise(row)
    return [
        summary["run_id"],
        summary["status"],
        _when(row),
        summary["table"],
        summary["target"],
        summary["metric"] or "-",
        format_number(summary["score"]),
    ]


def _summarise(row: dict[str, Any]) -> dict[str, Any]:
    result = row["result"] or {}
    return {
        "run_id": row["run_id"],
        "status": row["status"],
        "started": row["started"],
        "ended": row["ended"],
        "table": row["request"]["table"],
        "target": row["request"]["target"],
        "metric": result.get("metric"),
        "score": result.get("score"),
    }


def _when(row: dict[str, Any]) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(row["started"]))
