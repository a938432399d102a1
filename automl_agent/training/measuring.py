"""What a trained model costs: its size, and the time of its predictions."""

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from automl_agent.cards.model_card import Settings
from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.sandboxes.collector import MAX_DEPTH, MAX_FILES
from automl_agent.training.batch import Batch
from automl_agent.training.constraints import COSTS, N_MEMBERS
from automl_agent.training.dataset import repeat_rows
from automl_agent.training.job import Job
from automl_agent.training.trial import Refit

Costs = Mapping[str, float | None]

# What measuring one model takes at most, and what a delivery sets aside for it.
MEASURE_LIMIT_S = 30.0
MEASURE_RESERVE_S = 4.0
# Few rows are repeated until predicting them takes about so long: a script's start varies by some
# hundredths of a second.
_GOAL_S = 1.0
_MAX_ROWS = 20_000
_RESOLUTION_S = 0.01
# The least of several counts: whatever else the machine does only adds to a time.
_N_TIMES = 2
_TABLE = "timing.parquet"


def measure_refit(
    batch: Batch,
    plan: Plan,
    refit: Refit,
    *,
    features: Path | None,
    time_left_s: Callable[[], float],
) -> Costs:
    """What a finalist costs; None where it cannot be told.

    features: a table to predict for its time; None if the time is not asked for.
    """
    ms_per_row = None
    if features is not None:
        limit_s = min(time_left_s(), MEASURE_LIMIT_S)
        model = f"../out/{refit.job_id}/model"
        settings = refit.trial.settings
        try:
            ms_per_row = time_predictions(batch, plan, settings, model, features, limit_s=limit_s)
        except SandboxError:  # the model is there all the same
            ms_per_row = None
    return {
        "model_mib": measure_model_mib(batch.job_folder(refit.job_id) / "model"),
        "predict_ms_per_row": ms_per_row,
        "fit_seconds": refit.seconds if refit.from_all_rows else refit.trial.seconds,
    }


def add_costs(members: Sequence[Costs]) -> dict[str, float | None]:
    """What a blend costs: all of its members are kept, and all predict each row."""
    sums: dict[str, float | None] = {
        name: _add(member[name] for member in members) for name in COSTS
    }
    return {**sums, N_MEMBERS: float(len(members))}


def measure_model_mib(folder: Path) -> float | None:
    """The size of the files in a folder that untrusted code wrote; no link is followed.

    None if it cannot be read, or is larger in number or depth than what may be collected.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        # The folder that it lies in was the script's to replace, too.
        parent = os.open(folder.parent, flags)
        try:
            root = os.open(folder.name, flags, dir_fd=parent)
        finally:
            os.close(parent)
        try:
            sizes = _list_sizes(root, depth=0, n_left=[MAX_FILES])
        finally:
            os.close(root)
    except OSError:
        return None
    return None if sizes is None else sum(sizes) / 2**20


def time_predictions(
    batch: Batch,
    plan: Plan,
    settings: Settings,
    model: str,
    features: Path,
    *,
    limit_s: float,
) -> float:
    """The milliseconds that predicting a further row takes, in the plan's sandbox.

    Tables of one row and of many are predicted, and the difference counts: a script's start, which
    a service pays once, does not. It is timed here, as the sandbox's own clock proves nothing.
    model: as the job names it. features: the rows to predict; few are repeated.
    Raises: SandboxError if the script fails or takes longer than `limit_s` in all.
    """
    import pyarrow.parquet as pq

    ends_at = time.monotonic() + limit_s

    def time_rows(n_rows: int) -> float:
        table = batch.data_folder / _TABLE
        repeat_rows(features, table, n_rows)
        # A container runs as another user than the agent if that is root.
        table.chmod(0o644)
        job = Job(
            script="predict.py",
            card=plan.data_card,
            settings=settings,
            resources=plan.resources,
            seed=0,
            time_limit_s=limit_s,
            data={"train": None, "valid": None, "predict": f"data/{_TABLE}"},
            model=model,
        )
        return min(_time_job(batch, job, ends_at - time.monotonic()) for _ in range(_N_TIMES))

    n_rows = pq.ParquetFile(features).metadata.num_rows
    return _time_further_rows(time_rows, n_rows)


def _time_further_rows(time_rows: Callable[[int], float], n_rows: int) -> float:
    """Milliseconds a row. time_rows: the seconds that predicting so many rows takes."""
    start_s = time_rows(1)
    seconds = time_rows(n_rows) - start_s
    n_more = int(n_rows * _GOAL_S / max(seconds, _RESOLUTION_S))
    n_timed = min(n_more, max(_MAX_ROWS, n_rows))
    if n_timed >= 2 * n_rows:
        whole_s = time_rows(n_timed)
        # The machine may have been busier when the start was timed first.
        seconds = whole_s - min(start_s, time_rows(1))
    else:
        n_timed = n_rows
    # Where the difference is lost in the noise, the model is at least as fast as this says.
    return 1000 * max(seconds, _RESOLUTION_S) / max(n_timed - 1, 1)


def _time_job(batch: Batch, job: Job, limit_s: float) -> float:
    if limit_s <= 0:
        raise SandboxError("There is no time left to measure the predictions.")
    started = time.monotonic()
    end = batch.run(job, kill_after_s=limit_s)
    if end.status != "ok":
        raise SandboxError(f"The predictions cannot be timed: {end.status}. {end.message}")
    return time.monotonic() - started


def _list_sizes(folder: int, *, depth: int, n_left: list[int]) -> list[int] | None:
    """The sizes of all files below; None if there are too many. n_left: how many there may be."""
    sizes: list[int] = []
    if depth > MAX_DEPTH:
        return None
    with os.scandir(folder) as entries:
        for entry in entries:
            n_left[0] -= 1
            found = _measure_entry(folder, entry.name, depth=depth, n_left=n_left)
            if n_left[0] < 0 or found is None:
                return None
            sizes.extend(found)
    return sizes


def _measure_entry(folder: int, name: str, *, depth: int, n_left: list[int]) -> list[int] | None:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        return [status.st_size] if stat.S_ISREG(status.st_mode) else None
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        return _list_sizes(inner, depth=depth + 1, n_left=n_left)
    finally:
        os.close(inner)


def _add(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
