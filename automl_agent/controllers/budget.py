"""The budget: what a run may still take of time, trials and turns."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from automl_agent.errors import LimitError, ToolError

# A controller that needs more turns than this for one request goes round in circles.
MAX_TURNS = 200


@dataclass
class Budget:
    """Limits and what is used of them. Clocks are monotonic: setting the time changes nothing."""

    time_s: float
    n_trials: int
    clock: Callable[[], float] = time.monotonic
    n_trials_used: int = 0
    n_turns_used: int = 0
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self._started

    @property
    def time_left_s(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self.time_s - self.elapsed_s)

    @property
    def n_trials_left(self) -> int:
        """Trials that are left."""
        return self.n_trials - self.n_trials_used

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the clock: the time in which a person thinks is not the run's."""
        paused_at = self.clock()
        try:
            yield
        finally:
            self._started += self.clock() - paused_at

    def reserve_trial(self) -> None:
        """Count a trial before it starts.

        Raises: ToolError if none is left.
        """
        if self.n_trials_left < 1:
            raise ToolError(f"All {self.n_trials} trials are used; call finish.")
        self.n_trials_used += 1

    def too_short(self) -> LimitError:
        """The error for a run whose time does not suffice for one trial."""
        return LimitError(
            f"The time of {self.time_s:g} s was over before a trial finished; "
            "give more with --time."
        )

    def spent_reason(self) -> str | None:
        """Why there can be no further turn, or None."""
        if self.n_turns_used >= MAX_TURNS:
            return f"the controller took {MAX_TURNS} turns"
        if self.time_left_s <= 0:
            return f"the time of {self.time_s:g} s is over"
        return None
