"""Every probe of `automl-agent sandbox test`, and what it needs of the host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_agent.sandboxes.battery.battery import PROBES, Battery, small_policy
from automl_agent.sandboxes.battery.probe import Probe
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.folders import remove_tree

pytestmark = [pytest.mark.hostile, pytest.mark.docker]


@pytest.fixture(scope="module")
def battery(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Battery]:
    """One battery for all; when all have run, nothing outside may have been touched."""
    folder: Path = tmp_path_factory.mktemp("battery")
    policy = small_policy()
    with Battery(DockerSandbox(lambda _: image, policy=policy), policy, folder) as made:
        yield made
        broken = [finding for finding in made.look_at_host() if not finding.held]
    assert broken == []
    remove_tree(folder)
    assert not folder.exists()


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_probe_holds(battery: Battery, probe: Probe) -> None:
    finding = battery.run(probe)
    assert finding.held, [check for check in finding.checks if not check.held]


def test_there_are_enough_probes_and_each_has_a_name_of_its_own() -> None:
    names = [probe.name for probe in PROBES]
    assert len(names) == len(set(names))
    assert len(names) >= 30
