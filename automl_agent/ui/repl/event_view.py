"""What the person sees while a request is worked on: words, calls, trials, predictions."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from automl_agent.chat_models.chat_model import Usage
from automl_agent.controllers.purse import Purse
from automl_agent.ui.progress import (
    describe_gpus,
    describe_limit,
    describe_sandbox,
    describe_skipped,
)
from automl_agent.ui.rendering import describe_prediction, format_number
from automl_agent.ui.repl.call_lines import CallRecord
from automl_agent.ui.repl.curve import draw_gauge, draw_sparkline
from automl_agent.ui.repl.live import LiveRegion
from automl_agent.ui.repl.screen import Screen
from automl_agent.ui.repl.text_stream import TextStream
from automl_agent.ui.repl.training_state import TrainingState

Fields = Mapping[str, Any]
_SPARKLINE_WIDTH = 16
_GAUGE_WIDTH = 40
# Without a live region: often enough to see that it lives.
_LINE_EVERY_S = 5.0
_TRAINING = ("train", "tune", "finish")
_USAGE_FIELDS = tuple(field.name for field in fields(Usage))


@dataclass(frozen=True)
class RequestCost:
    """What the controller took for a request."""

    words: str
    purse: Purse = field(default_factory=Purse)


class EventView:
    """Takes events and shows them.

    calls: all that were answered, the first is number 1. costs: of each request, the last one last.
    left_s: the seconds that are left for the request. is_stopping: whether Ctrl-C came.
    """

    def __init__(self, screen: Screen) -> None:
        self.calls: list[CallRecord] = []
        self.costs: list[RequestCost] = []
        self.left_s: Callable[[], float] = lambda: 0.0
        self.is_stopping: Callable[[], bool] = lambda: False
        self._screen = screen
        self._state = TrainingState()
        self._stream = TextStream(screen)
        self._region = LiveRegion(screen, self._state, lambda: self.left_s())
        self._last_line = 0.0
        self._is_sandbox_told = False

    def __call__(self, name: str, fields: Fields) -> None:
        """Take an event."""
        self._state.take_event(name, fields)
        if name == "controller_text":
            self._region.stop()
            self._stream.add(fields["text"])
            return
        if name in _SHOWN:
            if name not in ("trial_started", "trial_step", "plan_approved", "model_answered"):
                self._stream.end()
            _SHOWN[name](self, fields)

    def begin(self, words: str) -> None:
        """A request begins."""
        self.costs.append(RequestCost(words))
        self._state.begin_request()
        self._last_line = time.monotonic()

    def end(self) -> None:
        """A request is over, however it ended."""
        self._region.stop()
        self._stream.end()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Room for a question."""
        self._region.stop()
        self._stream.end()
        yield

    def _show_call(self, fields: Fields) -> None:
        if fields["name"] in _TRAINING:
            self._region.start()

    def _show_return(self, fields: Fields) -> None:
        self._region.stop()
        number = len(self.calls) + 1
        call = CallRecord(
            number, fields["name"], fields["arguments"], fields["outcome"], fields["is_error"]
        )
        self.calls.append(call)
        self._screen.show_line(call.describe(), "bad" if call.has_failed else "dim")

    def _show_approval(self, fields: Fields) -> None:
        del fields
        self._region.start()

    def _show_step(self, fields: Fields) -> None:
        del fields
        if not self._screen.is_live and time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._last_line = time.monotonic()
            told = f"{self._state.describe()}   {self.left_s():.0f} s left"
            self._screen.show_line(f"    {told}")

    def _show_stop(self, fields: Fields) -> None:
        told = f"    {fields['trial_id']}: {fields['reason']}; "
        told += f"about {fields['saved_seconds']:.1f} s saved"
        self._screen.show_wrapped(told, indent="      ", style="dim")

    def _show_skipped(self, fields: Fields) -> None:
        self._screen.show_wrapped(f"    {describe_skipped(fields)}", indent="      ", style="dim")

    def _show_trial(self, fields: Fields) -> None:
        self._last_line = time.monotonic()
        if fields["status"] == "stopped":
            return  # told by trial_stopped
        score = fields["valid_score"]
        values = [value for _, value in self._state.curve]
        curve = draw_sparkline(values, _SPARKLINE_WIDTH, has_unicode=self._screen.has_unicode)
        problem = "" if fields["status"] == "ok" else f"  {fields['status']}"
        best = "  best so far" if self._state.is_best(score) else ""
        told = f"{self._state.metric} {format_number(score)}  {fields['seconds']:.1f} s"
        line = f"    {fields['trial_id']:<26} {told}  {curve}{problem}{best}"
        self._screen.show_line(line.rstrip(), "bad" if problem else "plain")

    def _show_prediction(self, fields: Fields) -> None:
        told = f"    {describe_prediction(fields, self._state.metric)}"
        self._screen.show_wrapped(told, indent="      ", style="accent")
        if self._screen.is_live:
            predicted = (fields["low"], fields["predicted"], fields["high"])
            gauge = draw_gauge(
                predicted,
                fields["measured"],
                _GAUGE_WIDTH,
                has_unicode=self._screen.has_unicode,
            )
            self._screen.show_line(f"    {gauge}", "accent")

    def _take_cost(self, fields: Fields) -> None:
        if self.costs:
            used = {name: fields[name] for name in _USAGE_FIELDS}
            self.costs[-1].purse.count(Usage(**used))

    def _show_delivery(self, fields: Fields) -> None:
        del fields
        if self.is_stopping():
            self._region.stop()
            told = "Stopping; what has finished is kept. Ctrl-C again leaves at once."
            self._screen.show(told, "bold")
        self._region.start()

    def _show_sandbox(self, fields: Fields) -> None:
        if not self._is_sandbox_told:
            self._is_sandbox_told = True
            self._screen.show_wrapped(f"  {describe_sandbox(fields)}", indent="  ", style="dim")

    def _show_gpus(self, name: str, fields: Fields) -> None:
        self._screen.show_line(f"  {describe_gpus(name, fields)}")

    def _show_limit(self, fields: Fields) -> None:
        told = describe_limit(fields, "/budget {} {}")
        self._screen.show_wrapped(f"  {told}", indent="  ", style="dim")

    def _show_waiting(self, fields: Fields) -> None:
        if not fields["seconds_left"] % 5:
            told = f"{fields['reason']} Trying again in {fields['seconds_left']:.0f} s."
            self._screen.show_line(f"  {told}", "dim")

    def _show_warning(self, text: str) -> None:
        self._screen.show_wrapped(f"  {text}", indent="  ", style="bad")

    def _show_replacement(self, fields: Fields) -> None:
        told = f"{fields['by']} goes on, because {fields['reason']}"
        self._screen.show_wrapped(told, style="bad")


_SHOWN: dict[str, Callable[[EventView, Fields], None]] = {
    "tool_called": EventView._show_call,
    "tool_returned": EventView._show_return,
    "plan_approved": EventView._show_approval,
    "trial_step": EventView._show_step,
    "trial_ended": EventView._show_trial,
    "trial_stopped": EventView._show_stop,
    "candidates_skipped": EventView._show_skipped,
    "prediction_scored": EventView._show_prediction,
    "model_answered": EventView._take_cost,
    "delivery_started": EventView._show_delivery,
    "sandbox_chosen": EventView._show_sandbox,
    "limit_read": EventView._show_limit,
    "model_waiting": EventView._show_waiting,
    "controller_replaced": EventView._show_replacement,
    "knowledge_not_kept": lambda view, fields: view._show_warning(
        f"This trial is not kept for later runs: {fields['reason']}"
    ),
    "knowledge_warning": lambda view, fields: view._show_warning(fields["text"]),
    "gpus_leased": lambda view, fields: view._show_gpus("gpus_leased", fields),
    "gpus_missing": lambda view, fields: view._show_gpus("gpus_missing", fields),
    "gpus_not_empty": lambda view, fields: view._show_gpus("gpus_not_empty", fields),
}
