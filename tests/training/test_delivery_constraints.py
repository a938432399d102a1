"""Delivery within constraints: they decide the choice, and are judged by what it measures."""

import json

import pytest

from automl_agent.errors import InputError
from automl_agent.training.constraints import Earlier, parse_constraint
from automl_agent.training.delivery import MAX_FINALISTS, estimate_delivery_s
from automl_agent.training.measuring import MEASURE_RESERVE_S

from .conftest import HALF, LOG_LOSS, METRICS, TRAIN_AND_SAVE, MakeRun, make_trial

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
    without = estimate_delivery_s(LOG_LOSS, trials, small)
    assert without == pytest.approx(1.2 * 5), "time for all that may fit"
    assert estimate_delivery_s(LOG_LOSS, trials, fast) == without + 2 * MEASURE_RESERVE_S
