"""`automl-agent calibration`: how well trainings were predicted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.errors import InputError, UnknownNameError
from automl_agent.knowledge.prediction.calibration import Calibration, calibrate, observed_coverage
from automl_agent.knowledge.prediction.ledger import Entry, Ledger
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import choose_run, home_folder, journal_path
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.rendering import show_table

_HEADERS = (
    "predictor",
    "expert",
    "scored",
    "unknown",
    "error",
    "bias",
    "rank",
    "within 80 %",
    "seconds",
    "memory",
)
_LEGEND = (
    "error: median, as a share of the way from a constant prediction to a perfect one; bias: above "
    "0 came out better; rank: Spearman's correlation within a data set, the median; within 80 %: "
    "with its 95 % interval; seconds, memory: real over predicted, and the factor it is off; "
    "unknown: stopped or failed trials, which are not scored."
)


@click.command()
@click.option("--expert", help="Only what was predicted for this expert.")
@click.option("--predictor", help='Only this predictor, such as "model card".')
@click.option("--run", "run", help='Only this run: its id, the beginning of it, or "last".')
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also draw it, to a file that ends in .png or .svg.",
)
@output_format
def calibration(
    expert: str | None,
    predictor: str | None,
    run: str | None,
    plot: Path | None,
    output_format: str,
) -> None:
    """Show how well trainings were predicted, for each predictor and expert."""
    recorded = _read_entries(run)
    entries = _choose(recorded, expert, predictor)
    calibrations = calibrate(entries)
    if plot is not None:
        from automl_agent.ui.calibration_plot import draw_calibration

        draw_calibration(entries, plot)
    if output_format == "json":
        coverage = observed_coverage(entries)
        print_json(
            {
                "n_predictions": len(entries),
                "calibrations": [one.to_json() for one in calibrations],
                "coverage": [{"nominal": level, "observed": share} for level, share in coverage],
                "plot": plot and str(plot.resolve()),
            }
        )
    elif not entries:
        click.echo(
            "No prediction of a training is recorded yet; each training of a run adds some: "
            "automl-agent run TABLE --target COLUMN"
        )
    else:
        show_table(_HEADERS, [_describe(one) for one in calibrations])
        click.echo(f"\n{_LEGEND}")
        if plot is not None:
            click.echo(escape_unseen(f"Drawn: {plot}"))


def _read_entries(run: str | None) -> list[Entry]:
    """All entries, or those of a run.

    Raises: UnknownNameError; InputError if several runs begin so.
    """
    with Journal(journal_path(home_folder())) as journal:
        if run is None:
            return Ledger(journal).entries()
        known = [row["run_id"] for row in reversed(journal.list_runs())]
        return Ledger(journal).entries(run_id=choose_run(known, run))


def _choose(entries: Sequence[Entry], expert: str | None, predictor: str | None) -> list[Entry]:
    """The entries of an expert and a predictor.

    Raises: UnknownNameError with the nearest name; InputError if the two do not occur together.
    """
    experts = {entry.subject.expert for entry in entries}
    predictors = {entry.prediction.predictor for entry in entries}
    for kind, name, known in (("expert", expert, experts), ("predictor", predictor, predictors)):
        if entries and name is not None and name not in known:
            raise UnknownNameError(kind, name, known)
    chosen = [
        entry
        for entry in entries
        if expert in (None, entry.subject.expert)
        and predictor in (None, entry.prediction.predictor)
    ]
    if entries and not chosen:
        raise InputError(f"The predictor {predictor!r} said nothing of {expert!r}; ask for one.")
    return chosen


def _describe(one: Calibration) -> list[str]:
    cover = one.coverage
    return [
        one.predictor if one.expert is None else "",
        one.expert or "all",
        str(one.n_scored),
        str(one.n_censored + one.n_open),
        _number(one.median_error),
        _number(one.bias, sign="+"),
        _number(one.ranking and one.ranking.median, sign="+"),
        f"{cover.share:.0%} ({cover.low:.0%} to {cover.high:.0%})" if cover else "-",
        _ratio(one.seconds_ratio, one.seconds_factor),
        _ratio(one.memory_ratio, one.memory_factor),
    ]


def _number(value: Any, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _ratio(ratio: float | None, factor: float | None) -> str:
    return "-" if ratio is None or factor is None else f"{ratio:.2f} (x{factor:.2f})"
