"""Measuring the capability matrix: a real step, started as any other, that looks around."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.assets import asset_path
from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker.capabilities import (
    ROWS,
    Capability,
    Observation,
    gather,
    observe_engine,
    read_swap_mib,
)
from automl_agent.sandboxes.docker.container import find_container
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.effective import observe_container
from automl_agent.sandboxes.docker.engine import explaining_errors, open_engine
from automl_agent.sandboxes.docker.inside import observe_inside, read_namespaces
from automl_agent.sandboxes.docker.owner import current_owner
from automl_agent.sandboxes.docker.reaper import find_reason
from automl_agent.sandboxes.docker.specification import name_container
from automl_agent.sandboxes.image.check import check_image
from automl_agent.sandboxes.sandbox import SandboxOptions, StepSpec
from automl_agent.sandboxes.step import JobEnd, Step
from automl_agent.sandboxes.untrusted import parse_strictly, read_untrusted

if TYPE_CHECKING:
    from docker import APIClient

_PROBE = "probe.py"
_PROBE_LIMIT_S = 10.0
_RESOURCES = Resources(cpus=1, memory_mib=256)
_MAX_FACTS_BYTES = 2**18
# What is missing is to be measured, too.
PROBE_OPTIONS = SandboxOptions(allow_degraded=tuple(row.name for row in ROWS if row.is_mandatory))
# A module of the standard library that prints a text when it is imported: what the container itself
# prints must reach us.
_TALKATIVE_MODULE = "this"
_ITS_WORDS = "Beautiful is better than ugly."


@dataclass(frozen=True)
class Probe:
    """What a step that looked around brought back.

    request: the body. container: what `inspect` said while it ran. facts: what it saw.
    """

    request: Mapping[str, Any]
    container: Mapping[str, Any]
    facts: Mapping[str, Any]
    has_spoken: bool
    link_refused: bool


def measure_capabilities(
    sandbox: DockerSandbox, folder: Path, options: SandboxOptions = PROBE_OPTIONS
) -> list[Capability]:
    """Every row that can be measured, in the table's order.

    folder: where the probe's own folder is made for a while; the engine must see it.
    Raises: SandboxError if no step can be run.
    """
    with closing(open_engine()) as client:
        with explaining_errors("ask the engine what it can do"):
            about = client.info()
        probe = run_probe(client, sandbox, folder, options)
        seen = [
            *observe_engine(about, runtime=options.runtime, swap_mib=read_swap_mib()),
            *_observe_image(client, probe),
            *observe_container(probe.request, probe.container),
            *observe_inside(probe.request, probe.facts, read_namespaces()),
            *_observe_agent(probe),
        ]
    return gather(seen)


def run_probe(
    client: "APIClient",
    sandbox: DockerSandbox,
    folder: Path,
    options: SandboxOptions = PROBE_OPTIONS,
) -> Probe:
    """Run the probe in a step of its own.

    Raises: SandboxError if it does not come to its end.
    """
    with _fresh_folder(folder) as own:
        spec = StepSpec(
            step_id="probe",
            folder=own,
            warm_imports=(_TALKATIVE_MODULE,),
            resources=_RESOURCES,
            is_generated=False,
            run_id=own.name,
            time_limit_s=60.0,
            options=options,
        )
        script = asset_path("sandbox", _PROBE).read_text(encoding="utf-8")
        step = Step(sandbox, spec, {_PROBE: script})
        try:
            step.wait_until_warm()
            request = sandbox.build_request(client, spec)
            _, container = find_container(client, name_container(spec, 1))
            end = step.run({"script": _PROBE, "time_limit_s": _PROBE_LIMIT_S})
            facts = _read_facts(end)
        finally:
            step.close()
            step.discard()
        has_spoken = _ITS_WORDS in step.output_tail()
        link_refused = _is_refused(step, end.job_id, own / "collected")
    return Probe(request, container, facts, has_spoken, link_refused)


@contextlib.contextmanager
def _fresh_folder(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="probe-", dir=parent)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read_facts(end: JobEnd) -> Mapping[str, Any]:
    if end.status != "ok":
        raise SandboxError(f"The probe ended with {end.status!r}: {end.message}")
    try:
        facts = parse_strictly(
            read_untrusted(end.folder / "facts.json", max_bytes=_MAX_FACTS_BYTES)
        )
    except (OSError, ValueError) as exc:
        raise SandboxError(f"What the probe saw cannot be read: {exc}.") from exc
    if not isinstance(facts, dict):
        raise SandboxError("What the probe saw cannot be read: it is no JSON object.")
    return facts


def _is_refused(step: Step, job_id: str, destination: Path) -> bool:
    try:
        step.collect(job_id, destination)
    except SandboxError:
        return not os.path.lexists(destination)
    return False


def _observe_image(client: "APIClient", probe: Probe) -> Iterator[Observation]:
    problems = check_image(client, str(probe.request["Image"]))
    text = "; ".join(problems) or "nothing found"
    yield Observation("image-content", "inside", not problems, text)


def _observe_agent(probe: Probe) -> Iterator[Observation]:
    """The rows that our own code holds, tried on the probe."""
    owner = current_owner()
    can_tell = bool(owner.boot_id and owner.start_ticks)
    is_kept = find_reason(probe.container["Config"]["Labels"], now=0.0) is None
    text = "knows its living owner" if can_tell and is_kept else "cannot tell who owns it"
    yield Observation("reaper", "inspect", can_tell and is_kept, text)
    text = "its words came out" if probe.has_spoken else "nothing came out"
    yield Observation("capture", "inside", probe.has_spoken, text)
    text = "a link was refused" if probe.link_refused else "a link was taken"
    yield Observation("collector", "inside", probe.link_refused, text)
