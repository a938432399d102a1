"""`automl-agent config test-model`: whether a chat model will do as a controller."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.errors import InputError, SetupError
from automl_agent.ui.options import output_format, print_json, warn_of_failures
from automl_agent.ui.rendering import show_table

if TYPE_CHECKING:
    from automl_agent.agent import Agent
    from automl_agent.controllers.conformance.conformance import Examiner, Graded

_INTERRUPTED = 130


@click.command("test-model")
@click.argument("name", metavar="NAME[:MODEL]")
@click.option("--requests", "n_requests", type=click.IntRange(1), help="Only the first so many.")
@click.option("--budget-usd", type=float, help="The most that the test may cost.")
@output_format
def test_model(
    name: str, n_requests: int | None, budget_usd: float | None, output_format: str
) -> int:
    """Test whether the chat model NAME will do as a controller.

    It plans 20 requests about small tables that come with scikit-learn; nothing is trained, and
    nothing is kept. Ctrl-C shows what was measured so far.
    """
    from automl_agent.agent import Agent
    from automl_agent.controllers.conformance.verdict import WILL_NOT_DO, summarise

    if budget_usd is not None and budget_usd <= 0:
        raise InputError(f"--budget-usd {budget_usd:g} buys nothing; give more than 0.")
    with tempfile.TemporaryDirectory(prefix="automl-agent-test-") as home:
        agent = Agent(home=home, controller=name, budget_usd=budget_usd)
        warn_of_failures(agent.plugins.failures)
        graded, n_planned, stopped = _examine(agent, Path(home), n_requests)
        model = agent.find_chat_model(agent.configuration.controller).traits.name
    document = summarise(model, graded, n_planned=n_planned, stopped=stopped)
    if output_format == "json":
        print_json(document)
    else:
        _show(document)
    if stopped == "interrupted":
        return _INTERRUPTED
    return 1 if document["verdict"] == WILL_NOT_DO else 0


def _examine(agent: "Agent", home: Path, n_requests: int | None) -> "tuple[list[Graded], int, str]":
    """The graded requests, how many were planned, and why not all of them were made, or ""."""
    from automl_agent.controllers.conformance.cases import list_cases, write_tables
    from automl_agent.controllers.conformance.conformance import Examiner
    from automl_agent.controllers.purse import Purse
    from automl_agent.runs.journal import Journal
    from automl_agent.runs.run_directory import journal_path

    configuration = agent.configuration
    cases = list_cases(list(agent.plugins.experts.values()))[:n_requests]
    tables = home / "tables"
    tables.mkdir()
    write_tables(tables)
    with Journal(journal_path(home)) as journal:
        examiner = Examiner(
            agent.find_chat_model(configuration.controller),
            agent.plugins,
            home,
            journal,
            purse=Purse(configuration.budget_usd, configuration.budget_tokens),
        )
        graded: list[Graded] = []
        stopped = _collect(
            [partial(examiner.examine, case, tables) for case in cases],
            graded,
            examiner,
        )
    return graded, len(cases), stopped


def _collect(
    steps: "list[Callable[[], Graded]]", graded: "list[Graded]", examiner: "Examiner"
) -> str:
    """Add what each step gives, and tell of it; returns why it stopped, or "".

    Raises: SetupError if the model cannot be asked at all; KeyboardInterrupt before the first.
    """
    for step in steps:
        try:
            one = step()
        except KeyboardInterrupt:
            if not graded:
                raise
            return "interrupted"
        if examiner.outage:
            if not graded:
                raise SetupError(examiner.outage)
            return examiner.outage
        graded.append(one)
        _tell(one, len(graded), len(steps))
    return ""


def _tell(one: "Graded", number: int, n_planned: int) -> None:
    helped = ", right with the planner's help" if one.helped.is_right else ""
    verdict = "right" if one.alone.is_right else f"wrong{helped}"
    n_tokens = one.input_tokens + one.output_tokens
    tokens = f", {n_tokens} tokens" if n_tokens else ""
    line = f"{number}/{n_planned} {one.case.case_id}: {verdict}, {one.seconds:.1f} s{tokens}"
    click.echo(escape_unseen(line), err=True)


def _show(document: dict[str, Any]) -> None:
    wrong = [row for row in document["requests"] if not row["is_right"]]
    if wrong:
        headers = ["request", "words", "planned", "why it ended"]
        show_table(headers, [_describe_wrong(row) for row in wrong])
    n = document["n_requests"]
    cost = document["cost_usd"]
    price = "unknown price" if cost is None else f"{cost:.4f} USD"
    if document["stopped"]:
        text = f"Stopped after {n} of {document['n_requests_planned']}: {document['stopped']}"
        click.echo(escape_unseen(text))
    click.echo(f"Right target:   {document['n_right_target']} of {n}")
    click.echo(f"Right expert:   {document['n_right_expert']} of {n}")
    click.echo(f"Declined:       {document['n_declined']} of {document['n_impossible']} impossible")
    click.echo(f"Calls:          {document['n_calls']}, {document['n_repairs']} of them repairs")
    tokens = f"{document['input_tokens'] // n} in, {document['output_tokens'] // n} out"
    click.echo(f"Per request:    {tokens}, {document['seconds'] / n:.1f} s; in all {price}")
    for reason in document["reasons"]:
        click.echo(f"- {reason}")
    click.echo(escape_unseen(f"{document['model']}: {document['verdict']}"))


def _describe_wrong(row: dict[str, Any]) -> list[str]:
    planned = "; ".join(f"{task['target']} of {task['table']}" for task in row["planned"])
    return [row["request"], row["words"], planned or "nothing", row["ended"][:200]]
