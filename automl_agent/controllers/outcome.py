"""The outcome: what a session delivered, as the document that a run leaves."""

import json
from typing import Any

from automl_agent.controllers.conversation.session import Session
from automl_agent.sandboxes.step import write_whole
from automl_agent.training.comparison import compare_results
from automl_agent.training.constraints import COSTS
from automl_agent.training.leaderboard import round_costs


def build_result(session: Session, status: str) -> dict[str, Any]:
    """The result of a session that has delivered, also written to the run's folder."""
    delivery, card = session.delivery, session.known_card
    assert delivery is not None
    chosen = delivery.leaderboard[0]
    heaviest = max(delivery.weights, key=lambda trial_id: delivery.weights[trial_id])
    trial = delivery.refits[heaviest].trial
    scores = dict(chosen.scores or {})
    document: dict[str, Any] = {
        "run_id": session.run_id,
        "status": status,
        "task": card.task,
        "target": card.target,
        "metric": card.metric,
        "score": scores.get(card.metric),
        "scores": scores,
        "model": dict(delivery.weights),
        "leaderboard": [row.to_json() for row in delivery.leaderboard],
        "plan": session.plans[trial.plan_id].to_json(),
        "plans": [plan.to_json() for plan in session.plans.values()],
        "predictions": session.predictions,
        "stopped": list(session.stopped),
        "skipped": list(session.skipped),
        "measures": round_costs(delivery.measures),
        "valid_scores": dict(delivery.valid_scores),
        "verdicts": [verdict.to_json() for verdict in delivery.verdicts],
        "n_trials": len(session.trials),
        "usage": session.purse.to_json(),
        "seconds": round(session.budget.elapsed_s, 3),
        "split": delivery.split_fingerprint,
        "summary": session.summary,
        "hints": [_hint_text(hint.column, hint.text) for hint in card.hints or ()],
        "paths": {
            "run": str(session.directory.root),
            "model": str(session.directory.model),
            "data_card": str(session.directory.data_card),
            "paragraph": str(session.directory.paragraph(trial.plan_id)),
            "scripts": str(session.directory.model / f"{heaviest}-scripts"),
            "training_log": str(trial.folder / "training_log.jsonl"),
            "result": str(session.directory.result),
        },
    }
    if session.earlier is not None:
        document["comparison"] = compare_results(_measure_earlier(session), document)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    write_whole(session.directory.result, text)
    return document


def _measure_earlier(session: Session) -> dict[str, Any]:
    """The earlier result, with what was measured of it since then."""
    result, known = dict(session.earlier or {}), session.find_earlier()
    costs = known.held_out if known else {}
    measured = {name: costs[name] for name in COSTS if name in costs}
    return result | {"measures": {**result.get("measures", {}), **measured}}


def _hint_text(column: str | None, text: str) -> str:
    return f"{column}: {text}" if column else text
