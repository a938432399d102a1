"""Commands that show something and change nothing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.paragraph import render_paragraph
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.purse import Purse
from automl_agent.errors import InputError, UnknownNameError
from automl_agent.experts.plan import Plan
from automl_agent.runs.run_directory import choose_run
from automl_agent.training.training_log import LogRecord, read_log
from automl_agent.ui.rendering import format_number
from automl_agent.ui.repl.command import Command, run_program_command, take_one
from automl_agent.ui.repl.curve import draw_plot
from automl_agent.ui.repl.live import PLOT_HEIGHT, plot_width
from automl_agent.ui.repl.logged_trials import LoggedTrial, find_best, list_trials
from automl_agent.ui.repl.outcome_view import show_delivery, show_predictions

if TYPE_CHECKING:
    from automl_agent.ui.repl.repl import Repl

_N_LOG_ROWS = 12


def show_plan(repl: "Repl", words: list[str]) -> None:
    """The prompt paragraphs of the current plans, or of one."""
    name = take_one("plan", words)
    plans = current_plans(repl)
    if not plans:
        raise InputError("There is no plan yet; say what is to be predicted, and from which table.")
    if name is not None and name not in plans:
        raise UnknownNameError("plan", name, plans)
    for plan_id in [name] if name else plans:
        repl.screen.show(render_paragraph(plans[plan_id].to_paragraph()))


def current_plans(repl: "Repl") -> dict[str, Plan]:
    """The plans of the open tasks, or of the last one."""
    conversation = repl.dialogue.conversation
    sessions = conversation.open_tasks or list(conversation.tasks.values())[-1:]
    return {plan_id: plan for session in sessions for plan_id, plan in session.plans.items()}


def show_experts(repl: "Repl", words: list[str]) -> None:
    """The installed experts, or the card of one."""
    del repl
    name = take_one("experts", words)
    run_program_command("experts", *(["show", name] if name else ["list"]))


def show_runs(repl: "Repl", words: list[str]) -> None:
    """All runs, or what one did."""
    del repl
    name = take_one("runs", words)
    run_program_command("runs", *(["show", name] if name else ["list"]))


def explain_run(repl: "Repl", words: list[str]) -> None:
    """What ended the steps and trials of a run."""
    del repl
    run_program_command("runs", "explain", take_one("explain", words) or "last")


def show_leaderboard_of(repl: "Repl", words: list[str]) -> None:
    """The leaderboard of the last result, of a task or of a run."""
    name = take_one("leaderboard", words)
    document = find_result(repl, name)
    show_delivery(repl.screen, document)
    show_predictions(repl.screen, document)


def find_result(repl: "Repl", name: str | None) -> dict[str, Any]:
    """The result of a task, a run, or the last one here.

    Raises: UserError if there is none.
    """
    conversation = repl.dialogue.conversation
    if name in conversation.tasks:
        name = conversation.tasks[name].run_id
    rows = conversation.workplace.journal.list_runs()
    with_result = {r["run_id"]: r["result"] for r in rows if "leaderboard" in (r["result"] or {})}
    if name is None:
        own = (r for r in rows if r["conversation_id"] == conversation.conversation_id)
        name = next((r["run_id"] for r in own if r["run_id"] in with_result), None)
    if name is None:
        raise InputError("Nothing is trained yet in this conversation; /runs lists earlier runs.")
    run_id = choose_run([row["run_id"] for row in reversed(rows)], name)
    if run_id not in with_result:
        raise InputError(f"The run {run_id} has no result; /explain {run_id} says why.")
    return dict(with_result[run_id])


def show_log(repl: "Repl", words: list[str]) -> None:
    """The training log of a trial as a curve and a table."""
    name, trial = find_trial(repl, take_one("log", words))
    if not trial.log.is_file():
        raise InputError(f"The training log of {name} is no longer there.")
    records = [record for record in read_log(trial.log) if record.split == "valid"]
    metric = trial.metric.name
    curve = [(r.step, r.metrics[metric]) for r in records if metric in r.metrics]
    repl.screen.show(f"{name}: {metric} on validation rows, over the predicted band")
    plot = draw_plot(
        curve,
        trial.points,
        width=plot_width(repl.screen),
        height=PLOT_HEIGHT,
        has_unicode=repl.screen.has_unicode,
    )
    for pieces in plot:
        for text, kind in pieces:
            repl.screen.write(text, "accent" if kind == "measured" else "dim")
        repl.screen.show()
    _show_records(repl, records)


def find_trial(repl: "Repl", name: str | None) -> tuple[str, LoggedTrial]:
    """A trial of this conversation with its name; the best of the last run if none is named.

    Raises: UserError if there is none.
    """
    trials = list_trials(repl.dialogue.conversation)
    if not trials:
        raise InputError("Nothing was trained here yet; /runs RUN shows an earlier run.")
    name = name or find_best(trials)
    if name not in trials:
        raise UnknownNameError("trial", name, trials)
    return name, trials[name]


def _show_records(repl: "Repl", records: list[LogRecord]) -> None:
    stride = max(1, -(-len(records) // _N_LOG_ROWS))
    shown = records[::stride]
    if records and shown[-1] is not records[-1]:
        shown.append(records[-1])
    names = list(dict.fromkeys(name for record in shown for name in record.metrics))[:6]
    rows = [
        [str(r.step), *(format_number(r.metrics.get(n)) for n in names), f"{r.time_s:.2f}"]
        for r in shown
    ]
    repl.screen.show_table(["step", *names, "seconds"], rows)


def open_call(repl: "Repl", words: list[str]) -> None:
    """All of a call and its result."""
    name, calls = take_one("open", words), repl.view.calls
    if not calls:
        raise InputError("No tool was called yet.")
    number = len(calls) if name is None else int(name) if name.isdecimal() else 0
    if not 1 <= number <= len(calls):
        raise InputError(f"There is no call {name}; they are numbered from 1 to {len(calls)}.")
    call = calls[number - 1]
    repl.screen.show(f"{call.number} {call.name}", "bold")
    for title, document in (("arguments", call.arguments), ("result", call.outcome)):
        repl.screen.show(f"{title}: {json.dumps(document, indent=1, ensure_ascii=False)}")


def show_tasks(repl: "Repl", words: list[str]) -> None:
    """The tasks of this conversation."""
    take_one("tasks", words)
    tasks = repl.dialogue.conversation.tasks
    if not tasks:
        raise InputError("There is no task yet; say what is to be predicted, and from which table.")
    rows = [[task_id, *_describe_task(session)] for task_id, session in tasks.items()]
    headers = ["task", "table", "target", "state", "metric", "score", "run"]
    repl.screen.show_table(headers, rows)


def _describe_task(session: Session) -> list[str]:
    result = session.result or {}
    state = "finished" if result else "ended" if session.is_ended else "open"
    request, card = session.request, session.card
    score = format_number(result.get("score"))
    metric = card.metric if card else "-"
    return [Path(request.table).name, request.target, state, metric, score, session.run_id]


def show_cost(repl: "Repl", words: list[str]) -> None:
    """What the controllers took, by request."""
    take_one("cost", words)
    rows = [
        [str(n), cost.words[:40], *_describe_tokens(cost.purse)]
        for n, cost in enumerate(repl.view.costs, start=1)
        if cost.purse.n_replies
    ]
    purse = repl.dialogue.conversation.purse
    rows.append(["all", "", *_describe_tokens(purse)])
    headers = ["request", "", "replies", "sent", "of it cached", "written", "USD"]
    repl.screen.show_table(headers, rows)
    limit = purse.describe_limit()
    repl.screen.show(f"Limit: {limit or 'none; /budget usd X sets one'}.", "dim")


def _describe_tokens(used: Purse) -> list[str]:
    price = "price unknown" if used.n_unpriced else f"{used.spent_usd:.4f}"
    counts = (used.n_replies, used.input_tokens, used.cached_tokens, used.output_tokens)
    return [*map(str, counts), price]


COMMANDS = (
    Command("plan", "[PLAN]", "Show the current plans as prompt paragraphs.", show_plan, "plan"),
    Command("experts", "[NAME]", "List the experts, or show one.", show_experts, "expert"),
    Command("runs", "[RUN]", "List the runs, or show one.", show_runs, "run"),
    Command("leaderboard", "[RUN|TASK]", "Show the best models.", show_leaderboard_of, "run"),
    Command("log", "[TRIAL]", "Show a training log over what was predicted.", show_log, "trial"),
    Command("open", "[N]", "Show all of call N and its result.", open_call),
    Command("tasks", "", "List the tasks of this conversation.", show_tasks),
    Command("explain", "[RUN]", "Say what ended the parts of a run.", explain_run, "run"),
    Command("cost", "", "Show the tokens and the money of each request.", show_cost),
)
