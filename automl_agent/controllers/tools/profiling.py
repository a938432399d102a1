"""The tool that begins a task: it measures the data card and divides the rows."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.data_card import DataCard, SplitRule
from automl_agent.cards.metric import Task
from automl_agent.cards.profile import profile_table
from automl_agent.cards.tables import check_has_columns, drop_unlabelled
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.conversation.workplace import end_run, write_card
from automl_agent.controllers.planner.transcript import REPLACES, read_transcript
from automl_agent.controllers.privacy import show_card, show_name, show_rows
from automl_agent.controllers.request import Request
from automl_agent.controllers.tools.tool import Tool, builtin_parameters
from automl_agent.errors import InputError, ToolError, suggest
from automl_agent.plugins import Plugins
from automl_agent.training.constraints import Constraint, check_task, parse_constraint, resolve
from automl_agent.training.dataset import write_dataset
from automl_agent.training.landmarks import add_landmarks
from automl_agent.training.scoring import find_metric

if TYPE_CHECKING:
    from pandas import DataFrame

_NO_TARGET = "Say which column is to be predicted, as target."
_MAX_LISTED = 30
_COLUMN_ARGUMENTS = ("target", "split_by_time", "split_by_group")
# Each task has trials of its own; what obeys a table must not multiply them without end.
MAX_OPEN_TASKS = 10


def profile_dataset(
    conversation: Conversation, *, data: str | None = None, follows: str | None = None, **asked: Any
) -> dict[str, Any]:
    """Measure the data card of a task, divide its rows and write what scripts may read."""
    fixed = _find_unmeasured(conversation)
    if fixed is not None:
        return _measure_fixed(fixed, asked)
    if len(conversation.open_tasks) >= MAX_OPEN_TASKS:
        raise ToolError(f"{MAX_OPEN_TASKS} tasks are open; train and finish some of them first.")
    earlier = conversation.find_task(follows) if follows else None
    if earlier is not None:
        request, frame, holdout = _follow(
            conversation, earlier, _find_columns(asked, earlier.frame)
        )
    else:
        request, frame, holdout = _read(conversation, data, asked)
    card = _measure(conversation.workplace.plugins, request, frame)
    budget = conversation.budget.for_task(request.n_trials)
    session = conversation.begin_task(request, frame, holdout, budget)
    session.earlier = None if earlier is None else earlier.result
    try:
        return _prepare(session, card) | _end_replaced(conversation, session)
    except BaseException as exc:
        conversation.abandon(session, exc)
        raise


def _end_replaced(conversation: Conversation, session: Session) -> dict[str, Any]:
    """End the plans of earlier requests in whose place this task comes; tells which."""
    current = {*read_transcript(conversation.messages).new_tasks(), session.task_id}
    table, target = session.request.table, session.request.target
    replaced = [
        other
        for other in conversation.open_tasks
        if other.task_id not in current
        and (other.request.table, other.request.target) == (table, target)
        and not other.trials
    ]
    for other in replaced:
        end_run(other, "declined", f"The plan was declined; run {session.run_id} took its place.")
    return {REPLACES: [other.task_id for other in replaced]} if replaced else {}


def _find_unmeasured(conversation: Conversation) -> Session | None:
    """The task that the person named by options, before it is profiled."""
    return next((s for s in conversation.open_tasks if s.card is None), None)


def _measure_fixed(session: Session, asked: dict[str, Any]) -> dict[str, Any]:
    # What the person said by options counts for more than what the controller says.
    session.request = _fill(session.request, _find_columns(asked, session.frame))
    session.budget.n_trials = session.request.n_trials
    card = _measure(session.plugins, session.request, session.frame)
    return _prepare(session, card)


def _follow(
    conversation: Conversation, earlier: Session, asked: dict[str, Any]
) -> "tuple[Request, DataFrame, DataFrame | None]":
    """What is needed to do a task once more; its rows are divided as they were."""
    if earlier.result is None:
        raise ToolError(
            f"The task {earlier.task_id} has no result yet that could be improved; call finish."
        )
    request = _limit(earlier.request, conversation)
    request = replace(
        request,
        constraints=tuple(asked.get("constraints", ())),
        also=(*earlier.request.also, *asked.get("report_also", ())),
        metric=asked.get("metric") or earlier.known_card.metric,
        experts=tuple(asked.get("experts", earlier.request.experts)),
        drop=(*earlier.request.drop, *asked.get("drop", ())),
        follows=earlier.run_id,
        n_trials=_find_trials(request, asked),
    )
    return request, earlier.frame, earlier.holdout_frame


def _read(
    conversation: Conversation, data: str | None, asked: dict[str, Any]
) -> "tuple[Request, DataFrame, DataFrame | None]":
    if data is None:
        raise ToolError(f"Say which table it is about, as data.{suggest('', conversation.tables)}")
    path = conversation.find_table(data)
    defaults = replace(conversation.defaults, table=path)
    frame = conversation.workplace.read_table(path)
    request = _fill(_limit(defaults, conversation), _find_columns(asked, frame))
    if not request.target:
        names = [show_name(str(name)) for name in list(frame.columns)[:_MAX_LISTED]]
        has = "" if conversation.privacy == "none" else f" The table has {', '.join(names)}."
        raise InputError(f"{_NO_TARGET}{has}")
    if request.holdout is None:
        return request, frame, None
    return request, frame, conversation.workplace.read_table(request.holdout)


def _find_columns(asked: dict[str, Any], frame: "DataFrame") -> dict[str, Any]:
    """What is asked, with columns by their own names: a controller is shown safe and short ones."""
    names = {show_name(str(name)): str(name) for name in frame.columns}
    exact = set(map(str, frame.columns))

    def find(name: str) -> str:
        return name if name in exact else names.get(name, name)

    found: dict[str, Any] = {key: find(asked[key]) for key in _COLUMN_ARGUMENTS if key in asked}
    if "drop" in asked:
        found["drop"] = [find(name) for name in asked["drop"]]
    return asked | found


def _limit(request: Request, conversation: Conversation) -> Request:
    """The request with the limits of the present round, which the person's words may have set."""
    budget = conversation.budget
    return replace(request, time_s=budget.time_s, n_trials=budget.n_trials)


def _fill(request: Request, asked: dict[str, Any]) -> Request:
    """The request with what the controller made of the person's words, where she set nothing."""
    by_time, by_group = asked.get("split_by_time"), asked.get("split_by_group")
    split = SplitRule("time", by_time) if by_time else None
    split = SplitRule("group", by_group) if by_group else split
    return replace(
        request,
        target=request.target or asked.get("target", ""),
        metric=request.metric or asked.get("metric"),
        task=request.task or asked.get("task"),
        words=request.words or asked.get("description", ""),
        experts=request.experts or tuple(asked.get("experts", ())),
        drop=request.drop or tuple(asked.get("drop", ())),
        split=request.split or split,
        also=request.also or tuple(asked.get("report_also", ())),
        constraints=request.constraints or tuple(asked.get("constraints", ())),
        n_trials=_find_trials(request, asked),
    )


def _find_trials(request: Request, asked: dict[str, Any]) -> int:
    """The trials of a task: fewer if it is asked for, never more than the request allows."""
    wanted: int = asked.get("n_trials", request.n_trials)
    return min(request.n_trials, wanted)


def _measure(plugins: Plugins, request: Request, frame: "DataFrame") -> DataCard:
    """The data card; whatever of the request does not fit it is refused."""
    card = _measure_frame(request, frame)
    for name in (card.metric, *request.also):
        find_metric(plugins.metrics, name, card.task)
    for name in request.experts:
        plugins.experts[name]
    constraints = read_constraints(request, card, plugins)
    if request.follows is None:
        resolve(constraints, None, plugins.metrics[card.metric])
    return card


def _measure_frame(request: Request, frame: "DataFrame") -> DataCard:
    task: Task | None = request.task
    return profile_table(
        frame,
        target=request.target,
        name=Path(request.table).name.partition(".")[0] or request.table,
        description=request.words,
        task=task,
        metric=request.metric,
        split=request.split,
        drop=request.drop,
    )


def _prepare(session: Session, card: DataCard) -> dict[str, Any]:
    """Divide the rows, write what scripts may read, and tell of the card."""
    holdout = session.holdout_frame
    if holdout is not None:
        needed = [column.name for column in card.features]
        check_has_columns(holdout, [*needed, str(card.target)], source="The held-out table")
        holdout = drop_unlabelled(holdout, str(card.target))
        if holdout.empty:
            raise InputError(f"The held-out table has no row with a label in {card.target!r}.")
    session.dataset = write_dataset(
        drop_unlabelled(session.frame, str(card.target)),
        card,
        session.directory.data,
        seed=session.request.seed,
        holdout=holdout,
    )
    card = add_landmarks(card, session.dataset)
    session.constraints = read_constraints(session.request, card, session.plugins)
    session.card = card
    write_card(session)
    direction = {"greater_is_better": session.metric.greater_is_better}
    session.emit("data_profiled", card.to_json() | direction)
    return _tell(session, card)


def read_constraints(request: Request, card: DataCard, plugins: Plugins) -> tuple[Constraint, ...]:
    """What the model must keep.

    Raises: InputError if a text is no constraint, or does not fit the task.
    """
    metrics = plugins.metrics
    constraints = tuple(parse_constraint(text, metrics) for text in request.constraints)
    check_task(constraints, metrics, card.task)
    return constraints


def _tell(session: Session, card: DataCard) -> dict[str, Any]:
    told: dict[str, Any] = {
        "task_id": session.task_id,
        "data_card": show_card(card, session.privacy),
    }
    rows = show_rows(session.frame, session.privacy)
    if rows is not None:
        told["rows"] = rows
    if session.constraints:
        told["constraints"] = [str(constraint) for constraint in session.constraints]
    if session.earlier is not None:
        told["earlier"] = {
            "expert": session.earlier["plan"]["expert"],
            "settings": session.earlier["plan"]["settings"],
            "scores": session.earlier["scores"],
            "measures": session.earlier.get("measures"),
        }
    return told


def _may_begin(conversation: Conversation) -> bool:
    return (
        bool(conversation.tables)
        or _find_unmeasured(conversation) is not None
        or any(session.result for session in conversation.tasks.values())
    )


PROFILING_TOOL = Tool(
    "profile_dataset",
    "Begin a task: measure the data card of a table. Call it once for each task of the request.",
    builtin_parameters("profile_dataset"),
    profile_dataset,
    _may_begin,
    scope="conversation",
)
