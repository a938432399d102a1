"""Delivery: the best trials again with all rows, as far as time and luck go, and always a model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl_agent.errors import SandboxError
from automl_agent.training.blend import blend_predictions
from automl_agent.training.delivery import MAX_FINALISTS, choose_finalists, estimate_delivery_s
from automl_agent.training.leaderboard import score_all
from automl_agent.training.scoring import score_predictions

from .conftest import HALF, LOG_LOSS, METRICS, TRAIN, TRAIN_AND_SAVE, MakeRun, Run, make_trial


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


def test_time_is_kept_for_one_finalist_for_each_three_trials() -> None:
    trials = [make_trial(score, seconds=10 - score) for score in range(10)]
    failed = [make_trial(None, seconds=60)]
    estimates = [estimate_delivery_s(LOG_LOSS, failed + trials[:n]) for n in (0, 1, 5, 6, 9, 10)]
    assert estimates == pytest.approx([0, 12, 12, 12 + 10.8, 12 + 10.8 + 9.6, 12 + 10.8 + 9.6])


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
