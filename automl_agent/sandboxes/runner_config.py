"""What `sandbox/runner.py` is told, in whatever sandbox it runs."""

from collections.abc import Sequence
from typing import Any

from automl_agent.sandboxes.sandbox import StepSpec

# Of each file that a step writes; the largest model that can be delivered.
MAX_FILE_BYTES = 2 * 2**30
# A script is told its time limit and saves its model when it is reached; this is the time for that.
JOB_GRACE_S = 10.0
# Of what one job prints. A training that logs each of 100,000 rounds prints a tenth of it.
MAX_OUTPUT_BYTES = 64 * 2**20
# Of all that a step writes to out/.
MAX_OUT_BYTES = 16 * 2**30
# From the end of a step's time to the end that it makes by itself, without its owner.
STEP_MARGIN_S = 60.0
# The agent itself needs it, so it may be there when no expert does. skops has scikit-learn look at
# all of its parts, one of which imports it: two seconds and 200 MiB for each sandbox.
_AGENTS_OWN = ("torch",)
# PyTorch keeps to it; the rest is for the driver and for what the desktop shows.
GPU_MEMORY_FRACTION = 0.95


def build_runner_config(
    spec: StepSpec,
    *,
    job_grace_s: float,
    max_file_bytes: int,
    scratch: Sequence[str],
    is_contained: bool,
    max_out_bytes: int = MAX_OUT_BYTES,
) -> dict[str, Any]:
    """The content of runner.json.

    scratch: folders that are emptied after each job.
    is_contained: whether the kernel's counts of struck limits are the step's own, and the agent
        ends the step at its limits on time and disk from outside.
    """
    gpus = list(spec.resources.gpus)
    return {
        "warm_imports": list(spec.warm_imports),
        "unneeded_imports": _list_unneeded(spec.warm_imports),
        "memory_mib": spec.resources.memory_mib,
        "max_file_bytes": max_file_bytes,
        "max_output_bytes": MAX_OUTPUT_BYTES,
        "max_out_bytes": None if is_contained else max_out_bytes,
        "time_limit_s": None if is_contained else spec.time_limit_s + STEP_MARGIN_S,
        "grace_s": job_grace_s,
        "scratch": list(scratch),
        "is_contained": is_contained,
        "gpus": gpus if is_contained else [],
        "gpu_memory_fraction": GPU_MEMORY_FRACTION if gpus else 1.0,
    }


def _list_unneeded(warm_imports: Sequence[str]) -> list[str]:
    declared = {module.partition(".")[0] for module in warm_imports}
    return [module for module in _AGENTS_OWN if module not in declared]
