"""The tools from the data card to the plan: search, assign, write scripts, set and predict."""

import itertools
from typing import Any

from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.controllers.conversation.advising import (
    choose_first_settings,
    name_neighbours,
    propose_settings,
    tell_candidate,
    tell_reason,
    tell_similar,
)
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.privacy import mask_strange_text
from automl_agent.controllers.tools.tool import Tool, builtin_parameters
from automl_agent.errors import PluginError, ToolError
from automl_agent.experts.expert import Expert
from automl_agent.experts.plan import Plan
from automl_agent.experts.scripts import check_script, check_scripts
from automl_agent.experts.search_space import (
    change_settings,
    complete_settings,
    default_settings,
)
from automl_agent.knowledge.prediction.card_predictor import predict_from_card
from automl_agent.knowledge.prediction.forecast import LANGUAGE_MODEL
from automl_agent.knowledge.transfer.candidates import Transfer
from automl_agent.plugins import guard_call

_MAX_UNFIT = 5
_MAX_DESCRIPTION = 200
# Each plan has a sandbox of its own.
MAX_PLANS = 12


def search_experts(session: Session, *, query: str = "", limit: int = 5) -> dict[str, Any]:
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
    # However many experts are installed, the controller is told of few.
    told = {"experts": found[:limit], "unfit": dict(itertools.islice(unfit.items(), _MAX_UNFIT))}
    n_more = max(0, len(found) - limit) + max(0, len(unfit) - _MAX_UNFIT)
    return told | ({"n_not_shown": n_more} if n_more else {})


def assign_expert(session: Session, *, expert: str, reason: str) -> dict[str, Any]:
    """Make a plan for an expert, with its default hyperparameters."""
    if session.request.experts and expert not in session.request.experts:
        allowed = ", ".join(session.request.experts)
        raise ToolError(f"The person allows only these experts: {allowed}.")
    if len(session.plans) >= MAX_PLANS:
        raise ToolError(f"There are {MAX_PLANS} plans; train those.")
    card = session.plugins.experts[expert].card
    unfit = card.unfit_reason(session.known_card)
    if unfit:
        raise ToolError(f"{expert} does not fit this data set: {unfit}.")
    stem = expert if session.task_id == "t1" else f"{session.task_id}-{expert}"
    later = (f"{stem}-v{number}" for number in itertools.count(2))
    names = itertools.chain([stem], later)
    settings, transfer = _first_settings(session, card)
    plan_id = next(name for name in names if name not in session.plans)
    session.plans[plan_id] = Plan(
        plan_id=plan_id,
        data_card=session.known_card,
        model_card=card,
        resources=session.resources,
        settings=settings,
        neighbours=name_neighbours(transfer),
        constraints=tuple(str(constraint) for constraint in session.constraints),
    )
    session.emit("expert_assigned", {"plan_id": plan_id, "expert": expert, "reason": reason})
    told: dict[str, Any] = {"plan_id": plan_id, "settings": dict(settings)}
    if transfer is not None:
        session.emit("settings_transferred", {"plan_id": plan_id, "reason": transfer.reason})
        told["settings_come_from"] = tell_reason(transfer)
    return told | {"search_space": [_show_parameter(p) for p in card.to_json()["search_space"]]}


def find_similar_datasets(
    session: Session, *, expert: str | None = None, limit: int = 3
) -> dict[str, Any]:
    """The known data sets most like this one, and what an expert is expected to reach by them."""
    advisor = session.advisor
    if advisor is None:
        return {"similar": [], "shares": ""}
    told = tell_similar(advisor.find_similar(session.known_card, limit))
    if expert is None:
        return told
    transfer = propose_settings(session, session.plugins.experts[expert].card)
    if transfer is None:
        return told
    proposed = transfer.candidates[:limit] if transfer.is_transferred else ()
    settings = [tell_candidate(candidate) for candidate in proposed]
    return told | {"expert": expert, "reason": tell_reason(transfer), "proposed": settings}


def write_script(
    session: Session, *, plan_id: str, script: str, text: str | None = None, show: bool = False
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
    change = session.repair_plan if session.is_approved else session.change_plan
    change(plan_id, scripts=written, generated=frozenset(generated))
    told = {"plan_id": plan_id, "script": script, "n_lines": written[script].count("\n")}
    return told | ({"text": text} if show else {})


def set_hyperparameters(
    session: Session, *, plan_id: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Set the hyperparameters of a plan's first trial."""
    plan = session.find_plan(plan_id)
    complete = change_settings(plan.model_card, plan.settings, settings)
    session.change_plan(plan_id, settings=complete)
    return {"plan_id": plan_id, "settings": complete}


def predict_training_log(
    session: Session, *, plan_id: str, expected: dict[str, float] | None = None
) -> dict[str, Any]:
    """Write down how the training will go, before it."""
    plan = session.find_plan(plan_id)
    check_scripts(plan.scripts, plan.model_card)
    chance = session.find_chance()
    assert chance is not None  # a profiled card has the statistics of its labels
    if expected is not None:
        session.told_logs[plan_id] = _read_expected(session, plan, expected)
    log, *parts = session.forecast(plan, plan.settings, session.metric, chance=chance)
    plan = session.change_plan(plan_id, predicted_log=log)
    if not plan.generated:
        # Its warm-up needs nobody's leave and goes on while the person reads the plan.
        session.open_batch(plan)
    finals = {part.predictor: float(f"{part.final.median:.4g}") for part in parts}
    return {
        "plan_id": plan_id,
        "final": log.to_json()["points"][-1],
        "seconds": log.seconds,
        "predictors": finals,
    }


def _first_settings(session: Session, card: ModelCard) -> tuple[Settings, Transfer | None]:
    """The settings that a plan begins with, and the transfer that they come from.

    Where an earlier result is to be improved, they are the expert's best ones there; else what did
    well on similar data sets; else the expert's defaults.
    """
    rows = session.earlier["leaderboard"] if session.earlier else ()
    best: Settings = next((row["settings"] for row in rows if row["expert"] == card.name), {})
    if best:
        return complete_settings(card, best), None
    transfer = propose_settings(session, card)
    if transfer is None or not transfer.is_transferred:
        return default_settings(card), transfer
    return choose_first_settings(session, card, transfer), transfer


def _read_expected(session: Session, plan: Plan, expected: dict[str, float]) -> PredictedLog:
    """What a language model expects of a plan, as a predicted log of one point."""
    final = expected["final"]
    low, high = sorted((expected.get("low", final), expected.get("high", final)))
    if not low <= final <= high:
        raise ToolError(f"The final {final} is not between low {low} and high {high}.")
    n_steps = plan.model_card.expectations[plan.data_card.task].n_steps
    point = PredictedPoint(n_steps, median=final, low=low, high=high)
    return PredictedLog(LANGUAGE_MODEL, session.metric.name, (point,), 0.0, 0.0)


def _describe_expert(session: Session, expert: Expert, words: list[str]) -> dict[str, Any]:
    card = expert.card
    expected, source = _expect_score(session, card)
    text = f"{card.name} {card.structure} {card.description}".lower()
    return {
        "expert": card.name,
        "structure": card.structure,
        "description": card.description[:_MAX_DESCRIPTION],
        "expected_score": float(f"{expected:.4g}"),
        "expected_from": source,
        "n_words_found": sum(word in text for word in words),
    }


def _expect_score(session: Session, card: ModelCard) -> tuple[float, str]:
    """What the expert is expected to reach, and what says so."""
    transfer = propose_settings(session, card)
    if transfer is not None and transfer.is_transferred:
        return transfer.candidates[0].expected, "similar data sets"
    chance = session.find_chance()
    assert chance is not None  # a profiled card has the statistics of its labels
    log = predict_from_card(session.known_card, card, session.metric, chance=chance)
    return log.final.median, "its card"


def _show_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter of a search space without what the controller does not need to choose a value."""
    return {key: value for key, value in parameter.items() if key not in ("description", "log")}


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
        reason = str(exc)
        if isinstance(exc, PluginError):
            # The expert has the data card, and may quote it.
            told = mask_strange_text(exc.reason, (), session.privacy)
            reason = f"Plugin {distribution}: {told} {exc.remedy}"
        raise ToolError(f"The plan {plan.plan_id} is dropped. {reason}") from exc
    return dict(scripts)


def _check_may_generate(session: Session) -> None:
    if not (session.sandbox.is_container or session.request.sandbox_options.allow_generated):
        raise ToolError(
            f"Generated code does not run in the sandbox {session.sandbox.name!r}; leave `text` "
            "out to let the expert write the script."
        )


def _before_approval(session: Session) -> bool:
    return session.card is not None and not session.is_approved and not session.is_ended


def _with_plan(session: Session) -> bool:
    return bool(session.plans) and not session.is_approved and not session.is_ended


def _with_script(session: Session) -> bool:
    may_repair = any(map(session.may_repair, session.plans)) and not session.is_ended
    return may_repair or _with_plan(session)


PLANNING_TOOLS = (
    Tool(
        "search_experts",
        "Find the installed experts that fit the data set, by their model cards.",
        builtin_parameters("search_experts"),
        search_experts,
        _before_approval,
    ),
    Tool(
        "find_similar_datasets",
        "Find the known data sets most like this one, and settings that did well on them.",
        builtin_parameters("find_similar_datasets"),
        find_similar_datasets,
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
        _with_script,
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
