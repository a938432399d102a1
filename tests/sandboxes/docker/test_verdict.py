"""What the end of a container means: one row for each kind of end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker.policy import Policy
from automl_agent.sandboxes.docker.verdict import judge_end
from automl_agent.sandboxes.sandbox import StepSpec

POLICY = Policy(1000, 1000, ttl_margin_s=60)
SPEC = StepSpec("step", Path("/step"), (), Resources(1, 512), True, time_limit_s=30)
SOON = "2026-01-01T00:00:10.123456789Z"
LATE = "2026-01-01T00:01:30.000000000Z"

ENDS = {
    "told to end": ({"ExitCode": 0}, True, "ok"),
    "stopped by others": ({"ExitCode": 0}, False, "killed"),
    "SIGTERM at shutdown": ({"ExitCode": 143}, False, "killed"),
    "SIGKILL by others": ({"ExitCode": 137}, False, "killed"),
    "out of memory": ({"ExitCode": 137, "OOMKilled": True}, False, "oom"),
    # A job that was killed for memory leaves the mark on the container that went on.
    "an earlier job out of memory": ({"ExitCode": 0, "OOMKilled": True}, True, "ok"),
    "its own deadline": ({"ExitCode": 124, "FinishedAt": LATE}, False, "timeout"),
    "its own deadline, by force": ({"ExitCode": 137, "FinishedAt": LATE}, False, "timeout"),
    "the code of a deadline, too soon": ({"ExitCode": 124}, False, "error"),
    "a broken runner": ({"ExitCode": 1}, False, "error"),
    "the code of missing GPUs, without any": ({"ExitCode": 90}, False, "error"),
}


def judge(spec: StepSpec, *, is_expected: bool, **state: Any) -> str:
    base = {
        "ExitCode": 0,
        "OOMKilled": False,
        "StartedAt": "2026-01-01T00:00:00.5Z",
        "FinishedAt": SOON,
    }
    end = judge_end(
        {**base, **state}, spec, POLICY, is_expected=is_expected, printed="", evidence={}
    )
    return end.status


@pytest.mark.parametrize(("state", "is_expected", "status"), ENDS.values(), ids=ENDS)
def test_an_end_has_a_status(state: dict[str, Any], is_expected: bool, status: str) -> None:
    assert judge(SPEC, is_expected=is_expected, **state) == status


def test_gpus_that_are_not_seen_are_missing() -> None:
    spec = replace(SPEC, resources=Resources(1, 512, gpus=("GPU-1",)))
    assert judge(spec, is_expected=False, ExitCode=90) == "gpu_missing"
