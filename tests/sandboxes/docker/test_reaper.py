"""The reaper: what it removes, what it keeps, and the step that is gone on with instead."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.owner import Owner, current_owner
from automl_agent.sandboxes.docker.policy import default_policy
from automl_agent.sandboxes.docker.reaper import (
    OVERDUE_S,
    OWNER_FILE,
    Reaped,
    find_reason,
    read_owner,
    reap,
    write_owner,
)
from automl_agent.sandboxes.docker.specification import LABEL, build_labels, build_specification
from automl_agent.sandboxes.sandbox import StepSpec

from ..conftest import wait_until

if TYPE_CHECKING:
    from docker import APIClient

DEAD = replace(current_owner(), start_ticks="1")
ELSEWHERE = replace(DEAD, host_id="another machine")
NOW = 1_000_000.0


def make_spec(folder: Path, step_id: str = "step", run_id: str = "run") -> StepSpec:
    return StepSpec(step_id, folder, (), Resources(1, 256), False, run_id=run_id, time_limit_s=60)


def make_labels(
    folder: Path, owner: Owner, changes: Mapping[str, str | None] | None = None
) -> dict[str, str]:
    labels = build_labels(make_spec(folder), owner=owner, attempt=1, deadline_unix=int(NOW))
    changed = {**labels, **{f"{LABEL}.{key}": value for key, value in (changes or {}).items()}}
    return {key: value for key, value in changed.items() if value is not None}


@pytest.mark.parametrize(
    ("owner", "late_s", "changes", "reason"),
    [
        pytest.param(current_owner(), 0, {}, None, id="its owner lives"),
        pytest.param(DEAD, 0, {}, "its owner is gone", id="its owner is gone"),
        pytest.param(
            replace(DEAD, boot_id="earlier"), 0, {}, "its owner is gone", id="the machine was off"
        ),
        pytest.param(ELSEWHERE, 0, {}, None, id="of another machine"),
        pytest.param(
            ELSEWHERE, OVERDUE_S + 1, {}, "its deadline has passed", id="of another, long late"
        ),
        pytest.param(current_owner(), OVERDUE_S, {}, None, id="late, but not long"),
        pytest.param(current_owner(), OVERDUE_S + 1, {}, "its deadline has passed", id="long late"),
        pytest.param(DEAD, 0, {"deadline_unix": None}, None, id="without a deadline"),
        pytest.param(DEAD, 0, {"deadline_unix": "soon"}, None, id="with no number as deadline"),
        pytest.param(DEAD, 0, {"owner_pid": None}, None, id="without an owner"),
        pytest.param(DEAD, 0, {"owner_pid": "x"}, None, id="with an owner that is no number"),
        pytest.param(DEAD, 0, {"folder": None}, "its owner is gone", id="without a folder"),
    ],
)
def test_the_reason_to_remove(
    owner: Owner, late_s: float, changes: dict[str, str | None], reason: str | None, tmp_path: Path
) -> None:
    labels = make_labels(tmp_path, owner, changes)
    assert find_reason(labels, now=NOW + late_s) == reason


def test_labels_of_others_are_no_reason() -> None:
    assert find_reason({}, now=NOW) is None
    assert find_reason({"com.docker.compose.project": "shop"}, now=NOW) is None


@pytest.mark.parametrize(
    ("made_by", "now_with", "reason"),
    [
        pytest.param(DEAD, current_owner(), None, id="was adopted by one who lives"),
        pytest.param(current_owner(), DEAD, "its owner is gone", id="was adopted by one who died"),
    ],
)
def test_who_owns_a_step_now_counts_and_not_who_made_it(
    made_by: Owner, now_with: Owner, reason: str | None, tmp_path: Path
) -> None:
    write_owner(tmp_path, now_with)
    assert find_reason(make_labels(tmp_path, made_by), now=NOW) == reason


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x"}', "\0"])
def test_an_owner_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / OWNER_FILE).write_text(text)
    assert read_owner(tmp_path) is None


def test_an_owner_that_was_written_is_read(tmp_path: Path) -> None:
    write_owner(tmp_path, DEAD)
    assert read_owner(tmp_path) == DEAD
    assert [path.name for path in tmp_path.iterdir()] == [OWNER_FILE]


Make = Callable[..., str]


@pytest.fixture
def make_container(engine: "APIClient", image: str, tmp_path: Path) -> Iterator[Make]:
    """Makes containers with labels and says their names; in the end all are gone."""
    made: list[str] = []

    def make(name: str, owner: Owner, *, now: float | None = None, running: bool = False) -> str:
        spec = make_spec(tmp_path / name, step_id=name, run_id=f"reap-{os.getpid()}")
        for room in ("in", "code", "out"):
            (spec.folder / room).mkdir(parents=True)
        body = build_specification(
            spec,
            default_policy(),
            image=engine.inspect_image(image)["Id"],
            seccomp={"defaultAction": "SCMP_ACT_ALLOW"},
            owner=owner,
            attempt=1,
            now=time.time() if now is None else now,
        )
        body = {**body, "Entrypoint": ["/usr/local/bin/tini", "--", "sleep", "600"]}
        found = engine.create_container_from_config(body, f"automl-test-{os.getpid()}-{name}")
        made.append(found["Id"])
        if running:
            engine.start(found["Id"])
        return f"automl-test-{os.getpid()}-{name}"

    yield make
    for container in list_ids(engine, made):
        engine.remove_container(container, force=True, v=True)


def list_ids(engine: "APIClient", wanted: list[str]) -> list[str]:
    return [c["Id"] for c in engine.containers(all=True) if c["Id"] in wanted]


def list_names(engine: "APIClient") -> set[str]:
    return {name.lstrip("/") for c in engine.containers(all=True) for name in c["Names"]}


@pytest.mark.docker
def test_orphans_are_removed_and_the_containers_of_others_are_kept(
    engine: "APIClient", image: str, make_container: Make
) -> None:
    orphan = make_container("orphan", DEAD)
    running_orphan = make_container("running", DEAD, running=True)
    late = make_container("late", current_owner(), now=time.time() - 60 - 60 - OVERDUE_S - 5)
    alive = make_container("alive", current_owner(), running=True)
    # A name like ours makes it not ours.
    foreign = f"automl-run-step-{os.getpid()}"
    engine.create_container(image, name=foreign, entrypoint=["true"], command=[])
    try:
        gone_s, late_s = "its owner is gone", "its deadline has passed"
        expected = {Reaped(orphan, gone_s), Reaped(running_orphan, gone_s), Reaped(late, late_s)}
        assert expected <= set(reap(engine))
        assert list_names(engine) & {orphan, running_orphan, late, alive, foreign} == {
            alive,
            foreign,
        }
        assert not {r.name for r in reap(engine)} & {alive, foreign}
    finally:
        engine.remove_container(foreign, force=True)


@pytest.mark.docker
def test_the_containers_of_a_run_that_goes_on_are_kept(
    engine: "APIClient", make_container: Make
) -> None:
    orphan = make_container("orphan", DEAD)
    assert orphan not in {r.name for r in reap(engine, kept_run=f"reap-{os.getpid()}")}
    assert orphan in {r.name for r in reap(engine)}


OWNER = """
import sys, time
from pathlib import Path
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.sandbox import StepSpec
from automl_agent.sandboxes.step import Step

folder, run_id, image = sys.argv[1:]
spec = StepSpec("step", Path(folder), (), Resources(1, 256), False, run_id=run_id, time_limit_s=60)
script = (
    "import os, time\\n"
    "time.sleep(3)\\n"
    "open(os.environ['AUTOML_OUT'] + '/said.txt', 'w').write('after the agent')\\n"
)
step = Step(DockerSandbox(lambda variant: image), spec, {"job.py": script})
step.wait_until_warm()
print("warm", flush=True)
step.run({"script": "job.py", "time_limit_s": 30})
"""


@pytest.mark.docker
def test_a_step_whose_agent_was_killed_is_gone_on_with_in_the_same_container(
    engine: "APIClient", image: str, tmp_path: Path
) -> None:
    folder, run_id = tmp_path / "step", f"adopted-{os.getpid()}"
    command = [sys.executable, "-c", OWNER, str(folder), run_id, image]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "warm\n"
        wait_until((folder / "out" / "0001").exists)
        agent.send_signal(signal.SIGKILL)
    (made,) = find_of_run(engine, run_id)
    spec = make_spec(folder, run_id=run_id)
    handle = DockerSandbox(lambda _variant: image).start(spec)
    try:
        wait_until(lambda: handle.container_id or handle.poll())
        assert handle.container_id == made["Id"]
        result = folder / "out" / "0001.result.json"
        wait_until(result.exists)
        assert json.loads(result.read_text())["status"] == "ok"
        assert (folder / "out" / "0001" / "said.txt").read_text() == "after the agent"
        assert [c["Id"] for c in find_of_run(engine, run_id)] == [made["Id"]]
        # The new owner is known, so that nobody else's reaper takes it.
        assert read_owner(folder) == current_owner()
        assert made["Id"] not in list_reaped(engine)
    finally:
        handle.stop()
        handle.discard()
    end = handle.poll()
    assert end is not None and end.status == "ok"
    assert find_of_run(engine, run_id) == []


def list_reaped(engine: "APIClient") -> set[str]:
    before = {c["Id"] for c in engine.containers(all=True)}
    reap(engine)
    return before - {c["Id"] for c in engine.containers(all=True)}


def find_of_run(engine: "APIClient", run_id: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = engine.containers(
        all=True, filters={"label": f"{LABEL}.run={run_id}"}
    )
    return found
