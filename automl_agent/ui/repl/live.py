"""The live region: the trial that runs, its curve over what was predicted, what is left."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from automl_agent.cards.documents import escape_unseen
from automl_agent.ui.repl.curve import Piece, draw_plot
from automl_agent.ui.repl.screen import Screen
from automl_agent.ui.repl.training_state import TrainingState

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

_REFRESHES_PER_S = 8
PLOT_HEIGHT = 6
_MAX_PLOT_WIDTH = 64
_LABEL_WIDTH = 12
STYLES = {"measured": "cyan", "predicted": "dim", "axis": "dim"}


class LiveRegion:
    """Below all that is said, as long as something trains. It shows `state` as it is."""

    def __init__(self, screen: Screen, state: TrainingState, left_s: Callable[[], float]) -> None:
        self._screen = screen
        self._state = state
        self._left_s = left_s
        self._live: Live | None = None

    def start(self) -> None:
        """Show it, if this terminal can be repainted."""
        if self._live is None and self._screen.is_live:
            from rich.live import Live

            self._live = Live(
                console=self._screen.console,
                get_renderable=self._draw,
                refresh_per_second=_REFRESHES_PER_S,
                transient=True,
                redirect_stdout=True,
                redirect_stderr=False,
            )
            self._live.start()

    def stop(self) -> None:
        """Take it away."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _draw(self) -> "Group":
        from rich.console import Group
        from rich.text import Text

        state = self._state
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append(f"  {escape_unseen(state.describe())}")
        head.append(f"   {state.n_ended}/{state.n_trials} trials", style="dim")
        head.append(f"   {self._left_s():.0f} s left", style="dim")
        return Group(head, *map(join_pieces, self._draw_plot()))

    def _draw_plot(self) -> list[list[Piece]]:
        return draw_plot(
            self._state.thinned_curve(),
            self._state.predicted_points(),
            width=plot_width(self._screen),
            height=PLOT_HEIGHT,
            has_unicode=self._screen.has_unicode,
        )


def plot_width(screen: Screen) -> int:
    """The columns of a plot beside its labels."""
    return min(_MAX_PLOT_WIDTH, screen.width - _LABEL_WIDTH)


def join_pieces(pieces: list[Piece]) -> "Text":
    """A line of a plot in its colours."""
    from rich.text import Text

    line = Text("  ", no_wrap=True)
    for text, kind in pieces:
        line.append(text, style=STYLES[kind])
    return line
