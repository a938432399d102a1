"""Live progress: a bar on a terminal, a line now and then in a log, nothing when quiet."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from automl_agent.cards.documents import dump_json, escape_unseen
from automl_agent.ui.rendering import format_number

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

# Often enough to see that it lives, rare enough for a log file.
_LINE_EVERY_S = 5.0


@dataclass
class Standing:
    """Where a run stands, kept up to date from its events."""

    time_s: float = 0.0
    n_trials: int = 0
    greater_is_better: bool = False
    metric: str = ""
    n_ended: int = 0
    best: float | None = None
    trial_id: str = ""
    step: int = 0
    value: float | None = None
    started: float = field(default_factory=time.monotonic)

    def take_event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Learn from an event."""
        if name == "run_started":
            self.time_s, self.started = fields["time_s"], time.monotonic()
            self.n_trials += fields["n_trials"]
        elif name == "data_profiled":
            self.metric = fields["metric"]
            self.greater_is_better = fields["greater_is_better"]
        elif name == "trial_started":
            self.trial_id, self.step, self.value = fields["trial_id"], 0, None
        elif name == "trial_step" and fields["split"] == "valid":
            self.step = fields["step"]
            self.value = fields["metrics"].get(self.metric, self.value)
        elif name == "trial_ended":
            self.n_ended += 1
            self._take_score(fields["valid_score"])

    def describe(self) -> str:
        """The trial that runs, the metric and the best so far, in a line."""
        parts = [f"trial {self.trial_id}" if self.trial_id else "preparing"]
        if self.step:
            parts.append(f"step {self.step}")
        if self.value is not None:
            parts.append(f"{self.metric} {format_number(self.value)}")
        if self.best is not None:
            parts.append(f"best {format_number(self.best)}")
        return ", ".join(parts)

    def time_left_s(self) -> float:
        """Seconds until the limit."""
        return max(0.0, self.time_s - (time.monotonic() - self.started))

    def _take_score(self, score: float | None) -> None:
        if score is None:
            return
        better = max if self.greater_is_better else min
        self.best = score if self.best is None else better(score, self.best)


class LineProgress:
    """Lines on standard error: each stage, each trial's end, and a sign of life between them."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._last = 0.0
        self._wait_left_s = 0.0

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take an event."""
        self._standing.take_event(name, fields)
        text = describe_event(name, fields, self._standing)
        if name == "model_waiting" and not self._begins_wait(fields["seconds_left"]):
            return  # a countdown is for a terminal; here one line tells of it
        if text:
            self._print(text)
        elif name == "trial_step" and time.monotonic() - self._last > _LINE_EVERY_S:
            left_s = self._standing.time_left_s()
            self._print(f"  {self._standing.describe()}, {left_s:.0f} s left")

    def close(self) -> None:
        """Nothing to put away."""

    def _begins_wait(self, left_s: float) -> bool:
        before, self._wait_left_s = self._wait_left_s, left_s
        return left_s > before

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        click.echo(escape_unseen(text), err=True)


class BarProgress:
    """A bar on a terminal, with the stages and trials above it."""

    def __init__(self, standing: Standing) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._standing = standing
        self._paused_at = 0.0
        self._bar: RichProgress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("preparing", total=standing.n_trials, left="")
        self._bar.start()

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take an event."""
        self._standing.take_event(name, fields)
        text = describe_event(name, fields, self._standing)
        if text:
            self._bar.console.print(escape_unseen(text), markup=False, highlight=False)
        self._bar.update(
            self._task,
            total=self._standing.n_trials,
            completed=self._standing.n_ended,
            description=escape_unseen(self._standing.describe()),
            left=f"{self._standing.time_left_s():.0f} s left",
        )

    def pause(self) -> None:
        """Make room for a question."""
        self._bar.stop()
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Show the bar again; the time of the question is not the run's."""
        self._standing.started += time.monotonic() - self._paused_at
        self._bar.start()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class EventLines:
    """A line of JSON on standard output for each event, for other programs."""

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take an event."""
        print_event(name, fields)

    def close(self) -> None:
        """Nothing to put away."""


class NoProgress:
    """Says nothing."""

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take an event."""

    def close(self) -> None:
        """Nothing to put away."""


def print_event(name: str, fields: Mapping[str, Any]) -> None:
    """An event as one line of JSON on standard output."""
    line = {"event": name, "time": round(time.time(), 3), **fields}
    click.echo(dump_json(line))


def describe_sandbox(fields: Mapping[str, Any]) -> str:
    """Which sandbox it is, and why no better one."""
    return " ".join([f"Sandbox: {fields['name']}.", *fields["problems"]])


def describe_gpus(name: str, fields: Mapping[str, Any]) -> str:
    """What became of the GPUs that were asked for; nothing for other events."""
    match name:
        case "gpus_leased":
            return f"GPUs: {', '.join(fields['gpus'])}"
        case "gpus_missing":
            return f"On processors instead of GPUs: {fields['reason']}"
        case "gpus_not_empty":
            return f"Warning: {'; '.join(fields['gpus'])} after the end; look at nvidia-smi."
        case _:
            return ""


def describe_limit(fields: Mapping[str, Any], command: str) -> str:
    """What came of a limit in the person's words; command: what raises one, as "--{} {}"."""
    asked, allowed = fields["asked"], fields["allowed"]
    name = "time" if fields["limit"] == "time_s" else "trials"
    unit = "s" if name == "time" else "trial" if asked == 1 else "trials"
    if asked <= allowed:
        return f"At most {asked:g} {unit}, as you say."
    more = command.format(name, f"{asked:g}{'s' if name == 'time' else ''}")
    return f"You ask for {asked:g} {unit}, and at most {allowed:g} are allowed; {more} allows more."


def describe_skipped(fields: Mapping[str, Any]) -> str:
    """Settings that no trial is spent on, and why; the most promising of them speaks for all."""
    skipped = fields["skipped"]
    n = "" if len(skipped) == 1 else f"{len(skipped)} settings; the best: "
    return f"not trained, {fields['plan_id']}: {n}{skipped[0]['reason']}"


def describe_event(name: str, fields: Mapping[str, Any], standing: Standing) -> str:
    """The line for an event that a person wants to see, or nothing."""
    match name:
        case "sandbox_chosen":
            return describe_sandbox(fields)
        case "data_profiled":
            return (
                f"{fields['name']}: {fields['n_rows']} rows, {fields['n_features']} features, "
                f"{fields['task'].replace('_', ' ')}, metric {fields['metric']}"
            )
        case "expert_assigned":
            return f"Expert {fields['expert']}: {fields['reason']}"
        case "trial_stopped":
            saved_s = fields["saved_seconds"]
            return f"  {fields['trial_id']}: {fields['reason']}; about {saved_s:.1f} s saved"
        case "candidates_skipped":
            return f"  {describe_skipped(fields)}"
        case "trial_ended" if fields["status"] == "stopped":
            return ""  # told by trial_stopped
        case "trial_ended":
            score = format_number(fields["valid_score"])
            problem = "" if fields["status"] == "ok" else f" ({fields['status']})"
            return (
                f"  {fields['trial_id']}: {standing.metric} {score}{problem}, "
                f"{fields['seconds']:.1f} s, best {format_number(standing.best)}"
            )
        case "controller_text":
            return str(fields["text"])
        case "controller_replaced":
            reason = str(fields["reason"])
            return f"{reason[:1].upper()}{reason[1:]}. The built-in {fields['by']} goes on."
        case "tool_changed":
            return (
                f"The plugin {fields['distribution']} changed its tool {fields['tool']}, which is "
                f"not used until you allow it: automl-agent plugins trust {fields['distribution']}"
            )
        case "endpoint_unencrypted":
            return (
                f"Warning: what is said to {fields['endpoint']} ({fields['base_url']}) goes "
                "unencrypted over the network, and so do its replies; use https://."
            )
        case "limit_read":
            return describe_limit(fields, "--{} {}")
        case "knowledge_not_kept":
            return f"Warning: this trial is not kept for later runs: {fields['reason']}"
        case "knowledge_warning":
            return f"Warning: {fields['text']}"
        case "model_waiting":
            return f"  waiting {fields['seconds_left']:.0f} s: {fields['reason']}"
        case _:
            return describe_gpus(name, fields)
