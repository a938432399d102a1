"""An arena: hostile scripts run in it through the public path, and the host is looked at after."""

import contextlib
import gc
import math
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.battery.battery import small_policy
from automl_agent.sandboxes.battery.canaries import Canaries
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.specification import LABEL
from automl_agent.sandboxes.folders import remove_tree
from automl_agent.sandboxes.sandbox import Status, StepSpec
from automl_agent.sandboxes.step import JobEnd, Step

if TYPE_CHECKING:
    from docker import APIClient

MAX_GROWTH_BYTES = 64 * 2**20
HARMLESS = "print('fine')"


class Arena:
    """Starts steps with small limits. run_id: what all its containers are labelled with."""

    def __init__(self, image: str, engine: "APIClient", folder: Path) -> None:
        self.run_id = f"hostile-{secrets.token_hex(6)}"
        self.folder = folder
        self.canaries = Canaries(folder)
        self._image = image
        self._engine = engine
        self._steps: list[Step] = []
        self._numbers = count()
        self._container_ids: set[str] = set()

    def start(
        self,
        scripts: Mapping[str, str],
        *,
        time_limit_s: float = 60.0,
        memory_mib: int = 384,
        **policy: Any,
    ) -> Step:
        """A warm step with these scripts; policy: fields that differ from the small one's."""
        name = f"step{next(self._numbers)}"
        spec = StepSpec(
            step_id=name,
            folder=self.folder / "steps" / name,
            warm_imports=(),
            resources=Resources(cpus=1, memory_mib=memory_mib),
            is_generated=True,
            run_id=self.run_id,
            time_limit_s=time_limit_s,
        )
        sandbox = DockerSandbox(lambda _: self._image, policy=replace(small_policy(), **policy))
        step = Step(sandbox, spec, {"harmless.py": HARMLESS, **scripts})
        self._steps.append(step)
        step.wait_until_warm()
        self._container_ids |= {found["Id"] for found in self.find_containers()}
        return step

    def run(
        self, step: Step, script: str, *, time_limit_s: float = 5.0, within_s: float = 30.0
    ) -> JobEnd:
        """How a job of a step ended, which is in time and with a status that there is."""
        started = time.monotonic()
        job = {"script": script, "time_limit_s": time_limit_s}
        end = step.run(job, kill_after_s=math.inf)
        assert time.monotonic() - started < within_s
        assert end.status in get_args(Status)
        return end

    def attack(self, script: str, **options: Any) -> JobEnd:
        """How a script ended in a step of its own."""
        with contextlib.closing(self.start({"attack.py": script}, **options)) as step:
            return self.run(step, "attack.py")

    def find_containers(self) -> list[dict[str, Any]]:
        """What the engine still has of this arena."""
        filters = {"label": f"{LABEL}.run={self.run_id}"}
        found: list[dict[str, Any]] = self._engine.containers(all=True, filters=filters)
        return found

    def wait_until_gone(self) -> None:
        """Return when the engine has none of them; somebody else may be removing one."""
        deadline = time.monotonic() + 30
        while found := self.find_containers():
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def close(self) -> None:
        """End all steps."""
        for step in self._steps:
            step.close()
            step.discard()

    def find_processes(self) -> list[str]:
        """The processes on this machine that are in a cgroup of one of its containers."""
        found = []
        for cgroup in Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                text = cgroup.read_text()
                if any(container_id in text for container_id in self._container_ids):
                    found.append(str(cgroup))
        return found


@pytest.fixture
def arena(image: str, engine: "APIClient", tmp_path: Path) -> Iterator[Arena]:
    """An arena; after the test the host must be as if nothing had happened."""
    gc.collect()
    before = reset_peak_bytes()
    made = Arena(image, engine, tmp_path)
    try:
        yield made
        made.close()
        with contextlib.closing(made.start({})) as step:
            assert made.run(step, "harmless.py").status == "ok"
        made.close()
        assert read_peak_bytes() - before < MAX_GROWTH_BYTES
        made.wait_until_gone()
        assert made.find_processes() == []
        broken = [check for check in made.canaries.check(tmp_path / "steps") if not check.held]
        assert broken == []
    finally:
        made.close()
        made.canaries.close()
    remove_tree(tmp_path / "steps")
    assert not (tmp_path / "steps").exists()


def reset_peak_bytes() -> int:
    """What this process holds in memory now, from which its peak is counted anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return read_peak_bytes()


def read_peak_bytes() -> int:
    """The most memory that this process held since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024
