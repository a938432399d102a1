"""What the end of a container means that we did not end ourselves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from automl_agent.sandboxes.docker.policy import Policy
from automl_agent.sandboxes.sandbox import StepEnd, StepSpec

# The runner's exit code when it does not see the GPUs that were leased.
GPU_MISSING = 90
# `timeout` exits so when it has ended what it ran: by SIGTERM, by SIGKILL.
_TTL_CODES = (124, 137)
# SIGTERM, which the runner obeys, and SIGKILL.
_SIGNAL_CODES = (0, 137, 143)


def judge_end(
    state: Mapping[str, Any],
    spec: StepSpec,
    policy: Policy,
    *,
    is_expected: bool,
    printed: str,
    evidence: Mapping[str, Any],
) -> StepEnd:
    """How a step ended whose container is in this state.

    state: the engine's. is_expected: whether the runner was told that there are no more jobs.
    printed: the last of the container's output.
    """
    code = state["ExitCode"]
    if code == 0 and is_expected:
        return StepEnd("ok", "", evidence)
    if code == GPU_MISSING and spec.resources.gpus:
        message = (
            f"The container does not see the GPUs that it was given ({printed.strip()}); check "
            "`nvidia-smi` and the NVIDIA Container Toolkit."
        )
        return StepEnd("gpu_missing", message, evidence)
    if state["OOMKilled"] and code != 0:
        limit_mib = spec.resources.memory_mib
        return StepEnd("oom", f"The step used more than its {limit_mib} MiB.", evidence)
    if code in _TTL_CODES and _lasted_s(state) >= spec.time_limit_s + policy.ttl_margin_s - 1:
        by_itself = {**evidence, "enforced_by": "container's own deadline"}
        return StepEnd("timeout", "The container's own deadline ended it.", by_itself)
    if code in _SIGNAL_CODES:
        return StepEnd("killed", "Somebody else ended the container, or its engine.", evidence)
    return StepEnd("error", "", evidence)


def _lasted_s(state: Mapping[str, Any]) -> float:
    # Without the part of the second: engines write nine digits of it, Python reads six.
    started, finished = (
        datetime.fromisoformat(state[key][:19]) for key in ("StartedAt", "FinishedAt")
    )
    return (finished - started).total_seconds()
