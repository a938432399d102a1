"""The battery: runs the probes on the engine of this machine, and looks at the host after them."""

import contextlib
import math
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.battery import (
    probes_files,
    probes_kernel,
    probes_network,
    probes_processes,
    probes_storage,
)
from automl_agent.sandboxes.battery.canaries import Canaries
from automl_agent.sandboxes.battery.facts import build_facts
from automl_agent.sandboxes.battery.probe import Attempt, Check, Finding, Probe, judge, summarize
from automl_agent.sandboxes.docker.engine import EngineError, open_engine
from automl_agent.sandboxes.docker.policy import Policy, default_policy
from automl_agent.sandboxes.docker.specification import LABEL
from automl_agent.sandboxes.folders import remove_tree
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions, StepSpec
from automl_agent.sandboxes.step import Step

PROBES: tuple[Probe, ...] = (
    *probes_files.PROBES,
    *probes_kernel.PROBES,
    *probes_network.PROBES,
    *probes_storage.PROBES,
    *probes_processes.PROBES,
)
HARMLESS = Probe("harmless", "a harmless script afterwards", ("harmless.py",))
RESOURCES = Resources(cpus=1, memory_mib=384)
_STEP_LIMIT_S = 120.0
_SCRIPTS = Path(__file__).parent / "scripts"
_MIB = 2**20
_NO_OPTIONS = SandboxOptions()


def small_policy(runtime: str = "") -> Policy:
    """The policy of this process's user, with limits that are met within seconds."""
    return replace(
        default_policy(),
        runtime=runtime,
        tmp_mib=48,
        tmp_inodes=4096,
        shm_mib=48,
        max_file_bytes=512 * _MIB,
        max_out_bytes=256 * _MIB,
        max_out_files=2000,
        job_grace_s=1.0,
        ttl_margin_s=10.0,
        stop_grace_s=2,
    )


class Battery:
    """Probes in containers with a small policy; a context, at whose end no container is left.

    sandbox: has this policy. folder: for the steps and the canary file.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        policy: Policy,
        folder: Path,
        *,
        options: SandboxOptions = _NO_OPTIONS,
    ) -> None:
        self.run_id = f"battery-{secrets.token_hex(6)}"
        self.folder = folder
        self._sandbox = sandbox
        self._policy = policy
        self._options = options
        self._canaries = Canaries(folder)
        self._shared: tuple[Step, StepSpec] | None = None
        self._n_steps = 0

    def __enter__(self) -> "Battery":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.end_shared_step()
        finally:
            self._canaries.close()

    def run(self, probe: Probe) -> Finding:
        """What comes of a probe."""
        started = time.monotonic()
        try:
            if probe.own_step:
                return self._run_alone(probe)
            if self._shared is None or self._shared[0].find_end() is not None:
                self.end_shared_step()
                self._shared = self._start_step()
                started = time.monotonic()
            ends = self._run_scripts(probe, *self._shared)
            return judge(probe, Attempt(ends, self._shared[0]), seconds=time.monotonic() - started)
        except SandboxError as exc:
            self.end_shared_step()
            failure = Check("the sandbox goes on", False, str(exc))
            return summarize(probe.name, probe.tries, [failure], seconds=time.monotonic() - started)

    def end_shared_step(self) -> None:
        """Close what the probes without a step of their own share."""
        if self._shared is not None:
            step, self._shared = self._shared[0], None
            _end_step(step)

    def look_at_host(self) -> Iterator[Finding]:
        """What all the probes left behind, which must be nothing."""
        started = time.monotonic()
        yield replace(self.run(HARMLESS), name="host-harmless")
        self.end_shared_step()
        left = self._find_containers()
        yield summarize(
            "host-containers",
            "nothing of it is left on the engine",
            [Check("no container is left", left == [], str(left) if left else "none is left")],
            seconds=time.monotonic() - started,
        )
        started = time.monotonic()
        yield summarize(
            "host-canaries",
            "nothing outside was touched",
            self._canaries.check(self.folder / "steps"),
            seconds=time.monotonic() - started,
        )

    def _run_alone(self, probe: Probe) -> Finding:
        step, spec = self._start_step()
        try:
            started = time.monotonic()
            ends = self._run_scripts(probe, step, spec)
            seconds = time.monotonic() - started
            step.close()
            return judge(probe, Attempt(ends, step), seconds=seconds)
        finally:
            _end_step(step)

    def _run_scripts(self, probe: Probe, step: Step, spec: StepSpec) -> list[Any]:
        facts = build_facts(
            spec,
            self._policy,
            targets=self._canaries.find_targets(),
            abstract_name=self._canaries.abstract_name,
            host_paths=(self._canaries.file,),
        )
        job = {"time_limit_s": probe.time_limit_s, "facts": facts}
        return [
            step.run({**job, "script": script}, kill_after_s=math.inf) for script in probe.scripts
        ]

    def _start_step(self) -> tuple[Step, StepSpec]:
        self._n_steps += 1
        spec = StepSpec(
            step_id=f"step{self._n_steps}",
            folder=self.folder / "steps" / f"step{self._n_steps}",
            warm_imports=("ctypes", "socket", "subprocess"),
            resources=RESOURCES,
            is_generated=True,
            run_id=self.run_id,
            time_limit_s=_STEP_LIMIT_S,
            options=self._options,
        )
        step = Step(self._sandbox, spec, read_scripts())
        try:
            step.wait_until_warm()
        except BaseException:
            _end_step(step)
            raise
        return step, spec

    def _find_containers(self) -> list[str]:
        """The containers of this battery that the engine still has."""
        filters = {"label": f"{LABEL}.run={self.run_id}"}
        try:
            with closing(open_engine()) as client:
                found = client.containers(all=True, filters=filters)
        except EngineError as exc:
            return [str(exc)]
        return [str(container["Names"]) for container in found]


def run_battery(
    sandbox: Sandbox,
    policy: Policy,
    *,
    options: SandboxOptions = _NO_OPTIONS,
    probes: Sequence[Probe] = PROBES,
    on_start: Callable[[Probe, int], None] | None = None,
) -> list[Finding]:
    """What came of each probe, and of a look at the host after them.

    on_start: called with each probe and its position before it runs.
    """
    folder = Path(tempfile.mkdtemp(prefix="automl-agent-battery-")).resolve()
    try:
        with Battery(sandbox, policy, folder, options=options) as battery:
            findings = []
            for position, probe in enumerate(probes):
                if on_start:
                    on_start(probe, position)
                findings.append(battery.run(probe))
            return [*findings, *battery.look_at_host()]
    finally:
        remove_tree(folder)


def read_scripts() -> dict[str, str]:
    """The text of each script, for /code."""
    return {path.name: path.read_text(encoding="utf-8") for path in _SCRIPTS.glob("*.py")}


def _end_step(step: Step) -> None:
    with contextlib.suppress(SandboxError):
        try:
            step.close()
        finally:
            step.discard()
