"""`automl-agent runs explain` after runs whose scripts met a limit of their container."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sklearn.datasets import load_wine

from automl_agent.sandboxes.docker.policy import default_policy
from automl_agent.ui.app import cli, run_program

from ...ui.test_runs_explain import FILL, FLOOD, FORKS, HOG, install_troubled

if TYPE_CHECKING:
    from ...conftest import Site

pytestmark = pytest.mark.docker

# What ended it, in which words, and who did it.
LIMITS = {
    "oom": (HOG, "oom. It used more memory than it may", "the kernel's limit on the container"),
    "pids": (FORKS, "more processes and threads than its 256", "the kernel refused"),
    "disk": (FILL, "disk. It was ended: the step wrote more than 200 MiB.", "the agent"),
    "output": (FLOOD, "output_flood. It printed", "the sandbox's runner"),
}


def call(*arguments: str) -> int:
    return run_program(lambda: cli.main(list(arguments), standalone_mode=False))


@pytest.mark.parametrize(("script", "says", "by"), LIMITS.values(), ids=LIMITS)
def test_the_limit_of_a_container_is_told_with_its_numbers(
    script: str,
    says: str,
    by: str,
    image: str,
    site: "Site",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = replace(default_policy(), max_out_bytes=200 * 2**20)
    monkeypatch.setattr("automl_agent.builtin_plugin.image_name", lambda *_arguments: image)
    monkeypatch.setattr(
        "automl_agent.sandboxes.docker.docker_sandbox.default_policy", lambda: small
    )
    monkeypatch.setattr("automl_agent.sandboxes.resources._free_memory_mib", lambda: 3000)
    install_troubled(site, script)
    table = tmp_path / "wine.csv"
    load_wine(as_frame=True).frame.to_csv(table, index=False)
    options = ("--expert", "troubled", "--trials", "1", "-y", "-q", "--time", "60s")
    call("run", str(table), "--target", "target", "--sandbox", "docker", *options)
    capsys.readouterr()
    assert call("runs", "explain", "last") == 0
    printed = capsys.readouterr().out
    assert says in printed
    assert by in printed
    assert "container " in printed
