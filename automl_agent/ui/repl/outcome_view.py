"""What came of a request: the leaderboard, the verdicts, the comparison, the delivery."""

from collections.abc import Mapping
from typing import Any

from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.loop import ANSWERED
from automl_agent.controllers.round import INTERRUPTED, Outcome
from automl_agent.errors import DeclinedError
from automl_agent.ui.rendering import (
    describe_delivery,
    describe_early_ends,
    describe_prediction,
    format_number,
)
from automl_agent.ui.repl.screen import Screen
from automl_agent.ui.requirements import show_comparison, show_verdicts

_MAX_ROWS = 10
NO_TOOL = "No tool was called; /model planner lets the built-in planner do it."


def show_outcome(screen: Screen, outcome: Outcome, *, has_task: bool) -> None:
    """An outcome. has_task: whether there is any task in the conversation."""
    for document in outcome.results:
        show_delivery(screen, document)
    if outcome.ended == INTERRUPTED and outcome.results:
        screen.show("Stopped early; what had finished is kept.", "bold")
    if outcome.text:
        screen.show_wrapped(outcome.text)
    if isinstance(outcome.error, DeclinedError):
        screen.show("Nothing was trained. Say what is to be different, or ask for something else.")
    elif outcome.error is not None and str(outcome.error) != outcome.text:
        show_error(screen, str(outcome.error))
    if outcome.ended == ANSWERED and not has_task:
        screen.show(NO_TOOL, "dim")


def show_delivery(screen: Screen, document: Mapping[str, Any]) -> None:
    """A result: all of it that a person wants to see at once."""
    screen.show()
    show_scores(screen, document)
    show_verdicts(document)
    if document.get("comparison"):
        show_comparison(document["comparison"])
    screen.show_wrapped(describe_delivery(document), style="good")
    run_id = document["run_id"]
    screen.show(f"Run {run_id}, in {document['paths']['run']}", "dim")
    screen.show(f"New rows: /predict {run_id} FILE -o OUT.csv", "dim")


def show_scores(screen: Screen, document: Mapping[str, Any]) -> None:
    """The best models, the delivered one first, in few columns: names are not to be folded."""
    metric, rows = document["metric"], document["leaderboard"]
    names = list(document["scores"])
    headers = ["model", f"{metric}, validation", *(f"{name}, held out" for name in names), "s"]
    shown = []
    for row in rows[:_MAX_ROWS]:
        scores = row["scores"] or {}
        held_out = [format_number(scores.get(name)) for name in names]
        valid_score = format_number(row["valid_score"])
        shown.append([row["name"], valid_score, *held_out, f"{row['seconds']:.1f}"])
    screen.show_table(headers, shown)
    if len(rows) > _MAX_ROWS:
        screen.show(f"and {len(rows) - _MAX_ROWS} more: /runs {document['run_id']}", "dim")


def show_predictions(screen: Screen, document: Mapping[str, Any]) -> None:
    """How the predicted logs of a result came out."""
    for prediction in document["predictions"]:
        screen.show_wrapped(describe_prediction(prediction, document["metric"]))
    for line in describe_early_ends(document):
        screen.show_wrapped(line)


def show_standing(screen: Screen, conversation: Conversation) -> None:
    """The finished tasks of a conversation, a line for each."""
    for task_id, session in conversation.tasks.items():
        result = session.result
        if result:
            score = f"{result['metric']} {format_number(result['score'])}"
            screen.show(f"  {task_id}  {session.request.target}: {score}, {result['run_id']}")


def show_error(screen: Screen, text: str) -> None:
    """What went wrong, in a sentence."""
    screen.show_wrapped(text, style="bad")
