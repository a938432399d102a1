"""Curves in text: a sparkline, a plot with the predicted band, and where a score fell in it."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from automl_agent.cards.predicted_log import PredictedPoint
from automl_agent.ui.rendering import format_number

Points = Sequence[tuple[int, float]]
# A part of a line and what it is: "measured", "predicted" or "axis".
Piece = tuple[str, str]
_BLOCKS = "▁▂▃▄▅▆▇█"
# Unicode numbers the eight dots of a braille cell column by column, the last row separately.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800
_GAUGE_MARGIN = 0.15


def draw_sparkline(values: Sequence[float], width: int, *, has_unicode: bool) -> str:
    """The course of the values in one line; nothing where the terminal has no blocks."""
    if not has_unicode or len(values) < 2:
        return ""
    low, high = min(values), max(values)
    scale = (len(_BLOCKS) - 1) / ((high - low) or 1.0)
    n_shown = min(width, len(values))
    ends = [math.ceil((index + 1) * len(values) / n_shown) - 1 for index in range(n_shown)]
    return "".join(_BLOCKS[round((values[end] - low) * scale)] for end in ends)


def draw_gauge(
    predicted: tuple[float, float, float], measured: float, width: int, *, has_unicode: bool
) -> str:
    """Where a score fell: the predicted interval (low, median, high) as a line, the score on it."""
    low, median, high = predicted
    margin = _GAUGE_MARGIN * ((high - low) or 1.0)
    start, end = low - margin, high + margin
    line, left, middle, right, mark = "─├┼┤●" if has_unicode else "-[+]o"

    def place(value: float) -> int:
        share = (value - start) / (end - start)
        return min(width - 1, max(0, round(share * (width - 1))))

    cells = [" "] * width
    cells[place(low) : place(high) + 1] = line * (place(high) - place(low) + 1)
    for value, character in ((low, left), (high, right), (median, middle), (measured, mark)):
        cells[place(value)] = character
    return "".join(cells)


def draw_plot(
    measured: Points,
    predicted: Sequence[PredictedPoint],
    *,
    width: int,
    height: int,
    has_unicode: bool,
) -> list[list[Piece]]:
    """A curve over the predicted band, as the pieces of lines; axes are labelled.

    measured: steps that do not descend, and the metric after each.
    """
    if not measured and not predicted:
        return []
    scale = _Scale(measured, predicted, width, height)
    cells = [[(" ", "axis")] * width for _ in range(height)]
    for column in range(width):
        for value, mark in scale.find_band(predicted, column):
            cells[scale.row(value)][column] = (mark if has_unicode else ".", "predicted")
    drawn = _draw_braille if has_unicode else _draw_stars
    for row, column, character in drawn(measured, scale):
        cells[row][column] = (character, "measured")
    return [*_label_rows(cells, scale), [(_label_steps(scale), "axis")]]


class _Scale:
    """From steps and values to cells."""

    def __init__(
        self, measured: Points, predicted: Sequence[PredictedPoint], width: int, height: int
    ) -> None:
        values = [value for _, value in measured]
        values += [v for p in predicted for v in (p.low, p.median, p.high)]
        self.low, self.high = min(values), max(values)
        self.width, self.height = width, height
        steps = [step for step, _ in measured] + [point.step for point in predicted]
        self.first, self.last = min(steps), max(steps)

    def share(self, value: float) -> float:
        """How far down a value lies, from 0 at the top to 1."""
        return (self.high - value) / ((self.high - self.low) or 1.0)

    def row(self, value: float) -> int:
        return min(self.height - 1, int(self.share(value) * self.height))

    def along(self, step: int) -> float:
        """How far right a step lies, from 0 to 1."""
        return (step - self.first) / ((self.last - self.first) or 1)

    def find_band(
        self, predicted: Sequence[PredictedPoint], column: int
    ) -> Iterator[tuple[float, str]]:
        """The bounds and the median at a column, where they were predicted."""
        if not predicted:
            return
        step = self.first + (self.last - self.first) * column / max(1, self.width - 1)
        after = next((i for i, p in enumerate(predicted) if p.step >= step), None)
        if after is None or (after == 0 and predicted[0].step - step > 0.5):
            return
        right, left = predicted[after], predicted[max(0, after - 1)]
        span = (right.step - left.step) or 1
        share = (step - left.step) / span
        for name, mark in (("low", "·"), ("high", "·"), ("median", "┄")):
            start, end = getattr(left, name), getattr(right, name)
            yield start + (end - start) * min(1.0, max(0.0, share)), mark


def _draw_braille(measured: Points, scale: _Scale) -> Iterator[tuple[int, int, str]]:
    dots: dict[tuple[int, int], int] = {}
    n_across, n_down = 2 * scale.width, 4 * scale.height
    for x, y in _trace(measured, scale, n_across, n_down):
        place = (y // 4, x // 2)
        dots[place] = dots.get(place, 0) | _DOTS[y % 4][x % 2]
    for (row, column), bits in dots.items():
        yield row, column, chr(_BRAILLE + bits)


def _draw_stars(measured: Points, scale: _Scale) -> Iterator[tuple[int, int, str]]:
    for x, y in _trace(measured, scale, scale.width, scale.height):
        yield y, x, "*"


def _trace(
    measured: Points, scale: _Scale, n_across: int, n_down: int
) -> Iterator[tuple[int, int]]:
    """The dots of the curve, with those between two points that lie apart."""
    before: tuple[int, int] | None = None
    for step, value in measured:
        x = min(n_across - 1, int(scale.along(step) * (n_across - 1) + 0.5))
        y = min(n_down - 1, int(scale.share(value) * n_down))
        yield from _connect(before, (x, y)) if before else [(x, y)]
        before = (x, y)


def _connect(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    n_dots = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for index in range(1, n_dots + 1):
        share = index / n_dots
        x = start[0] + (end[0] - start[0]) * share
        y = start[1] + (end[1] - start[1]) * share
        yield round(x), round(y)


def _label_rows(cells: list[list[Piece]], scale: _Scale) -> Iterator[list[Piece]]:
    labels = {0: format_number(scale.high), scale.height - 1: format_number(scale.low)}
    width = max(map(len, labels.values()))
    for row, line in enumerate(cells):
        grouped = groupby(line, key=lambda cell: cell[1])
        pieces = [("".join(c for c, _ in cells_of), kind) for kind, cells_of in grouped]
        yield [(f"{labels.get(row, ''):>{width}} ", "axis"), *pieces]


def _label_steps(scale: _Scale) -> str:
    margin = " " * (max(len(format_number(v)) for v in (scale.high, scale.low)) + 1)
    first, last = f"step {scale.first}", str(scale.last)
    return margin + first + last.rjust(max(len(last) + 1, scale.width - len(first)))
