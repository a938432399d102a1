"""Delivery: the best trials again with all rows, as far as time and luck go, and always a model."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl_agent.errors import InputError, SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.training.batch import Batch
from automl_agent.training.blend import blend_predictions
from automl_agent.training.constraints import Earlier, parse_constraint
from automl_agent.training.dataset import Dataset
from automl_agent.training.delivery import (
    MAX_FINALISTS,
    Delivery,
    choose_finalists,
    deliver,
    estimate_delivery_s,
    save_model,
)
from automl_agent.training.leaderboard import score_all
from automl_agent.training.measuring import MEASURE_RESERVE_S
from automl_agent.training.scoring import BUILTIN_METRICS, score_predictions
from automl_agent.training.trial import Trial, run_trial

from .conftest import ARROW_CARD, PREDICT, TRAIN, TRAIN_AND_SAVE, OpenBatch, make_plan

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
LOG_LOSS = METRICS["log_loss"]


# Each expert knows one half of the rows, told apart by the second digit of the number.
HALF = TRAIN_AND_SAVE.replace(
    "return np.column_stack",
    "knows = (np.abs(size) * 100).astype(int) % 2 == (rate > 0.2)\n"
    "    positive = np.where(knows, positive, 0.5)\n    return np.column_stack",
)


def make_trial(score: float | None, *, seconds: float = 1.0, trial_id: str = "t") -> Trial:
    """A trial that is known from its numbers alone."""
    return Trial(
        trial_id=trial_id,
        plan_id="tiny",
        expert="tiny",
        settings={},
        status="ok" if score is not None else "error",
        score=score,
        seconds=seconds,
        max_rss_mib=1.0,
        n_steps=None,
        job_id="0001",
        folder=Path("nowhere"),
    )


class Run:
    """Some trials of one plan, and what is needed to deliver them."""

    def __init__(self, plan: Plan, batch: Batch, dataset: Dataset, rates: list[float]) -> None:
        self.plan, self.batch, self.dataset = plan, batch, dataset
        self.trials = [
            run_trial(
                batch,
                plan,
                dataset,
                LOG_LOSS,
                trial_id=f"tiny-{number}",
                settings={"rate": rate},
                seed=0,
                time_limit_s=30.0,
            )
            for number, rate in enumerate(rates, 1)
        ]

    def deliver(
        self,
        *,
        time_left_s: Callable[[], float] = lambda: 60.0,
        constraints: Sequence[str] = (),
        earlier: Earlier | None = None,
        **changes: Any,
    ) -> Delivery:
        return deliver(
            constraints=[parse_constraint(text, METRICS) for text in constraints],
            earlier=earlier,
            trials=self.trials,
            plans={"tiny": self.plan},
            batches={"tiny": self.batch},
            dataset=replace(self.dataset, **changes),
            metric=LOG_LOSS,
            metrics=METRICS,
            seed=0,
            time_left_s=time_left_s,
        )

    def save(self, delivery: Delivery, folder: Path) -> None:
        self.batch.close()
        save_model(delivery, {"tiny": self.plan}, {"tiny": self.batch}, folder)


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(dataset: Dataset, open_batch: OpenBatch) -> MakeRun:
    """Makes runs with one trial for each rate."""

    def make(rates: list[float], train: str = TRAIN_AND_SAVE) -> Run:
        plan = make_plan(dataset.card, train, PREDICT, model_card=ARROW_CARD)
        return Run(plan, open_batch(plan), dataset, rates)

    return make


def read_n_rows(run: Run, job_id: str) -> int:
    """The number of rows that a job's model was trained with."""
    text = (run.batch.job_folder(job_id) / "model" / "model.json").read_text()
    return int(json.loads(text)["n_rows"])


@pytest.mark.parametrize(
    ("metric", "best"),
    [pytest.param("rmse", [1, 2, 3, 4, 5], id="least"), ("r2", [7, 6, 5, 4, 3])],
    ids=["least is best", "most is best"],
)
def test_the_finalists_are_the_best_of_those_that_finished(metric: str, best: list[int]) -> None:
    scores = [3, 1, None, 7, 5, 2, 6, 4]
    trials = [make_trial(score) for score in scores]
    assert [t.score for t in choose_finalists(METRICS[metric], trials)] == best
    assert len(best) == MAX_FINALISTS
    assert choose_finalists(METRICS[metric], [make_trial(None)]) == []


def test_the_estimate_counts_the_finalists_with_some_room() -> None:
    trials = [make_trial(score, seconds=seconds) for score, seconds in [(1, 2), (2, 3), (None, 9)]]
    assert estimate_delivery_s(LOG_LOSS, trials) == pytest.approx(1.6 * 5)


def test_the_best_trials_are_delivered_with_all_rows(make_run: MakeRun) -> None:
    run = make_run([0.01, 0.3, 0.1])
    delivery = run.deliver()
    assert {trial_id: refit.job_id for trial_id, refit in delivery.refits.items()} == {
        "tiny-2": "0004",
        "tiny-3": "0005",
        "tiny-1": "0006",
    }
    for refit in delivery.refits.values():
        assert refit.from_all_rows
        assert read_n_rows(run, refit.job_id) == run.dataset.n_development
        assert read_n_rows(run, refit.trial.job_id) == run.dataset.n_train


def test_the_leaderboard_has_the_delivered_first_then_the_best(make_run: MakeRun) -> None:
    run = make_run([0.01, 0.3, 0.02, 0.1, 0.2, 0.05, 0.6])
    delivery = run.deliver()
    names = [row.name for row in delivery.leaderboard]
    scores = [row.valid_score for row in delivery.leaderboard]
    assert names[0] == delivery.chosen
    assert scores[1:] == sorted(scores[1:])
    assert scores[0] == min(scores)
    assert {name for name in names if name != "blend"} == {t.trial_id for t in run.trials}
    # The five best were trained again; the others have no held-out score.
    refitted = {row.name for row in delivery.leaderboard if row.scores is not None}
    assert refitted - {"blend"} == set(delivery.refits)
    assert len(delivery.refits) == MAX_FINALISTS
    assert delivery.split_fingerprint == run.dataset.split_fingerprint


def test_the_rows_of_the_leaderboard_have_the_scores_of_the_framework(make_run: MakeRun) -> None:
    run = make_run([0.05, 0.3])
    delivery = run.deliver()
    labels = run.dataset.holdout_labels
    for row in delivery.leaderboard:
        if row.name == "blend":
            held_out = {name: refit.predictions for name, refit in delivery.refits.items()}
            predictions = blend_predictions(delivery.weights, held_out)
        else:
            predictions = delivery.refits[row.name].predictions
        assert row.scores == {
            name: score_predictions(METRICS[name], labels, predictions)
            for name in ("log_loss", "accuracy", "roc_auc")
        }
        assert json.loads(json.dumps(row.to_json()))["scores"] == row.scores


def test_members_with_errors_of_their_own_are_blended(make_run: MakeRun) -> None:
    delivery = make_run([0.2, 0.25], HALF).deliver()
    assert delivery.chosen == "blend"
    blend, *others = delivery.leaderboard
    assert (blend.name, blend.expert, blend.settings) == ("blend", "blend", delivery.weights)
    assert set(delivery.weights) == {"tiny-1", "tiny-2"}
    assert sum(delivery.weights.values()) == pytest.approx(1)
    assert blend.valid_score < min(row.valid_score for row in others)
    assert blend.seconds == pytest.approx(sum(row.seconds for row in others))


# A surer expert has a larger model: 1 MiB for each 0.1 of its rate.
SIZED = TRAIN_AND_SAVE.replace("rate=rate)", "rate=rate, padding='x' * int(rate * 10 * 2**20))")
UNSURE, MIDDLE, SURE = 0.05, 0.1, 0.2


def test_without_constraints_only_what_is_free_is_measured(make_run: MakeRun) -> None:
    run = make_run([UNSURE, SURE], SIZED)
    delivery = run.deliver()
    assert delivery.verdicts == ()
    assert delivery.chosen == "tiny-2"
    assert delivery.measures["model_mib"] == pytest.approx(10 * SURE, rel=1e-3)
    assert delivery.measures["fit_seconds"] == delivery.refits["tiny-2"].seconds
    assert (delivery.measures["predict_ms_per_row"], delivery.measures["n_members"]) == (None, 1)
    # Two trials and two refits.
    assert not run.batch.job_folder("0005").exists()


@pytest.mark.parametrize(
    ("constraints", "chosen", "are_met"),
    [
        pytest.param(["model_mib <= 3"], "tiny-3", [True], id="one that it keeps to anyway"),
        pytest.param(["model_mib <= 1.5"], "tiny-2", [True], id="the best that is small enough"),
        pytest.param(["model_mib < 0.1"], "tiny-1", [False], id="none is: the smallest"),
        pytest.param(["smaller"], "tiny-1", [True], id="the smallest"),
        pytest.param(
            ["smaller", "log_loss <= earlier + 10 %"], "tiny-2", [True, True], id="within limits"
        ),
    ],
)
def test_the_constraints_decide_what_is_delivered(
    constraints: list[str], chosen: str, are_met: list[bool], make_run: MakeRun
) -> None:
    run = make_run([UNSURE, MIDDLE, SURE], SIZED)
    middle = run.deliver(constraints=["model_mib <= 1.5"])
    scores = middle.leaderboard[0].scores or {}
    earlier = Earlier({**middle.valid_scores, "model_mib": 3.0}, {**scores, "model_mib": 3.0})
    delivery = run.deliver(constraints=constraints, earlier=earlier)
    assert (delivery.chosen, dict(delivery.weights)) == (chosen, {chosen: 1.0})
    assert [verdict.is_met for verdict in delivery.verdicts] == are_met
    assert [verdict.text for verdict in delivery.verdicts] == constraints
    assert delivery.verdicts[0].measured == delivery.measures["model_mib"]
    assert delivery.leaderboard[0].name == chosen


def test_a_score_is_judged_on_held_out_rows_and_chosen_by_validation_rows(
    make_run: MakeRun,
) -> None:
    run = make_run([UNSURE, SURE], SIZED)
    constraints = ["f1_macro >= 0.5", "model_mib <= 1"]
    delivery = run.deliver(constraints=constraints)
    scores = delivery.leaderboard[0].scores or {}
    assert [v.measured for v in delivery.verdicts] == [
        scores["f1_macro"],
        delivery.measures["model_mib"],
    ]
    assert delivery.verdicts[0].is_met
    # With labels that are all the other way the choice is the same, and is found to be bad.
    mirrored = run.deliver(constraints=constraints, holdout_labels=1 - run.dataset.holdout_labels)
    assert (mirrored.chosen, mirrored.weights) == (delivery.chosen, delivery.weights)
    assert mirrored.valid_scores == delivery.valid_scores
    assert [verdict.is_met for verdict in mirrored.verdicts] == [False, True]


def test_the_earlier_scores_on_validation_rows_choose_and_those_on_held_out_rows_judge(
    make_run: MakeRun,
) -> None:
    run = make_run([UNSURE, SURE], SIZED)
    earlier = Earlier({"log_loss": 10.0, "model_mib": 9.0}, {"log_loss": 1e-6, "model_mib": 9.0})
    delivery = run.deliver(constraints=["smaller", "log_loss <= earlier"], earlier=earlier)
    # By the first even the unsure one is good enough, by the second none is.
    assert delivery.chosen == "tiny-1"
    assert [(v.bound, v.is_met) for v in delivery.verdicts] == [(9.0, True), (1e-6, False)]


def test_a_small_trial_is_a_finalist_though_many_are_better(make_run: MakeRun) -> None:
    run = make_run([UNSURE, 0.14, 0.15, 0.16, 0.17, 0.18, 0.19], SIZED)
    assert "tiny-1" not in run.deliver().refits
    delivery = run.deliver(constraints=["model_mib <= 1"])
    assert delivery.chosen == "tiny-1"
    assert len(delivery.refits) == MAX_FINALISTS


def test_the_speed_is_measured_where_it_is_asked_for(make_run: MakeRun) -> None:
    delivery = make_run([UNSURE, SURE]).deliver(constraints=["predict_ms_per_row <= 1"])
    speeds = {row.name: row.measures["predict_ms_per_row"] for row in delivery.leaderboard}
    assert all(speed is not None and 0 < speed < 1 for speed in speeds.values())
    assert delivery.verdicts[0].measured == delivery.measures["predict_ms_per_row"]
    assert delivery.verdicts[0].is_met
    assert json.loads(json.dumps(delivery.leaderboard[0].to_json()))["measures"][
        "predict_ms_per_row"
    ] == pytest.approx(delivery.verdicts[0].measured, rel=1e-3)


def test_without_time_to_measure_the_speed_a_model_is_delivered_all_the_same(
    make_run: MakeRun,
) -> None:
    delivery = make_run([SURE]).deliver(
        constraints=["predict_ms_per_row <= 1"], time_left_s=lambda: 0.0
    )
    assert delivery.chosen == "tiny-1"
    assert [(v.measured, v.is_met) for v in delivery.verdicts] == [(None, False)]


def test_a_blend_costs_what_its_members_cost_and_one_model_is_simpler(make_run: MakeRun) -> None:
    run = make_run([0.2, 0.25], HALF)
    blend = run.deliver()
    costs = [row.measures for row in blend.leaderboard[1:]]
    assert blend.measures["n_members"] == 2
    for name in ("model_mib", "fit_seconds"):
        assert blend.measures[name] == pytest.approx(sum(cost[name] or 0 for cost in costs))
        assert blend.leaderboard[0].measures[name] == blend.measures[name]
    simple = run.deliver(
        constraints=["simpler"], earlier=Earlier({"n_members": 2}, {"n_members": 2})
    )
    best = min(blend.leaderboard[1:], key=lambda row: row.valid_score)
    assert (simple.chosen, simple.measures["n_members"]) == (best.name, 1)


def test_a_relative_constraint_without_an_earlier_result_is_refused_before_any_training(
    make_run: MakeRun,
) -> None:
    run = make_run([SURE])
    with pytest.raises(InputError, match="there is none yet"):
        run.deliver(constraints=["smaller"])
    assert not run.batch.job_folder("0002").exists()


def test_measuring_takes_its_part_of_the_time() -> None:
    trials = [make_trial(1, seconds=2), make_trial(2, seconds=3)]
    fast = [parse_constraint("predict_ms_per_row <= 1", METRICS)]
    small = [parse_constraint("model_mib <= 1", METRICS)]
    without = estimate_delivery_s(LOG_LOSS, trials)
    assert estimate_delivery_s(LOG_LOSS, trials, small) == without
    assert estimate_delivery_s(LOG_LOSS, trials, fast) == without + 2 * MEASURE_RESERVE_S


def test_held_out_labels_have_no_part_in_the_choice(make_run: MakeRun) -> None:
    run = make_run([0.05, 0.3])
    delivery = run.deliver()
    mirrored = run.deliver(holdout_labels=1 - run.dataset.holdout_labels)
    assert (mirrored.chosen, mirrored.weights) == (delivery.chosen, delivery.weights)
    assert [row.name for row in mirrored.leaderboard] == [row.name for row in delivery.leaderboard]
    assert mirrored.leaderboard[0].scores != delivery.leaderboard[0].scores


def test_without_time_the_best_trials_own_model_is_taken(make_run: MakeRun) -> None:
    run = make_run([0.05, 0.3])
    delivery = run.deliver(time_left_s=lambda: 0.0)
    assert (list(delivery.refits), delivery.chosen) == (["tiny-2"], "tiny-2")
    refit = delivery.refits["tiny-2"]
    assert (refit.job_id, refit.from_all_rows) == ("0002", False)
    assert read_n_rows(run, refit.job_id) == run.dataset.n_train


def test_when_the_time_ends_after_the_first_the_others_are_left_out(make_run: MakeRun) -> None:
    times = iter([60.0, 0.0, 0.0])
    delivery = make_run([0.05, 0.3, 0.1]).deliver(time_left_s=lambda: next(times))
    assert list(delivery.refits) == ["tiny-2"]
    assert delivery.refits["tiny-2"].from_all_rows


def test_a_best_trial_that_takes_too_long_again_keeps_its_own_model_beside_the_others(
    make_run: MakeRun,
) -> None:
    run = make_run([0.05, 0.3])
    run.trials[1] = replace(run.trials[1], seconds=1000.0)
    refits = run.deliver().refits
    assert {name: refit.from_all_rows for name, refit in refits.items()} == {
        "tiny-2": False,
        "tiny-1": True,
    }


def fail_refits(condition: str) -> str:
    """A training script that fails without validation rows where the condition holds."""
    refusal = f"assert job['data']['valid'] or not ({condition}), 'no refit'"
    return f"{TRAIN}\n{refusal}\n{TRAIN_AND_SAVE}"


def test_a_refit_that_fails_leaves_the_delivery_to_the_other_finalists(make_run: MakeRun) -> None:
    delivery = make_run([0.05, 0.3, 0.1], fail_refits("rate == 0.3")).deliver()
    assert list(delivery.refits) == ["tiny-3", "tiny-1"]
    assert "tiny-2" not in delivery.weights
    # Its validation score is still told, below what is delivered.
    assert delivery.leaderboard[0].name == delivery.chosen
    assert {row.name: row.scores for row in delivery.leaderboard}["tiny-2"] is None


def test_when_all_refits_fail_the_best_trials_own_model_is_taken(make_run: MakeRun) -> None:
    delivery = make_run([0.05, 0.3], fail_refits("True")).deliver()
    assert {name: refit.from_all_rows for name, refit in delivery.refits.items()} == {
        "tiny-2": False
    }


def test_when_that_is_gone_too_the_next_ones_is_taken(make_run: MakeRun) -> None:
    run = make_run([0.05, 0.3], fail_refits("True"))
    (run.trials[1].folder / "model" / "model.json").unlink()
    assert list(run.deliver().refits) == ["tiny-1"]


def test_when_nothing_can_be_delivered_the_first_reason_is_told(make_run: MakeRun) -> None:
    run = make_run([0.3], fail_refits("True"))
    (run.trials[0].folder / "model" / "model.json").unlink()
    with pytest.raises(SandboxError, match=r"(?s)tiny-1: error\. .*no refit"):
        run.deliver()
    run.trials = []
    with pytest.raises(SandboxError, match="No trial has finished"):
        run.deliver()


def test_a_score_that_the_labels_do_not_allow_is_left_out() -> None:
    labels, predictions = np.zeros(3, dtype=int), np.full((3, 2), 0.5)
    scores = score_all(METRICS["roc_auc"], METRICS, "binary_classification", labels, predictions)
    assert scores == {"log_loss": pytest.approx(np.log(2)), "accuracy": 1.0}


def test_the_metric_that_was_asked_for_comes_first() -> None:
    labels, predictions = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    scores = score_all(METRICS["brier"], METRICS, "binary_classification", labels, predictions)
    assert list(scores) == ["brier", "log_loss", "accuracy", "roc_auc"]


def test_a_saved_model_has_its_members_scripts_and_a_manifest(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run([0.05, 0.3])
    delivery = run.deliver()
    run.save(delivery, tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert manifest == {
        "members": [
            {
                "trial_id": trial_id,
                "expert": "tiny",
                "weight": weight,
                "settings": dict(delivery.refits[trial_id].trial.settings),
                "model_card": run.plan.model_card.to_json(),
                "generated": [],
            }
            for trial_id, weight in delivery.weights.items()
        ],
        "categories": {"color": ["blue", "green", "red"]},
    }
    for trial_id in delivery.weights:
        scripts = {
            p.name: p.read_text() for p in (tmp_path / "model" / f"{trial_id}-scripts").iterdir()
        }
        assert scripts == run.plan.scripts
        saved = (tmp_path / "model" / trial_id / "model.json").read_text()
        assert json.loads(saved)["n_rows"] == run.dataset.n_development
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o700


def test_a_model_that_holds_what_it_must_not_leaves_nothing(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run([0.3], f"{TRAIN_AND_SAVE}\n(OUT / 'model' / 'model.pkl').touch()")
    delivery = run.deliver()
    with pytest.raises(SandboxError, match=r"'model.pkl' is of a kind that is refused"):
        run.save(delivery, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    (run.batch.job_folder("0002") / "model" / "model.pkl").unlink()
    run.save(delivery, tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "manifest.json",
        "tiny-1",
        "tiny-1-scripts",
    ]


def test_the_held_out_rows_are_predicted_in_their_order(make_run: MakeRun) -> None:
    run = make_run([0.3])
    size = pd.read_parquet(run.dataset.folder / "holdout_features.parquet")["c0"]
    predictions = run.deliver().refits["tiny-1"].predictions
    assert (predictions[:, 1] > 0.5).tolist() == (size > 0).tolist()
