"""Curves as text."""

import pytest

from automl_agent.cards.predicted_log import PredictedPoint
from automl_agent.ui.repl.curve import Piece, draw_gauge, draw_plot, draw_sparkline

BAND = (PredictedPoint(1, 0.9, 0.8, 1.0), PredictedPoint(101, 0.1, 0.0, 0.3))


def as_text(plot: list[list[Piece]]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in plot]


def test_a_sparkline_follows_the_values() -> None:
    assert draw_sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8, has_unicode=True) == "▁▂▃▄▅▆▇█"
    assert draw_sparkline(range(1000), 10, has_unicode=True)[-1] == "█"


@pytest.mark.parametrize(
    ("values", "has_unicode"),
    [([], True), ([1.0], True), ([1.0, 2.0], False)],
    ids=["nothing", "one value", "no blocks"],
)
def test_there_is_no_sparkline_of_nothing(values: list[float], has_unicode: bool) -> None:
    assert draw_sparkline(values, 10, has_unicode=has_unicode) == ""


def test_a_constant_is_a_flat_line() -> None:
    assert draw_sparkline([2.0, 2.0, 2.0], 3, has_unicode=True) == "▁▁▁"


@pytest.mark.parametrize(
    ("measured", "place"),
    [(0.0, "left"), (0.5, "inside"), (9.0, "right")],
    ids=["below", "as predicted", "far above"],
)
def test_a_gauge_shows_on_which_side_of_the_interval_a_score_fell(
    measured: float, place: str
) -> None:
    gauge = draw_gauge((0.4, 0.6, 0.8), measured, 20, has_unicode=False)
    assert len(gauge) == 20
    position = gauge.index("o")
    found = "left" if position < gauge.index("[") else "inside"
    assert (found if position < gauge.index("]") else "right") == place


def test_a_plot_shows_the_curve_over_the_band_with_its_ends_labelled() -> None:
    plot = draw_plot(
        [(1, 1.0), (51, 0.5), (101, 0.05)], BAND, width=20, height=5, has_unicode=False
    )
    lines = as_text(plot)
    assert lines[0].startswith("1.0000 *")
    assert lines[4].startswith("0.0000 ")
    assert lines[4].endswith("*")
    assert lines[5].split() == ["step", "1", "101"]
    assert {kind for line in plot for _, kind in line} == {"measured", "predicted", "axis"}


def test_a_plot_of_braille_is_connected() -> None:
    plot = draw_plot([(0, 1.0), (10, 0.0)], (), width=10, height=4, has_unicode=True)
    drawn = [text for line in plot for text, kind in line if kind == "measured"]
    assert all(0x2800 < ord(character) < 0x2900 for text in drawn for character in text)
    assert sum(map(len, drawn)) >= 10


def test_a_band_alone_is_a_plot_and_nothing_is_none() -> None:
    assert len(draw_plot([], BAND, width=10, height=4, has_unicode=True)) == 5
    assert draw_plot([], (), width=10, height=4, has_unicode=True) == []


def test_a_curve_that_is_longer_than_predicted_has_no_band_at_its_end() -> None:
    plot = draw_plot([(1, 1.0), (301, 0.5)], BAND, width=30, height=4, has_unicode=False)
    last = ["".join(text for text, _ in line)[-5:] for line in plot[:-1]]
    assert not any("." in cells for cells in last)
