"""The budget: what a run may still take of time, trials and turns."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from automl_agent.errors import LimitError, ToolError

# A controller that needs more turns than this for one request goes round in circles.
MAX_TURNS = 200


@dataclass
class Stopwatch:
    """Counts the seconds since it was made, without those in which it was paused."""

    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def elapsed_s(self) -> float:
        """The seconds."""
        return self.clock() - self._started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the watch for as long as the context is open."""
        paused_at = self.clock()
        try:
            yield
        finally:
            self._started += self.clock() - paused_at


@dataclass
class Budget:
    """Limits and what is used of them. Clocks are monotonic: setting the time changes nothing.

    kept_s: seconds of the time that other tasks of the same request are to have.
    """

    time_s: float
    n_trials: int
    clock: Callable[[], float] = time.monotonic
    n_trials_used: int = 0
    n_turns_used: int = 0
    kept_s: float = 0.0
    watch: Stopwatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Stopwatch(self.clock)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self.watch.elapsed_s

    @property
    def time_left_s(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self.time_s - self.kept_s - self.elapsed_s)

    @property
    def n_trials_left(self) -> int:
        """Trials that are left."""
        return self.n_trials - self.n_trials_used

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the clock of all tasks: the time in which a person thinks is not the run's."""
        with self.watch.paused():
            yield

    def for_task(self, n_trials: int | None = None) -> "Budget":
        """The budget of one of several tasks: the same clock and time, trials of its own.

        n_trials: at most so many, if it is to have less than a task of the request may.
        """
        budget = Budget(self.time_s, min(self.n_trials, n_trials or self.n_trials), self.clock)
        budget.watch = self.watch
        return budget

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
            "allow more, with --time or in your words."
        )

    def spent_reason(self) -> str | None:
        """Why there can be no further turn, or None."""
        if self.n_turns_used >= MAX_TURNS:
            return f"the controller took {MAX_TURNS} turns"
        if self.time_left_s <= 0:
            return f"the time of {self.time_s:g} s is over"
        return None
