"""Whole runs in containers: the same results as in a process; and without an engine."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from sklearn.datasets import load_wine

from automl_agent import Agent, Result
from automl_agent.errors import SetupError
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.ui.app import cli, run_program

if TYPE_CHECKING:
    from docker import APIClient

EXPERTS = ("xgboost", "linear")


@pytest.fixture(scope="module")
def wine() -> pd.DataFrame:
    frame: pd.DataFrame = load_wine(as_frame=True).frame
    return frame


@pytest.fixture(scope="module")
def results(
    image: str, wine: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Result]:
    """The same run in both sandboxes."""
    del image
    return {
        name: Agent(home=tmp_path_factory.mktemp(name), sandbox=name).run(
            wine, "target", experts=EXPERTS, n_trials=4
        )
        for name in ("docker", "process")
    }


@pytest.mark.docker
def test_a_run_in_containers_gives_what_a_run_in_processes_gives(
    results: dict[str, Result], wine: pd.DataFrame
) -> None:
    boards = [result.leaderboard.drop(columns="seconds") for result in results.values()]
    # The image and this environment have the same versions, and the seeds are fixed.
    pd.testing.assert_frame_equal(*boards, rtol=1e-4)
    features = wine.drop(columns="target")
    predictions = [result.predict(features) for result in results.values()]
    assert (predictions[0] == predictions[1]).all()


@pytest.mark.docker
def test_a_run_leaves_no_container_and_a_record_of_each(
    results: dict[str, Result], engine: "APIClient"
) -> None:
    result = results["docker"]
    label = f"automl-agent.run={result.run_id}"
    assert engine.containers(all=True, filters={"label": label}) == []
    home = result.directory.root.parent.parent
    with Journal(journal_path(home)) as journal:
        steps = journal.list_rows("steps", result.run_id)
    assert [step["intent"]["sandbox"] for step in steps] == ["docker"] * len(EXPERTS)
    assert {step["status"] for step in steps} == {"done"}
    ends = [step["outcome"]["end"] for step in steps]
    assert [end["status"] for end in ends] == ["ok"] * len(EXPERTS)
    assert all(end["evidence"]["container"] for end in ends)


@pytest.mark.docker
def test_held_out_labels_are_in_no_folder_that_a_container_sees(
    results: dict[str, Result],
) -> None:
    steps = results["docker"].directory.root / "steps"
    tables = {path.name for path in steps.glob("*/in/data/*.parquet")}
    assert "holdout_features.parquet" in tables
    for path in steps.glob("*/in/data/holdout*.parquet"):
        assert "target" not in pd.read_parquet(path).columns


def test_without_an_engine_a_run_says_in_one_line_what_it_uses_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wine: pd.DataFrame
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    events: list[tuple[str, Mapping[str, Any]]] = []
    agent = Agent(sandbox="auto", on_event=lambda name, fields: events.append((name, fields)))
    assert agent.find_sandbox().name == "process"
    ((name, fields),) = events
    assert (name, fields["name"]) == ("sandbox_chosen", "process")
    assert "no Docker engine is at unix://" in fields["problems"][0]
    table = tmp_path / "wine.csv"
    wine.to_csv(table, index=False)


def test_without_an_engine_docker_by_name_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(SetupError, match="start it, install Docker, or set DOCKER_HOST"):
        Agent(sandbox="docker").find_sandbox()
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "1,2\n" * 50)
    arguments = ["run", str(table), "--target", "b", "--sandbox", "docker", "--yes"]
    assert run_program(lambda: cli.main(arguments, standalone_mode=False)) == 7
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.docker
def test_where_engine_and_image_are_there_docker_is_the_default(image: str) -> None:
    del image
    assert Agent(sandbox="auto").find_sandbox().name == "docker"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare for a user namespace")
def test_root_of_a_user_namespace_without_the_containers_user_is_told_so() -> None:
    script = (
        "from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox\n"
        "from automl_agent.sandboxes.sandbox import SandboxOptions\n"
        "print(DockerSandbox(str).find_problem(SandboxOptions()))"
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "start outside of it, or as a user who is not root" in done.stdout


def test_the_process_sandbox_is_no_place_for_gpus_unless_processors_will_do() -> None:
    sandbox = ProcessSandbox()
    problem = sandbox.find_problem(SandboxOptions(n_gpus=1))
    assert problem is not None
    assert "--sandbox docker" in problem
    assert sandbox.find_problem(SandboxOptions(n_gpus=1, cpu_fallback=True)) is None


@pytest.mark.docker
def test_the_program_trains_and_predicts_in_containers(
    image: str, wine: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del image
    table = tmp_path / "wine.csv"
    wine.to_csv(table, index=False)
    run = ["run", str(table), "--target", "target", "--trials", "1", "--expert", "linear"]
    command = [*run, "--sandbox", "docker", "--yes", "--output-format", "json"]
    assert run_program(lambda: cli.main(command, standalone_mode=False)) == 0
    printed = capsys.readouterr()
    assert "Sandbox: docker." in printed.err
    run_id = json.loads(printed.out)["run_id"]
    predicted = tmp_path / "predicted.csv"
    predict = ["predict", run_id, str(table), "-o", str(predicted), "--sandbox", "docker"]
    assert run_program(lambda: cli.main(predict, standalone_mode=False)) == 0
    agreement = (pd.read_csv(predicted)["prediction"] == wine["target"]).mean()
    assert agreement > 0.9
