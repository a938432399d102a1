"""What the planner makes of a request: the tasks to begin, as arguments of profile_dataset."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from automl_agent.controllers.planner.transcript import Transcript
from automl_agent.controllers.reading.reading import Feedback, TaskWords, list_told_tables
from automl_agent.training.constraints import Wish

_Arguments = dict[str, Any]
_UNCLEAR = (
    "I understand requests such as 'predict income from adult.csv' and, after a result, 'smaller "
    "and faster, lose at most 1 % accuracy'."
)


# How questions begin that want an answer and no model, in the languages that requests come in.
_QUESTION_WORDS = (
    *("what", "why", "how", "which", "who", "when", "where"),
    *("was", "warum", "wie", "welche", "welcher", "welches", "wer"),
    *("wat", "waarom", "hoe", "welke", "pourquoi", "comment", "quel", "quelle"),
    *("qué", "por", "cómo", "cuál", "che", "perché", "come", "quale", "qual", "como"),
    *("co", "dlaczego", "jak", "что", "почему", "как", "какой"),
)
_NO_ANSWERS = (
    "The built-in planner trains models and answers no questions; /leaderboard, /log and /explain "
    "show what is known, and /model lets a language model answer."
)


def find_wanted(told: Transcript) -> tuple[list[_Arguments], str]:
    """The tasks of the last request, and what of it is impossible or unclear.

    For feedback on an earlier task: a task that follows it.
    """
    request = told.request
    if "task" in request:
        return [{}], ""
    # The words of a dozen languages are only read into memory where there are words to understand.
    from automl_agent.controllers.reading.feedback import read_feedback
    from automl_agent.controllers.reading.requests import read_request

    words = str(request.get("words", ""))
    experts, metrics = _list_experts(told), request.get("metrics", [])
    feedback = read_feedback(words, experts=experts, metrics=metrics)
    finished = told.finished_tasks()
    if finished and _is_question(words):
        return [], _NO_ANSWERS
    if finished and feedback.is_understood and not _names_table(words, request):
        return [_follow(finished[-1], feedback)], ""
    reading = read_request(words, list_told_tables(request), experts=experts, metrics=metrics)
    if reading.tasks:
        return [_begin(task) for task in reading.tasks], reading.problem
    open_tasks = told.open_tasks()
    if open_tasks and feedback.is_understood and not _names_table(words, request):
        return [_change(told, open_tasks[-1], feedback)], ""  # what is to change of a plan
    if open_tasks and not feedback.is_understood:
        return [], ""  # "go on"
    return [], reading.problem or _UNCLEAR


def find_allowed(told: Transcript, given: Mapping[str, Any], found: Sequence[str]) -> list[str]:
    """Those of the experts that were found that the person wants for a task, if she wants any.

    given: the arguments of the task's profile.
    """
    request = told.request
    if "task" in request:
        return list(found)
    from automl_agent.controllers.reading.feedback import read_feedback
    from automl_agent.controllers.reading.requests import read_request

    words, metrics = str(request.get("words", "")), request.get("metrics", [])
    reading = read_request(
        words, list_told_tables(request), experts=_list_experts(told), metrics=metrics
    )
    for task in reading.tasks:
        if (task.table, task.target) == (given.get("data"), given.get("target")):
            return [name for name in found if name in task.experts] or list(found)
    feedback = read_feedback(words, experts=_list_experts(told), metrics=metrics)
    wanted = feedback.experts or [n for n in found if n not in feedback.excluded_experts]
    return [name for name in found if name in wanted] or list(found)


def _list_experts(told: Transcript) -> dict[str, str]:
    """What is known of experts: of those that the request's words name, and that were found.

    "No trees", or a name in another language, is understood only with what the others are.
    """
    searched = [step for step in told.steps if step.name == "search_experts" and not step.is_error]
    found = {
        expert["expert"]: f"{expert['structure']}. {expert['description']}"
        for step in searched
        for expert in step.result.get("experts", ())
    }
    return dict(told.request.get("experts_named", {})) | found


def _names_table(words: str, request: Mapping[str, Any]) -> bool:
    return any(table["name"].lower() in words.lower() for table in request.get("tables", ()))


def _begin(task: TaskWords) -> _Arguments:
    given: _Arguments = {
        "data": task.table,
        "target": task.target,
        "metric": task.metric,
        "task": task.task,
        "description": task.description[:2000],
        "experts": list(task.experts),
        # A wish has nothing yet to be measured by; the leaderboard shows sizes and times anyway.
        "constraints": [text for text in task.constraints if not _is_relative(text)],
        "drop": list(task.drop),
        "n_trials": task.n_trials,
    }
    if task.split is not None and task.split.kind in ("time", "group"):
        given[f"split_by_{task.split.kind}"] = task.split.column
    return {name: value for name, value in given.items() if value}


def _follow(task_id: str, feedback: Feedback) -> _Arguments:
    given: _Arguments = {
        "follows": task_id,
        "constraints": list(feedback.constraints),
        "experts": list(feedback.experts),
        "metric": feedback.metric,
        "drop": list(feedback.drop),
        "n_trials": feedback.n_trials,
    }
    return {name: value for name, value in given.items() if value}


def _change(told: Transcript, task_id: str, feedback: Feedback) -> _Arguments:
    """The task once more, with what the person wants to be different."""
    profiled = next(s for s in told.of_task(task_id) if s.name == "profile_dataset")
    changed = _follow(task_id, feedback)
    del changed["follows"]
    constraints = [text for text in feedback.constraints if not _is_relative(text)]
    changed["constraints"] = [*profiled.arguments.get("constraints", ()), *constraints]
    given = {**profiled.arguments, **changed}
    return {name: value for name, value in given.items() if value}


def _is_relative(constraint: str) -> bool:
    """Whether a constraint asks for a change of an earlier result."""
    return constraint in get_args(Wish) or "earlier" in constraint


def _is_question(words: str) -> bool:
    first = words.lower().split(maxsplit=1)[:1]
    return words.rstrip().endswith(("?", "\uff1f")) and first[0].strip("¿") in _QUESTION_WORDS
