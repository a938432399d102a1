"""The calibration as a picture: real against predicted scores, and how often intervals hold."""

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.errors import InputError, SetupError
from automl_agent.knowledge.prediction.calibration import observed_coverage
from automl_agent.knowledge.prediction.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg")
_SIZE_INCHES = (11, 5)
_DPI = 120


def draw_calibration(entries: Sequence[Entry], path: Path) -> None:
    """Draw the scored entries to a file.

    Raises: InputError if it ends in none of FORMATS, or nothing is scored yet; SetupError if
        matplotlib is missing, or the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"--plot {path} must end in {' or '.join(FORMATS)}.")
    scored = [entry for entry in entries if entry.state == "scored"]
    if not scored:
        raise InputError("There is nothing to draw: no prediction could be scored yet.")
    content = _render(scored, path.suffix.lower()[1:])
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise SetupError(
            f"{path} cannot be written ({exc.strerror}); choose another place."
        ) from exc


def _render(scored: Sequence[Entry], kind: str) -> bytes:
    try:
        # Not pyplot: it would look for a screen, and keep the figure for ever.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SetupError("--plot needs matplotlib; install it: pip install matplotlib") from exc
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_scores(left, scored)
    _draw_coverage(right, scored)
    content = io.BytesIO()
    with warnings.catch_warnings():
        # A predictor of a plugin may have a name that the font cannot write.
        warnings.simplefilter("ignore")
        figure.savefig(content, format=kind, dpi=_DPI)
    return content.getvalue()


def _draw_scores(axes: "Axes", scored: Sequence[Entry]) -> None:
    for name, of_one in _by_predictor(scored):
        shares = [found for entry in of_one if (found := _find_shares(entry)) is not None]
        if not shares:
            continue
        low, middle, high, real = zip(*shares, strict=True)
        widths = (
            [m - bound for m, bound in zip(middle, low, strict=True)],
            [bound - m for m, bound in zip(middle, high, strict=True)],
        )
        axes.errorbar(
            middle, real, xerr=widths, fmt="o", markersize=4, elinewidth=0.7, alpha=0.7, label=name
        )
    axes.axline((0, 0), slope=1, color="grey", linewidth=0.8)
    axes.set_xlabel("predicted, with its 80 % interval")
    axes.set_ylabel("real")
    axes.set_title("Final score: 0 is chance, 1 is perfect")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _draw_coverage(axes: "Axes", scored: Sequence[Entry]) -> None:
    for name, of_one in _by_predictor(scored):
        found = observed_coverage(of_one)
        axes.plot(*zip(*found, strict=True), marker="o", markersize=4, label=name)
    axes.axline((0, 0), slope=1, color="grey", linewidth=0.8)
    axes.axvline(0.8, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("share of scores that an interval is to hold")
    axes.set_ylabel("share that it held")
    axes.set_title("Coverage of intervals")
    axes.legend()


def _by_predictor(scored: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    for name in dict.fromkeys(entry.prediction.predictor for entry in scored):
        # Between two dollar signs matplotlib reads a formula.
        label = f"{name} ".replace("$", r"\$").lstrip("_")
        yield label, [entry for entry in scored if entry.prediction.predictor == name]


def _find_shares(entry: Entry) -> tuple[float, float, float, float] | None:
    """The bounds, the median and the real score, in order, as shares of the way from chance."""
    subject, final = entry.subject, entry.prediction.final
    if subject.chance is None or entry.score is None:
        return None
    chance = subject.chance
    shares = [subject.share_of_way(v - chance) for v in (final.low, final.median, final.high)]
    real = subject.share_of_way(entry.score - chance)
    known = [share for share in shares if share is not None]
    if real is None or len(known) < len(shares):
        return None
    return (min(known), known[1], max(known), real)
