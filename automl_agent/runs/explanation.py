"""How the parts of a run ended: a plain sentence for each, with its evidence and the next step."""

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What a script printed is its own; this much of it helps to find out why.
MAX_SAID_CHARACTERS = 2_000
_OK = "ok"


@dataclass(frozen=True)
class Explanation:
    """How one step or trial ended.

    limit: the status of the sandbox, or "abandoned", or "unknown" if no end was recorded.
    evidence: numbers and facts, in words. said: the script's last words, which are untrusted.
    """

    kind: str
    key: str
    limit: str
    sentence: str
    evidence: tuple[str, ...]
    next_step: str
    said: str = ""


def explain_steps(rows: Iterable[Mapping[str, Any]]) -> list[Explanation]:
    """The steps that did not end well; rows: the journal's."""
    return [found for row in rows if (found := _explain_step(row))]


def explain_trials(
    rows: Iterable[Mapping[str, Any]], steps: Iterable[Mapping[str, Any]]
) -> list[Explanation]:
    """The trials that did not end well; steps: the rows of the run's steps."""
    ends = {row["key"]: _read_end(row) for row in steps}
    return [found for row in rows if (found := _explain_trial(row, ends))]


def _explain_step(row: Mapping[str, Any]) -> Explanation | None:
    end, outcome = _read_end(row), row["outcome"] or {}
    status = str(end.get("status") or "")
    if row["ended"] is None:
        return _explain_unended("step", row["key"])
    if row["status"] == "done" and status in ("", _OK):
        return None
    reason = str(end.get("message") or outcome.get("reason") or "")
    if status in ("", _OK):
        status = "start_failed" if not status else "abandoned"
    evidence = {"sandbox": row["intent"].get("sandbox"), **end.get("evidence", {})}
    return _explain("step", row["key"], status, evidence, message=reason)


def _explain_trial(
    row: Mapping[str, Any], ends: Mapping[str, Mapping[str, Any]]
) -> Explanation | None:
    outcome, key = row["outcome"] or {}, row["key"]
    if row["ended"] is None:
        return _explain_unended("trial", key)
    status = str(outcome.get("status") or row["status"])
    if status == _OK:
        return None
    of_step = ends.get(row["intent"].get("step_id", ""), {}).get("evidence", {})
    evidence = {
        **{name: of_step[name] for name in ("container", "pid") if name in of_step},
        "step": row["intent"].get("step_id"),
        "seconds": outcome.get("seconds"),
        "max_rss_mib": outcome.get("max_rss_mib"),
        **outcome.get("evidence", {}),
    }
    message = str(outcome.get("message") or outcome.get("reason") or "")
    return _explain("trial", key, status, evidence, message=message)


def _read_end(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return (row["outcome"] or {}).get("end") or {}


def _explain_unended(kind: str, key: str) -> Explanation:
    return Explanation(
        kind,
        key,
        "unknown",
        "No end of it was recorded: the program was ended while it ran, or it still runs.",
        (),
        "Look whether the run still goes on; if not, take away what it left: automl-agent reap",
    )


def _explain(
    kind: str, key: str, status: str, evidence: Mapping[str, Any], *, message: str
) -> Explanation:
    describe, next_step = _ENDS.get(status, _ENDS["error"])
    return Explanation(
        kind,
        key,
        status,
        describe(evidence, message),
        tuple(_list_evidence(status, evidence)),
        next_step,
        message[-MAX_SAID_CHARACTERS:],
    )


def _list_evidence(status: str, evidence: Mapping[str, Any]) -> Iterable[str]:
    for name, words in _WORDS.items():
        value = evidence.get(name)
        if value not in (None, "", 0, False) or (name == "exit_code" and value == 0):
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            yield words.format(shown[:100])
    if status in _ENFORCED:
        yield f"ended by {_name_enforcer(status, evidence)}"


def _name_enforcer(status: str, evidence: Mapping[str, Any]) -> str:
    if evidence.get("enforced_by"):
        return f"the {str(evidence['enforced_by'])[:40]}"
    if evidence.get("ended_by_runner"):
        return "the sandbox's runner"
    if status in ("oom", "pids"):
        return "the kernel's limit on the container"
    return "the agent, which watched it"


def _describe_timeout(evidence: Mapping[str, Any], _message: str) -> str:
    return f"It took longer than it may{_compare(evidence, 'seconds', 'time_limit_s', 's')}."


def _describe_oom(evidence: Mapping[str, Any], _message: str) -> str:
    numbers = _compare(evidence, "max_rss_mib", "memory_limit_mib", "MiB")
    return f"It used more memory than it may{numbers}."


def _describe_pids(evidence: Mapping[str, Any], _message: str) -> str:
    limit, struck = evidence.get("pids_limit"), evidence.get("pids_limit_struck")
    numbers = f" than its {limit}" if limit else " than it may"
    times = f"; the kernel refused {struck} of them" if struck else ""
    return f"It started more processes and threads{numbers}{times}."


def _describe_disk(evidence: Mapping[str, Any], message: str) -> str:
    if "out_limit_bytes" in evidence:
        limit_mib = int(evidence["out_limit_bytes"]) / 2**20
        return f"It wrote more than its {limit_mib:.0f} MiB, or more files than it may."
    return message or "It wrote more than it may."


def _describe_flood(evidence: Mapping[str, Any], message: str) -> str:
    printed, limit = evidence.get("output_bytes"), evidence.get("output_limit_bytes")
    if not (printed and limit):
        return message or "It printed more than it may."
    return f"It printed {printed / 2**20:.0f} MiB, and may print {limit / 2**20:.0f} MiB."


def _describe_error(evidence: Mapping[str, Any], _message: str) -> str:
    code = evidence.get("exit_code")
    if isinstance(code, int) and code < 0:
        return f"The signal {_name_signal(-code)} ended it; no limit was reached."
    return "Its script failed by itself; no limit was reached."


def _describe_killed(evidence: Mapping[str, Any], message: str) -> str:
    del evidence
    return message or "It was killed from outside."


def _describe_message(_evidence: Mapping[str, Any], message: str) -> str:
    return (message.splitlines() or ["It did not come to its end."])[0][:400]


def _compare(evidence: Mapping[str, Any], measured: str, limit: str, unit: str) -> str:
    """The measured number against its limit, as far as they are known."""
    parts = [
        f"{words} {float(evidence[name]):.1f} {unit}".replace(".0 ", " ")
        for name, words in ((measured, "measured"), (limit, "limit"))
        if evidence.get(name)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


_Describe = Callable[[Mapping[str, Any], str], str]
# For each status, what it means and what can be done.
_ENDS: Mapping[str, tuple[_Describe, str]] = {
    "timeout": (_describe_timeout, "Give the run more time, such as --time 30m."),
    "oom": (
        _describe_oom,
        "Give it more memory: close other programs, since a step gets most of what is free, or "
        "train on fewer rows.",
    ),
    "pids": (
        _describe_pids,
        "Have the script start fewer workers; the limit grows with the processors, 64 for each.",
    ),
    "disk": (_describe_disk, "Have the script write less, or free space on the disk."),
    "output_flood": (_describe_flood, "Have the script print less."),
    "error": (_describe_error, "Read what it said; the whole output is in the run's steps folder."),
    "killed": (
        _describe_killed,
        "If it was not you, look at the machine's own log: journalctl -k, docker events.",
    ),
    "stopped": (
        _describe_message,
        "Nothing is wrong; to train every trial to its end, give --no-early-stop.",
    ),
    "gpu_missing": (
        _describe_message,
        "Check nvidia-smi and the NVIDIA Container Toolkit, or allow --cpu-fallback.",
    ),
    "start_failed": (_describe_message, "See what is missing: automl-agent doctor"),
    "lost": (
        _describe_message,
        "Restart the engine, and take away what is left: automl-agent reap",
    ),
    "policy": (_describe_message, "Ask for less: nothing of the host is given to a sandbox."),
    "abandoned": (_describe_message, "Run it again; if it happens again, see automl-agent doctor"),
}
_ENFORCED = ("timeout", "oom", "pids", "disk", "output_flood")
# What of the evidence is shown, in which words.
_WORDS = {
    "sandbox": "sandbox {}",
    "step": "step {}",
    "container": "container {:.12}",
    "pid": "process {}",
    "exit_code": "exit code {}",
    "seconds": "{} s",
    "time_limit_s": "limit {} s",
    "max_rss_mib": "peak memory {} MiB",
    "memory_limit_mib": "memory limit {} MiB",
    "oom_limit_struck": "the kernel's memory limit struck {} times",
    "oom_killed": "the engine reports out of memory",
    "pids_limit": "at most {} processes and threads",
    "pids_limit_struck": "the kernel refused {} processes or threads",
    "out_mib": "wrote {} MiB",
    "out_files": "wrote {} files",
    "out_limit_mib": "may write {} MiB",
    "output_bytes": "printed {} bytes",
    "printed_bytes": "the step printed {} bytes",
    "engine_error": "the engine says: {}",
    "started_at": "started {}",
    "finished_at": "ended {}",
}
