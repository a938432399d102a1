"""A probe: an attempt to get out of the sandbox or over its limits, and what must come of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from automl_agent.errors import SandboxError
from automl_agent.sandboxes.sandbox import Status
from automl_agent.sandboxes.step import JobEnd, Step
from automl_agent.sandboxes.untrusted import parse_strictly, read_untrusted

REPORT = "report.jsonl"
# From the end of a job's time to the end that is told. The runner's grace is a part of it; so is
# the engine's work to end a container full of processes: 4 s on idle processors, 10 s were seen
# on two that others kept busy.
SLACK_S = 15.0
_MAX_REPORT_BYTES = 2**18
_MAX_TEXT = 300

Verdict = Literal["held", "BROKEN"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. found: what was seen."""

    what: str
    held: bool
    found: str


@dataclass(frozen=True)
class Attempt:
    """How a probe's jobs ended, for what is looked at from the host.

    step: closed if the probe has a container of its own.
    """

    ends: Sequence[JobEnd]
    step: Step


@dataclass(frozen=True)
class Probe:
    """One attempt.

    name: the row of the table in docs/sandbox.md, and what tells its probes apart.
    tries: what is tried, for the person who reads the result.
    scripts: files of scripts/, run one after the other as jobs of one step.
    ends: how the last of them may end; those before it must end well.
    own_step: whether it gets a container of its own, which is closed before `look` is asked.
    look: what to check from the host.
    """

    name: str
    tries: str
    scripts: tuple[str, ...]
    ends: frozenset[Status] = frozenset({"ok"})
    time_limit_s: float = 8.0
    own_step: bool = False
    look: Callable[[Attempt], Iterator[Check]] | None = None

    @property
    def row(self) -> str:
        """The row of the table."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Finding:
    """What came of a probe. found: what happened, in a few words."""

    name: str
    tries: str
    found: str
    verdict: Verdict
    seconds: float
    checks: tuple[Check, ...] = field(default=(), repr=False)

    @property
    def held(self) -> bool:
        """Whether the sandbox did what it must."""
        return self.verdict == "held"


def judge(probe: Probe, attempt: Attempt, *, seconds: float) -> Finding:
    """What the ends of a probe's jobs, their reports and a look from the host say."""
    checks = [*_check_ends(probe, attempt.ends)]
    for end in attempt.ends:
        checks += read_report(end)
    checks.append(
        Check(
            "in time",
            seconds <= len(probe.scripts) * (probe.time_limit_s + SLACK_S),
            f"{seconds:.1f} s",
        )
    )
    if probe.look:
        checks += probe.look(attempt)
    return summarize(probe.name, probe.tries, checks, seconds=seconds)


def summarize(name: str, tries: str, checks: Iterable[Check], *, seconds: float) -> Finding:
    """The finding that these checks make."""
    listed = tuple(checks)
    broken = [check for check in listed if not check.held]
    if broken:
        found = "; ".join(f"{check.what}: {check.found}" for check in broken)
    else:
        found = f"{listed[0].found.strip()}, {len(listed)} checks" if listed else "nothing"
    verdict: Verdict = "held" if listed and not broken else "BROKEN"
    return Finding(name, tries, found[:_MAX_TEXT], verdict, seconds, listed)


def read_report(end: JobEnd) -> list[Check]:
    """The checks that a script wrote down; one that says nothing has not held."""
    try:
        content = read_untrusted(end.folder / REPORT, max_bytes=_MAX_REPORT_BYTES)
        documents = [parse_strictly(line) for line in content.splitlines()]
        checks = [
            Check(str(d["what"])[:_MAX_TEXT], d["held"] is True, str(d["found"])[:_MAX_TEXT])
            for d in documents
        ]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        return [Check("the script reports", False, repr(exc)[:_MAX_TEXT])]
    if not any(check.what.startswith("control: ") for check in checks):
        checks += [Check("the script has a control", False, "none")] if end.status == "ok" else []
    return checks or [Check("the script reports", False, "an empty report")]


def collection_of(attempt: Attempt, position: int) -> str:
    """What comes of collecting the model of one of the jobs: an error's text, or "collected"."""
    end = attempt.ends[position]
    destination = end.folder.parent.parent / f"collected-{end.job_id}"
    try:
        attempt.step.collect(end.job_id, destination)
    except SandboxError as exc:
        return str(exc)
    return "collected"


def _check_ends(probe: Probe, ends: Sequence[JobEnd]) -> Iterator[Check]:
    *earlier, last = ends
    for end in earlier:
        yield Check("an earlier job", end.status == "ok", f"{end.status} {end.message}")
    expected = "/".join(sorted(probe.ends))
    text = last.status if last.status in probe.ends else f"{last.status} {last.message}"
    yield Check(f"ends with {expected}", last.status in probe.ends, text)
