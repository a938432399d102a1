"""The built-in planner: a chat model without a language model.

It reads the conversation as a language model would, and answers with the next tool calls: the same
tools, the same loop. It keeps no state: the same messages lead to the same reply.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_agent.chat_models.chat_model import Message, ModelTraits, Reply, ToolCall, ToolSpec
from automl_agent.controllers.planner.requests import find_allowed, find_wanted
from automl_agent.controllers.planner.transcript import Step, Transcript, read_transcript

# The first trial of each of them costs time that tuning the best one would use.
MAX_EXPERTS = 3
_TIME_FOR_ONE_EXPERT_S = 15.0
# One trial each says little about which of two good experts is better: so many of the leading ones
# are given so many further trials before one gets the rest; in rounds, so that both have their
# share of a short time.
N_LEADERS = 2
_PROBE_ROUNDS = (1, 2)
# As many as a search gives: which of them the person's words exclude is for the planner to see.
_MAX_FOUND = 20
_MAX_SUMMARY = 4000
_EVERY_PLAN_NEEDS = ("profile_dataset", "search_experts")
_PREPARATION = ("write_script", "set_hyperparameters", "predict_training_log")
_Calls = list[tuple[str, dict[str, Any]]]


class Planner:
    """Walks the stages in order: one plan for each of the best experts, then tuning the best."""

    # It reads all that was ever said, and no tokens are counted.
    traits = ModelTraits("planner", context_tokens=2**60, max_output_tokens=0)

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Callable[[str], None],
        max_output_tokens: int | None = None,
    ) -> Reply:
        """The next tool calls."""
        del tools, max_output_tokens
        text, calls = _decide(read_transcript(messages))
        on_text(text)
        numbered = tuple(
            ToolCall(f"call-{len(messages)}-{index}", name, arguments)
            for index, (name, arguments) in enumerate(calls)
        )
        return Reply(text, numbered)


def _decide(told: Transcript) -> tuple[str, _Calls]:
    wanted, problem = find_wanted(told)
    profiled = [step for step in told.steps if step.name == "profile_dataset"]
    missing = [given for given in wanted if not any(_is_answer(s, given) for s in profiled)]
    if missing:
        return "Measuring the data set.", [("profile_dataset", given) for given in missing]
    tasks = [task for task in told.new_tasks() if not told.is_closed(task)]
    if not tasks and not profiled:
        tasks = told.open_tasks() if not problem else []
    if not tasks:
        return "", [_finish(_explain_nothing(told, profiled, problem))]
    text, calls = _plan_all(told, tasks)
    return (text, calls) if calls else _train_one(told, tasks, problem)


def _plan_all(told: Transcript, tasks: list[str]) -> tuple[str, _Calls]:
    """The next calls for all tasks whose plans are not complete."""
    text = ""
    calls: _Calls = []
    for task_id in tasks:
        said, own = _plan(told, task_id)
        text, calls = text or said, [*calls, *own]
    return text, calls


def _plan(told: Transcript, task_id: str) -> tuple[str, _Calls]:
    steps, task = told.of_task(task_id), {"task_id": task_id}
    searched = _last(steps, "search_experts")
    is_assigned = _last(steps, "assign_expert") is not None
    if searched is None or not (is_assigned or searched.is_error or "experts" in searched.result):
        # Also where a stricter privacy took back what was found: it can be found again under it.
        return "Looking for experts that fit.", [("search_experts", task | _ask_for(told))]
    if searched.is_error:
        return "", []
    if not is_assigned:
        return _assign(told, task_id, steps, searched.result)
    plans = [plan_id for plan_id in _plans(steps) if not _is_prepared(plan_id, steps)]
    return "Writing scripts and predicting the training logs.", _prepare(plans)


def _ask_for(told: Transcript) -> dict[str, Any]:
    """The query and the limit of a search."""
    if "task" in told.request:
        return {}
    words = " ".join(told.request.get("experts_named", {}))
    return {"limit": _MAX_FOUND} | ({"query": words[:200]} if words else {})


def _assign(
    told: Transcript, task_id: str, steps: list[Step], found: Mapping[str, Any]
) -> tuple[str, _Calls]:
    limits = {**told.request, **told.request.get("task", {})}
    n_experts = min(MAX_EXPERTS, limits["n_trials"])
    if limits["time_s"] < _TIME_FOR_ONE_EXPERT_S:
        n_experts = 1
    profiled = _last(steps, "profile_dataset")
    names = [expert["expert"] for expert in found["experts"]]
    allowed = find_allowed(told, profiled.arguments if profiled else {}, names)
    experts = [expert for expert in found["experts"] if expert["expert"] in allowed]
    earlier = profiled.result.get("earlier") if profiled else None
    if earlier:  # the expert that did best before has the best prospects
        experts.sort(key=lambda e: e["expert"] != earlier["expert"])
    calls: _Calls = []
    for expert in experts[:n_experts]:
        source = expert.get("expected_from", "its card")
        reason = f"Expected score {expert['expected_score']:.4g}, from {source}."
        given = {"task_id": task_id, "expert": expert["expert"], "reason": reason}
        calls.append(("assign_expert", given))
    return "Assigning the experts with the best expected scores.", calls


def _prepare(plans: list[str]) -> _Calls:
    calls: _Calls = []
    for plan_id in plans:
        plan = {"plan_id": plan_id}
        calls += [
            ("write_script", {**plan, "script": "data_processing.py"}),
            ("write_script", {**plan, "script": "model.py"}),
            ("set_hyperparameters", {**plan, "settings": {}}),
            ("predict_training_log", plan),
        ]
    return calls


def _is_prepared(plan_id: str, steps: list[Step]) -> bool:
    """Whether a plan is complete or cannot be: another controller may have left it half done."""
    own = [s for s in steps if s.arguments.get("plan_id") == plan_id and s.name in _PREPARATION]
    predicted = [s for s in own if s.name == _PREPARATION[-1]]
    is_dropped = any("is dropped" in s.result["error"] for s in own if s.is_error)
    return is_dropped or len(predicted) > 1 or any(not s.is_error for s in predicted)


def _train_one(told: Transcript, tasks: list[str], problem: str) -> tuple[str, _Calls]:
    """The next calls for the first task that is not finished."""
    hopeless = [task for task in tasks if not _can_train(told.of_task(task))]
    for task_id in tasks:
        if task_id in hopeless:
            continue
        text, calls = _train(told.of_task(task_id))
        is_last = [task for task in tasks if task not in hopeless] == [task_id]
        if calls[0][0] != "finish" or (is_last and not problem):
            return text, calls
        summary = f"{calls[0][1]['summary']} {problem}".strip()[:_MAX_SUMMARY]
        return text, [_finish(summary, None if is_last else task_id)]
    return "", [_finish(_explain_nothing(told, [], problem))]


def _train(steps: list[Step]) -> tuple[str, _Calls]:
    # An expert that could not write its scripts is left out; the others go on.
    predicted = {s.arguments.get("plan_id"): s for s in steps if s.name == _PREPARATION[-1]}
    broken = {plan_id for plan_id, last in predicted.items() if last.is_error}
    trained = {s.arguments.get("plan_id") for s in steps if s.name == "train"}
    for plan_id in _plans(steps):
        if plan_id not in broken | trained:
            return f"Training {plan_id} with its first settings.", [("train", {"plan_id": plan_id})]
    return _improve(steps)


def _improve(steps: list[Step]) -> tuple[str, _Calls]:
    """Try the leading experts' starting points, then tune the best with what is left."""
    compared = [s for s in steps if s.name == "compare_trials" and not s.is_error]
    task = {"task_id": steps[0].task_id}
    if not compared and any(not s.is_error for s in steps if s.name == "train"):
        return "Comparing the experts.", [("compare_trials", task)]
    if not compared:
        problem = next((s.result["error"] for s in steps if s.is_error), "no plan")
        return "", [_finish(f"No trial finished: {problem}")]
    leaders = _rank_plans(compared[0].result)[:N_LEADERS]
    is_probed = 1 < len(leaders) <= compared[0].result["n_trials_left"]
    if is_probed and len(compared) == 1:
        probes = _probe(leaders, steps, compared[0])
        return probes or ("Comparing the experts again.", [("compare_trials", task)])
    ranked, n_left = _rank_plans(compared[-1].result), compared[-1].result["n_trials_left"]
    if not _tunings_since(compared[-1], steps) and ranked and n_left > 0:
        return _tune(ranked[:1], n_left)
    n_trials = sum(s.result.get("n_trials", 1) for s in steps if s.name in ("train", "tune"))
    best = ranked[0] if ranked else "none"
    trials = "1 trial" if n_trials == 1 else f"{n_trials} trials"
    summary = f"Compared {trials}; {best} was the best plan."
    return "Training the best again on all rows.", [_finish(summary)]


def _probe(leaders: list[str], steps: list[Step], compared: Step) -> tuple[str, _Calls] | None:
    """The leaders' trials of the next round, None if all rounds or the time are over."""
    tuned = _tunings_since(compared, steps)
    is_out_of_time = tuned and all(s.is_error or s.result.get("stopped") for s in tuned)
    n_left = compared.result["n_trials_left"] // len(leaders)
    n_done = len(tuned) // len(leaders)
    if is_out_of_time or n_done >= len(_PROBE_ROUNDS):
        return None
    n_each = min(_PROBE_ROUNDS[n_done], n_left - sum(_PROBE_ROUNDS[:n_done]))
    return _tune(leaders, n_each) if n_each > 0 else None


def _tunings_since(compared: Step, steps: list[Step]) -> list[Step]:
    return [s for s in steps[steps.index(compared) + 1 :] if s.name == "tune"]


def _is_answer(step: Step, given: Mapping[str, Any]) -> bool:
    """Whether a profile was made of what is wanted, by whatever controller, or cannot be made."""
    if step.is_error:
        return dict(step.arguments) == dict(given)
    asked = step.arguments
    return all(asked.get(key) == given.get(key) for key in ("target", "follows")) or not given


def _tune(plans: list[str], n_trials: int) -> tuple[str, _Calls]:
    """Trials of each plan, so many."""
    calls = [("tune", {"plan_id": plan_id, "n_trials": n_trials}) for plan_id in plans]
    return f"Tuning {' and '.join(plans)}.", calls


def _finish(summary: str, task_id: str | None = None) -> tuple[str, dict[str, Any]]:
    task = {"task_id": task_id} if task_id else {}
    return "finish", {"summary": summary[:_MAX_SUMMARY], **task}


def _can_train(steps: list[Step]) -> bool:
    return bool(_plans(steps))


def _explain_nothing(told: Transcript, profiled: list[Step], problem: str) -> str:
    """Why nothing is trained."""
    for step in (*profiled, *told.steps):
        if step.is_error and step.name in _EVERY_PLAN_NEEDS:
            return f"Stopped: {step.result['error']} {problem}".strip()
    searched = _last(list(told.steps), "search_experts")
    if searched is not None and not searched.result.get("experts"):
        unfit = searched.result.get("unfit", {})
        reasons = "; ".join(f"{name}: {reason}" for name, reason in unfit.items())
        return f"No installed expert fits this data set. {reasons} {problem}".strip()
    return problem or "There is nothing left to train."


def _plans(steps: list[Step]) -> list[str]:
    return [s.result["plan_id"] for s in steps if s.name == "assign_expert" and not s.is_error]


def _rank_plans(compared: Mapping[str, Any]) -> list[str]:
    """The plans that have a score, that of the best trial first."""
    scored = [t["plan_id"] for t in compared["trials"] if t["valid_score"] is not None]
    return list(dict.fromkeys(scored))


def _last(steps: Sequence[Step], name: str) -> Step | None:
    return next((step for step in reversed(steps) if step.name == name), None)
