"""Runs and predictions that ask for GPUs: who gets which, and what happens where there are none."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from automl_agent import Agent
from automl_agent.agent import load_all_plugins
from automl_agent.controllers.gate import Approval
from automl_agent.errors import SetupError, TrainingError
from automl_agent.experts.plan import Plan
from automl_agent.sandboxes.gpus import lease_gpus
from automl_agent.sandboxes.process import ProcessHandle, ProcessSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions, StepEnd, StepSpec
from automl_agent.ui.progress import describe_gpus

from .conftest import WriteDriver

B = "GPU-bbbb"
ONE_GPU = SandboxOptions(n_gpus=1)
IF_THERE = SandboxOptions(n_gpus=1, cpu_fallback=True)


class EndedHandle:
    """A step that has ended before it began."""

    def __init__(self, end: StepEnd) -> None:
        self._end = end

    def poll(self) -> StepEnd:
        return self._end

    def output_tail(self) -> str:
        return ""

    def stop(self) -> None:
        pass

    def collect(self, job_id: str, destination: Path) -> None:
        raise AssertionError("nothing was trained")

    def discard(self) -> None:
        pass


class GpuSandbox(ProcessSandbox):
    """Stands in for a container: it may be given GPUs, and ends a step with them as it is told."""

    name = "gpu"
    is_container = True

    def __init__(self, end: StepEnd | None = None) -> None:
        super().__init__()
        self.specs: list[StepSpec] = []
        self._end = end

    def find_problem(self, options: SandboxOptions) -> str | None:
        return None

    def start(self, spec: StepSpec) -> ProcessHandle | EndedHandle:  # type: ignore[override]
        self.specs.append(spec)
        if self._end is not None and spec.resources.gpus:
            return EndedHandle(self._end)
        return super().start(spec)


class Events:
    """What an agent told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        self.seen.append((name, fields))

    def lines(self) -> list[str]:
        """What a person is told about GPUs."""
        return [line for event in self.seen if (line := describe_gpus(*event))]


@pytest.fixture
def frame() -> pd.DataFrame:
    table: pd.DataFrame = load_breast_cancer(as_frame=True).frame
    return table.sample(200, random_state=0)


def make_agent(
    sandbox: ProcessSandbox, options: SandboxOptions, events: Events, gate: Any = None
) -> Agent:
    plugins = load_all_plugins()
    plugins.sandboxes.add(sandbox.name, sandbox, distribution="tests")
    return Agent(
        sandbox=sandbox.name, sandbox_options=options, on_event=events, plugins=plugins, gate=gate
    )


def train(agent: Agent, frame: pd.DataFrame) -> Any:
    return agent.run(frame, "target", experts="xgboost", n_trials=2, time_s=60)


MISSING = StepEnd("gpu_missing", "The container does not see the GPUs; check nvidia-smi.")


def test_a_run_trains_on_the_gpu_that_it_has_leased_and_gives_it_back(
    write_driver: WriteDriver, frame: pd.DataFrame, home: Path
) -> None:
    write_driver()
    sandbox, events = GpuSandbox(), Events()
    result = train(make_agent(sandbox, ONE_GPU, events), frame)
    assert {spec.resources.gpus for spec in sandbox.specs} == {(B,)}
    assert result.plan["resources"]["gpus"] == [B]
    assert B in Path(result.to_json()["paths"]["paragraph"]).read_text()
    assert events.lines() == [f"GPUs: NVIDIA H100 {B}"]
    with lease_gpus(3, home / "gpus"):
        pass


def test_a_prediction_leases_too(write_driver: WriteDriver, frame: pd.DataFrame) -> None:
    write_driver()
    sandbox, events = GpuSandbox(), Events()
    result = train(make_agent(sandbox, ONE_GPU, events), frame)
    sandbox.specs.clear()
    assert len(result.predict(frame.head(3))) == 3
    assert {spec.resources.gpus for spec in sandbox.specs} == {(B,)}


def test_the_script_is_told_its_gpus(write_driver: WriteDriver, frame: pd.DataFrame) -> None:
    write_driver()
    sandbox = GpuSandbox()
    train(make_agent(sandbox, ONE_GPU, Events()), frame)
    (job, *_) = (sandbox.specs[0].folder / "in" / "jobs").glob("0001.json")
    assert json.loads(job.read_text())["resources"]["gpus"] == [B]


def test_a_run_without_a_free_gpu_ends_before_it_begins(
    write_driver: WriteDriver, frame: pd.DataFrame, home: Path
) -> None:
    write_driver()
    sandbox, events = GpuSandbox(), Events()
    with (
        lease_gpus(3, home / "gpus"),
        pytest.raises(SetupError, match=r"is leased by another run.* Or allow --cpu-fallback\.$"),
    ):
        train(make_agent(sandbox, ONE_GPU, events), frame)
    assert sandbox.specs == []
    assert not list(home.glob("runs/*"))


def test_where_it_is_allowed_a_run_without_a_free_gpu_trains_on_processors(
    write_driver: WriteDriver, frame: pd.DataFrame, home: Path
) -> None:
    write_driver()
    sandbox, events = GpuSandbox(MISSING), Events()
    with lease_gpus(3, home / "gpus"):
        result = train(make_agent(sandbox, IF_THERE, events), frame)
    assert result.score is not None
    assert result.plan["resources"]["gpus"] == []
    (line,) = events.lines()
    assert line.startswith("On processors instead of GPUs: 1 GPU is asked for and 0 free (")


def test_a_gpu_that_is_missing_inside_fails_the_run_at_its_first_trial(
    write_driver: WriteDriver, frame: pd.DataFrame, home: Path
) -> None:
    write_driver()
    sandbox, events = GpuSandbox(MISSING), Events()
    agent = make_agent(sandbox, ONE_GPU, events)
    with pytest.raises(SetupError) as caught:
        agent.run(frame, "target", experts=("xgboost", "linear"), n_trials=4, time_s=60)
    assert str(caught.value) == f"{MISSING.message} Or allow --cpu-fallback."
    calls = [fields["name"] for name, fields in events.seen if name == "tool_called"]
    assert calls.count("train") == 1
    with lease_gpus(3, home / "gpus"):
        pass


def test_where_it_is_allowed_a_gpu_that_is_missing_inside_is_done_without(
    write_driver: WriteDriver, frame: pd.DataFrame
) -> None:
    write_driver()
    sandbox, events = GpuSandbox(MISSING), Events()
    agent = make_agent(sandbox, IF_THERE, events)
    result = agent.run(frame, "target", experts=("xgboost", "linear"), n_trials=4, time_s=60)
    assert events.lines() == [
        f"GPUs: NVIDIA H100 {B}",
        f"On processors instead of GPUs: {MISSING.message}",
    ]
    statuses = [fields["status"] for name, fields in events.seen if name == "trial_ended"]
    assert statuses == ["ok"] * 4
    assert [plan["resources"]["gpus"] for plan in result.to_json()["plans"]] == [[], []]


def test_a_prediction_does_without_only_where_that_is_allowed(
    write_driver: WriteDriver, frame: pd.DataFrame
) -> None:
    write_driver()
    result = train(make_agent(GpuSandbox(), SandboxOptions(), Events()), frame)
    sandbox, events = GpuSandbox(MISSING), Events()
    strict = make_agent(sandbox, ONE_GPU, Events()).load(result.run_id)
    with pytest.raises(TrainingError, match=r"check nvidia-smi\. Or allow --cpu-fallback\.$"):
        strict.predict(frame.head(3))
    lenient = make_agent(sandbox, IF_THERE, events).load(result.run_id)
    assert len(lenient.predict(frame.head(3))) == 3
    assert events.lines()[-1] == f"On processors instead of GPUs: {MISSING.message}"


def test_a_gpu_whose_step_is_lost_goes_into_quarantine(
    write_driver: WriteDriver, frame: pd.DataFrame, home: Path
) -> None:
    write_driver()
    sandbox = GpuSandbox(StepEnd("lost", "The engine does not end the container."))
    with pytest.raises(TrainingError):
        train(make_agent(sandbox, ONE_GPU, Events()), frame)
    reason = (home / "gpus" / f"{B}.quarantine").read_text()
    assert reason.endswith(": The engine does not end the container.")
    with lease_gpus(2, home / "gpus") as lease:
        assert B not in lease.device_ids


class InterruptingGate:
    """Presses Ctrl-C when it is asked."""

    def approve(self, plans: list[Plan]) -> Approval:
        raise KeyboardInterrupt

    def answer(self, question: str) -> str:
        return ""


def test_after_ctrl_c_the_gpu_is_free(
    write_driver: WriteDriver, frame: pd.DataFrame, home: Path
) -> None:
    write_driver()
    agent = make_agent(GpuSandbox(), ONE_GPU, Events(), InterruptingGate())
    with pytest.raises(KeyboardInterrupt):
        train(agent, frame)
    with lease_gpus(3, home / "gpus"):
        pass


def test_the_process_sandbox_trains_on_processors_and_says_so(
    write_driver: WriteDriver, frame: pd.DataFrame
) -> None:
    write_driver()
    events = Events()
    agent = Agent(sandbox="process", sandbox_options=IF_THERE, on_event=events)
    assert train(agent, frame).plan["resources"]["gpus"] == []
    assert events.lines() == [
        "On processors instead of GPUs: The sandbox 'process' gives no GPUs; use --sandbox docker."
    ]
    strict = Agent(sandbox="process", sandbox_options=replace(IF_THERE, cpu_fallback=False))
    with pytest.raises(SetupError, match="It leases no GPUs; use --sandbox docker"):
        train(strict, frame)
