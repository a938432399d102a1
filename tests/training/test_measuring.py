"""What a model costs: the size of its files, and the time of a further row."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_agent.errors import SandboxError
from automl_agent.sandboxes.collector import MAX_FILES
from automl_agent.training import measuring
from automl_agent.training.dataset import Dataset
from automl_agent.training.measuring import (
    add_costs,
    measure_model_mib,
    measure_refit,
    time_predictions,
)
from automl_agent.training.scoring import BUILTIN_METRICS
from automl_agent.training.trial import refit_trial, run_trial

from .conftest import ARROW_CARD, PREDICT, TRAIN_AND_SAVE, OpenBatch, make_plan

LOG_LOSS = BUILTIN_METRICS[0]
SETTINGS = {"rate": 0.3}


def write_model(folder: Path, sizes: dict[str, int]) -> Path:
    for name, n_bytes in sizes.items():
        (folder / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "model" / name).write_bytes(b"x" * n_bytes)
    return folder / "model"


def test_the_size_is_that_of_all_files_below(tmp_path: Path) -> None:
    model = write_model(tmp_path, {"a.json": 2**19, "inner/deep/b.npy": 2**18, "empty.txt": 0})
    assert measure_model_mib(model) == 0.75


def link_out(model: Path) -> None:
    (model / "link.npy").symlink_to(model.parent / "large")


def link_folder(model: Path) -> None:
    (model / "folder").symlink_to(model.parent)


def replace_by_link(model: Path) -> None:
    model.rename(model.parent / "other")
    model.symlink_to(model.parent / "other")


def make_pipe(model: Path) -> None:
    os.mkfifo(model / "pipe.npy")


def fill(model: Path) -> None:
    for number in range(MAX_FILES + 1):
        (model / f"{number}.json").touch()


def nest(model: Path) -> None:
    (model / "/".join("abcdef")).mkdir(parents=True)


def remove(model: Path) -> None:
    (model / "a.json").unlink()
    model.rmdir()


@pytest.mark.parametrize(
    "spoil", [link_out, link_folder, replace_by_link, make_pipe, fill, nest, remove]
)
def test_what_could_not_be_collected_has_no_size(
    spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    model = write_model(tmp_path, {"a.json": 10})
    (tmp_path / "large").write_bytes(b"x" * 2**20)
    assert measure_model_mib(model) is not None
    spoil(model)
    assert measure_model_mib(model) is None


def test_a_blend_costs_what_its_members_cost_together() -> None:
    one = {"model_mib": 1.0, "predict_ms_per_row": 0.5, "fit_seconds": 3.0}
    other = {"model_mib": 2.0, "predict_ms_per_row": None, "fit_seconds": 4.0}
    assert add_costs([one, one]) == {
        "model_mib": 2.0,
        "predict_ms_per_row": 1.0,
        "fit_seconds": 6.0,
        "n_members": 2.0,
    }
    assert add_costs([one, other])["predict_ms_per_row"] is None
    assert add_costs([one])["n_members"] == 1.0


@pytest.mark.parametrize(
    ("n_rows", "ms_per_row", "timed"),
    [
        pytest.param(100, 0.01, [1, 100, 10_000, 1], id="few rows are repeated"),
        pytest.param(1, 1.0, [1, 1, 100, 1], id="a single row too"),
        pytest.param(100, 50.0, [1, 100], id="slow ones are not"),
        pytest.param(50_000, 0.001, [1, 50_000], id="many rows are enough"),
    ],
)
def test_the_start_of_the_script_does_not_count(
    n_rows: int, ms_per_row: float, timed: list[int]
) -> None:
    seen = []

    def time_rows(n: int) -> float:
        seen.append(n)
        return 2.0 + n * ms_per_row / 1000

    measured = measuring._time_further_rows(time_rows, n_rows)
    assert measured == pytest.approx(ms_per_row)
    assert seen == timed


def test_what_is_lost_in_the_noise_is_no_faster_than_what_can_be_told() -> None:
    times = iter([2.0, 1.9, 1.8, 2.1])
    measured = measuring._time_further_rows(lambda _: next(times), 100)
    assert measured == pytest.approx(0.001, rel=0.01)


def test_a_machine_that_was_busy_at_first_makes_no_model_fast() -> None:
    times = iter([5.0, 5.0, 3.0, 2.0])
    measured = measuring._time_further_rows(lambda _: next(times), 100)
    assert measured == pytest.approx(1000 * 1.0 / 9_999)


SLEEP = """
import time
n_rows = pq.ParquetFile(IN / job["data"]["predict"]).metadata.num_rows
time.sleep({start_s} + {ms_per_row} / 1000 * n_rows)
"""


@pytest.mark.parametrize("start_s", [0.0, 0.3])
def test_predictions_are_timed_in_the_sandbox_row_by_row(
    start_s: float, dataset: Dataset, open_batch: OpenBatch
) -> None:
    predict = PREDICT + SLEEP.format(start_s=start_s, ms_per_row=10)
    plan = make_plan(dataset.card, TRAIN_AND_SAVE, predict, model_card=ARROW_CARD)
    batch = open_batch(plan)
    trial = run_trial(
        batch,
        plan,
        dataset,
        LOG_LOSS,
        trial_id="t",
        settings=SETTINGS,
        seed=0,
        time_limit_s=30.0,
    )
    refit = refit_trial(batch, plan, trial, dataset, seed=0, time_limit_s=30.0)
    features = dataset.folder / "holdout_features.parquet"
    before = os.umask(0o077)
    costs = measure_refit(batch, plan, refit, features=features, time_left_s=lambda: 60.0)
    os.umask(before)
    assert (batch.data_folder / "timing.parquet").stat().st_mode & 0o777 == 0o644
    # A second is timed, and the start varies by some tenths on a busy machine.
    assert costs["predict_ms_per_row"] == pytest.approx(10, rel=0.3)
    assert costs["fit_seconds"] == refit.seconds
    size = (batch.job_folder(refit.job_id) / "model" / "model.json").stat().st_size
    assert costs["model_mib"] == size / 2**20


def test_without_time_or_need_the_predictions_are_not_timed(
    dataset: Dataset, open_batch: OpenBatch
) -> None:
    plan = make_plan(dataset.card, TRAIN_AND_SAVE, "raise SystemExit(3)", model_card=ARROW_CARD)
    batch = open_batch(plan)
    options = {"trial_id": "t", "settings": SETTINGS, "seed": 0, "time_limit_s": 30.0}
    trial = run_trial(batch, plan, dataset, LOG_LOSS, **options)
    refit = refit_trial(batch, plan, trial, dataset, seed=0, time_limit_s=30.0)
    features = dataset.folder / "holdout_features.parquet"

    def measure(features: Path | None, time_left_s: float) -> float | None:
        costs = measure_refit(
            batch, plan, refit, features=features, time_left_s=lambda: time_left_s
        )
        return costs["predict_ms_per_row"]

    assert measure(None, 60.0) is None
    assert measure(features, 0.0) is None
    assert measure(features, 60.0) is None  # the script fails
    model = f"../out/{refit.job_id}/model"
    with pytest.raises(SandboxError, match="cannot be timed: error"):
        time_predictions(batch, plan, SETTINGS, model, features, limit_s=60.0)
    with pytest.raises(SandboxError, match="no time left"):
        time_predictions(batch, plan, SETTINGS, model, features, limit_s=0.0)
