"""The tools up to the plan: profile, search, assign, write scripts, set and predict."""

import itertools
import json
from pathlib import Path
from typing import Any

from automl_agent.cards.metric import Task
from automl_agent.cards.profile import profile_table
from automl_agent.cards.tables import check_has_columns, drop_unlabelled
from automl_agent.controllers.session import Session
from automl_agent.controllers.tools import Tool, builtin_parameters
from automl_agent.errors import InputError, PluginError, ToolError
from automl_agent.experts.expert import Expert
from automl_agent.experts.plan import Plan
from automl_agent.experts.scripts import check_script, check_scripts
from automl_agent.experts.search_space import complete_settings, default_settings
from automl_agent.knowledge.card_predictor import predict_from_card
from automl_agent.plugins import guard_call
from automl_agent.training.dataset import write_dataset
from automl_agent.training.scoring import chance_score, find_metric

_MAX_SHOWN_COLUMNS = 60


def profile_dataset(
    session: Session,
    *,
    target: str | None = None,
    metric: str | None = None,
    task: Task | None = None,
    description: str = "",
) -> dict[str, Any]:
    """Measure the data card, divide the rows and write what scripts may read."""
    request = session.request
    card = profile_table(
        session.frame,
        # What the person said counts for more than what the controller says.
        target=request.target or target or "",
        name=Path(request.table).name.partition(".")[0] or request.table,
        description=request.words or description,
        task=request.task or task,
        metric=request.metric or metric,
        split=request.split,
        drop=request.drop,
    )
    find_metric(session.plugins.metrics, card.metric, card.task)
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
        seed=request.seed,
        holdout=holdout,
    )
    session.card = card
    document = card.to_json()
    text = json.dumps(document, indent=1, ensure_ascii=False)
    session.directory.data_card.write_text(text, encoding="utf-8")
    direction = {"greater_is_better": session.metric.greater_is_better}
    session.emit("data_profiled", document | direction)
    columns = document.pop("columns")
    return {"data_card": document, "columns": columns[:_MAX_SHOWN_COLUMNS]}


def search_experts(session: Session, *, query: str = "", limit: int = 10) -> dict[str, Any]:
    """The experts that fit the data set, those with the best expected score first."""
    words = query.lower().split()
    allowed = session.request.experts
    found, unfit = [], {}
    for name, expert in session.plugins.experts.items():
        if allowed and name not in allowed:
            continue
        reason = expert.card.unfit_reason(session.known_card)
        if reason:
            unfit[name] = reason
        else:
            found.append(_describe_expert(session, expert, words))
    loss = session.metric.loss
    found.sort(key=lambda e: (-e["n_words_found"], loss(e["expected_score"]), e["expert"]))
    return {"experts": found[:limit], "unfit": unfit}


def assign_expert(session: Session, *, expert: str, reason: str) -> dict[str, Any]:
    """Make a plan for an expert, with its default hyperparameters."""
    if session.request.experts and expert not in session.request.experts:
        allowed = ", ".join(session.request.experts)
        raise ToolError(f"The person allows only these experts: {allowed}.")
    card = session.plugins.experts[expert].card
    unfit = card.unfit_reason(session.known_card)
    if unfit:
        raise ToolError(f"{expert} does not fit this data set: {unfit}.")
    later = (f"{expert}-v{number}" for number in itertools.count(2))
    names = itertools.chain([expert], later)
    plan_id = next(name for name in names if name not in session.plans)
    session.plans[plan_id] = Plan(
        plan_id=plan_id,
        data_card=session.known_card,
        model_card=card,
        resources=session.resources,
        settings=default_settings(card),
    )
    session.emit("expert_assigned", {"plan_id": plan_id, "expert": expert, "reason": reason})
    return {"plan_id": plan_id, "search_space": card.to_json()["search_space"]}


def write_script(
    session: Session, *, plan_id: str, script: str, text: str | None = None
) -> dict[str, Any]:
    """Write script A or B: the expert's, or a text of the controller's."""
    plan = session.find_plan(plan_id)
    templates = _write_templates(session, plan)
    generated = plan.generated - {script}
    if text is None:
        text = templates[script]
    else:
        _check_may_generate(session)
        check_script(script, text, plan.model_card)
        generated |= {script}
    written = {**templates, **plan.scripts, script: text}
    session.drop_batch(plan_id, "its scripts were written again")
    session.change_plan(plan_id, scripts=written, generated=generated)
    return {"plan_id": plan_id, "script": script, "n_lines": written[script].count("\n")}


def set_hyperparameters(
    session: Session, *, plan_id: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Set the hyperparameters of a plan's first trial."""
    plan = session.find_plan(plan_id)
    complete = complete_settings(plan.model_card, settings)
    session.change_plan(plan_id, settings=complete)
    return {"plan_id": plan_id, "settings": complete}


def predict_training_log(session: Session, *, plan_id: str) -> dict[str, Any]:
    """Write down how the training will go, before it."""
    plan = session.find_plan(plan_id)
    check_scripts(plan.scripts, plan.model_card)
    chance = chance_score(session.metric, plan.data_card)
    assert chance is not None  # a profiled card has the statistics of its labels
    log = predict_from_card(plan.data_card, plan.model_card, session.metric, chance=chance)
    plan = session.change_plan(plan_id, predicted_log=log)
    if not plan.generated:
        # Its warm-up needs nobody's leave and goes on while the person reads the plan.
        session.open_batch(plan)
    return {"plan_id": plan_id, "final": log.to_json()["points"][-1], "seconds": log.seconds}


def _describe_expert(session: Session, expert: Expert, words: list[str]) -> dict[str, Any]:
    card, data = expert.card, session.known_card
    chance = chance_score(session.metric, data)
    assert chance is not None
    expected = predict_from_card(data, card, session.metric, chance=chance).final.median
    text = f"{card.name} {card.structure} {card.description}".lower()
    return {
        "expert": card.name,
        "structure": card.structure,
        "description": card.description,
        "expected_score": expected,
        "n_words_found": sum(word in text for word in words),
    }


def _write_templates(session: Session, plan: Plan) -> dict[str, str]:
    """The expert's scripts.

    Raises: ToolError if the expert cannot write them; its plan is dropped, others go on.
    """
    expert = session.plugins.experts[plan.expert]
    distribution = session.plugins.experts.distribution(plan.expert)
    try:
        scripts = guard_call(lambda: expert.write_scripts(plan), distribution, "write_scripts")
        check_scripts(scripts, plan.model_card)
    except (PluginError, ToolError) as exc:
        session.drop_batch(plan.plan_id, "its expert cannot write the scripts")
        del session.plans[plan.plan_id]
        raise ToolError(f"The plan {plan.plan_id} is dropped. {exc}") from exc
    return dict(scripts)


def _check_may_generate(session: Session) -> None:
    if not (session.sandbox.is_container or session.request.sandbox_options.allow_generated):
        raise ToolError(
            f"Generated code does not run in the sandbox {session.sandbox.name!r}; leave `text` "
            "out to let the expert write the script."
        )


def _before_approval(session: Session) -> bool:
    return session.card is not None and not session.is_approved


def _with_plan(session: Session) -> bool:
    return bool(session.plans) and not session.is_approved


PLANNING_TOOLS = (
    Tool(
        "profile_dataset",
        "Measure the data card of the request's table. Always the first call.",
        builtin_parameters("profile_dataset"),
        profile_dataset,
        lambda session: not session.plans,
    ),
    Tool(
        "search_experts",
        "Find the installed experts that fit the data set, by their model cards.",
        builtin_parameters("search_experts"),
        search_experts,
        _before_approval,
    ),
    Tool(
        "assign_expert",
        "Make a plan for an expert. Call it again to try several experts.",
        builtin_parameters("assign_expert"),
        assign_expert,
        _before_approval,
    ),
    Tool(
        "write_script",
        "Write a plan's script A (data_processing.py) or B (model.py).",
        builtin_parameters("write_script"),
        write_script,
        _with_plan,
    ),
    Tool(
        "set_hyperparameters",
        "Set C, the hyperparameters of a plan's first trial.",
        builtin_parameters("set_hyperparameters"),
        set_hyperparameters,
        _with_plan,
    ),
    Tool(
        "predict_training_log",
        "Write down D, the predicted training log, once scripts and hyperparameters are set.",
        builtin_parameters("predict_training_log"),
        predict_training_log,
        _with_plan,
    ),
)
