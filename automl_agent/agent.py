"""The agent: one run from a request to its result. The command line and the REPL sit on it."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent import __version__, builtin_plugin
from automl_agent.cards.data_card import SplitRule
from automl_agent.cards.metric import Task
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.gate import Gate, OpenGate
from automl_agent.controllers.loop import run_loop
from automl_agent.controllers.request import DEFAULT_TIME_S, DEFAULT_TRIALS, Request
from automl_agent.controllers.session import Session
from automl_agent.controllers.training_tools import deliver_model
from automl_agent.errors import (
    DeclinedError,
    InputError,
    SandboxError,
    SetupError,
    TrainingError,
    UserError,
)
from automl_agent.plugins import Plugins, discover_plugins, load_plugins
from automl_agent.result import Result, build_result
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import (
    create_run_directory,
    find_run_directory,
    gpu_folder,
    home_folder,
    journal_path,
)
from automl_agent.sandboxes.folders import remove_tree
from automl_agent.sandboxes.gpus import hold_gpus
from automl_agent.sandboxes.resources import available_resources
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from pandas import DataFrame

SANDBOX_VARIABLE = "AUTOML_AGENT_SANDBOX"
AUTO = "auto"
# The safest first.
AUTO_ORDER = ("docker", "process")

EventListener = Callable[[str, Mapping[str, Any]], None]


class Agent:
    """Runs requests: `Agent().run(data=frame, target="income")`.

    home: the folder of the state; default AUTOML_AGENT_HOME or the user's data folder.
    sandbox: default AUTOML_AGENT_SANDBOX or "auto": "docker" where it can be used, else "process".
    controller: "planner", or a provider and model as in "anthropic:MODEL".
    gate: who is shown the plans before training; default nobody.
    on_event: told of each event, its name and plain JSON values.
    """

    def __init__(
        self,
        *,
        home: str | Path | None = None,
        controller: str = "planner",
        sandbox: str | None = None,
        sandbox_options: SandboxOptions | None = None,
        gate: Gate | None = None,
        on_event: EventListener | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        self.home = Path(home).expanduser().resolve() if home else home_folder()
        self.plugins = plugins or load_all_plugins()
        self._controller = controller
        self._sandbox = sandbox or os.environ.get(SANDBOX_VARIABLE) or AUTO
        self._sandbox_options = sandbox_options or SandboxOptions()
        self._gate = gate or OpenGate()
        self._on_event = on_event

    def run(
        self,
        data: "str | Path | DataFrame",
        target: str,
        *,
        holdout: "str | Path | DataFrame | None" = None,
        description: str = "",
        task: Task | None = None,
        metric: str | None = None,
        experts: str | Sequence[str] = (),
        split: SplitRule | None = None,
        drop: str | Sequence[str] = (),
        time_s: float = DEFAULT_TIME_S,
        n_trials: int = DEFAULT_TRIALS,
        seed: int = 0,
    ) -> Result:
        """Train a model that predicts a column of a table.

        data, holdout: a path to a CSV or Parquet file, or a DataFrame; the held-out rows are a part
        of `data` if no table of their own is given.
        Raises: UserError, each kind as in `automl_agent.errors`; KeyboardInterrupt if interrupted
        before there is a model to deliver.
        """
        request = Request(
            table=_table_name(data),
            target=target,
            words=description,
            holdout=None if holdout is None else _table_name(holdout),
            task=task,
            metric=metric,
            experts=_as_names(experts),
            split=split,
            drop=_as_names(drop),
            time_s=time_s,
            n_trials=n_trials,
            seed=seed,
            sandbox_options=self._sandbox_options,
        )
        request.check()
        self._check_names(request)
        budget = Budget(time_s, n_trials)
        frame = self.read_table(data)
        holdout_frame = None if holdout is None else self.read_table(holdout)
        sandbox = self.find_sandbox()
        gpus = hold_gpus(self._sandbox_options, sandbox, gpu_folder(self.home), self._emit)
        with gpus as lease, Journal(journal_path(self.home)) as journal:
            session = Session(
                request=request,
                frame=frame,
                holdout_frame=holdout_frame,
                plugins=self.plugins,
                sandbox=sandbox,
                resources=replace(available_resources(), gpus=lease.device_ids),
                gpu_lease=lease,
                journal=journal,
                directory=create_run_directory(self.home),
                budget=budget,
                gate=self._gate,
                emit=self._emit,
            )
            return self._run_session(session)

    def load(self, run_id: str) -> Result:
        """The result of an earlier run: its id, the beginning of it, or "last".

        Raises: UnknownNameError; SetupError if the run has no result.
        """
        directory = find_run_directory(self.home, run_id)
        if not directory.result.is_file():
            raise SetupError(f"The run {directory.run_id} has no result; it did not end.")
        document = json.loads(directory.result.read_text(encoding="utf-8"))
        sandbox = self.find_sandbox()
        return Result(directory, document, sandbox, self._sandbox_options, emit=self._emit)

    def read_table(self, data: "str | Path | DataFrame") -> "DataFrame":
        """A table from a DataFrame, from a plugin that knows the source, or from a file.

        Raises: InputError.
        """
        if not isinstance(data, str | Path):
            return _check_frame(data, "The table")
        source = str(data)
        for table in self.plugins.call_each("load_dataset", source=source):
            return _check_frame(table, f"What a plugin read from {source}")
        return builtin_plugin.read_builtin_table(source)

    def find_sandbox(self) -> Sandbox:
        """The sandbox that was chosen, or the first of AUTO_ORDER that can be used.

        Raises: UnknownNameError; SetupError if it cannot be used here.
        """
        names = AUTO_ORDER if self._sandbox == AUTO else (self._sandbox,)
        problems: list[str] = []
        for name in names:
            sandbox: Sandbox = self.plugins.sandboxes[name]
            problem = sandbox.find_problem(self._sandbox_options)
            if not problem:
                self._emit("sandbox_chosen", {"name": name, "problems": problems})
                return sandbox
            problems.append(f"The sandbox {name!r} cannot be used: {problem}")
        raise SetupError(" ".join(problems))

    def _check_names(self, request: Request) -> None:
        for name in request.experts:
            self.plugins.experts[name]
        if request.metric is not None:
            self.plugins.metrics[request.metric]
        self.plugins.chat_models[self._controller.partition(":")[0]]

    def _run_session(self, session: Session) -> Result:
        session.journal.begin_run(session.run_id, session.request.to_json())
        self._emit("run_started", {"run_id": session.run_id, **session.request.to_json()})
        status, document = "failed", None
        try:
            ended = self._train(session)
            document = build_result(session, ended)
            status = ended
            options = session.request.sandbox_options
            return Result(session.directory, document, session.sandbox, options, emit=self._emit)
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        except UserError as exc:
            status = "declined" if isinstance(exc, DeclinedError) else "failed"
            document = {"error": str(exc)}
            raise
        finally:
            session.close_batches()
            if not session.trials:
                # Nothing was trained: a folder of prepared tables is of no use to anybody.
                remove_tree(session.directory.root)
            session.journal.end_run(session.run_id, status, document)
            self._emit("run_ended", {"run_id": session.run_id, "status": status})

    def _train(self, session: Session) -> str:
        """Let the controller work; deliver what there is however it ended; return the status."""
        provider, _, model_name = self._controller.partition(":")
        model = self.plugins.chat_models[provider].create(model_name or None)
        status = "finished"
        try:
            reason = run_loop(model, session, on_text=self._emit_text)
        except KeyboardInterrupt:
            if not session.finished_trials:
                raise
            # What is finished is kept: the first Ctrl-C ends the search, not the run.
            status, reason = "interrupted", "interrupted"
            session.budget.time_s = 0.0
        if session.delivery is None and session.finished_trials:
            session.summary = session.summary or f"Ended early: {reason}."
            _deliver_or_fail(session)
        if session.delivery is None:
            raise _explain_failure(session, reason)
        return status

    def _emit_text(self, text: str) -> None:
        self._emit("controller_text", {"text": text})

    def _emit(self, name: str, fields: Mapping[str, Any]) -> None:
        if self._on_event:
            self._on_event(name, fields)
        for _ in self.plugins.call_each("on_event", name=name, fields=fields):
            pass


def load_all_plugins() -> Plugins:
    """The built-in plugin and all that are installed."""
    return load_plugins(discover_plugins(), builtin=builtin_plugin, version=__version__)


def _deliver_or_fail(session: Session) -> None:
    try:
        deliver_model(session)
    except SandboxError as exc:
        raise TrainingError(f"No finished trial could be delivered: {exc}") from exc


def _explain_failure(session: Session, reason: str) -> UserError:
    if session.last_error is not None:
        return session.last_error
    failed = [trial for trial in session.trials if trial.message or trial.status != "ok"]
    is_late = session.budget.time_left_s <= 0 or any(t.status == "timeout" for t in failed)
    if is_late and not session.finished_trials:
        return session.budget.too_short()
    if failed:
        last_line = (failed[0].message.splitlines() or [failed[0].status])[-1]
        return TrainingError(
            f"All {len(session.trials)} trials failed, the first with: {last_line} "
            f"Its output is in {failed[0].folder / 'output.txt'}."
        )
    return TrainingError(session.summary or f"Nothing was trained: {reason}.")


def _check_frame(table: object, what: str) -> "DataFrame":
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{what} is a {type(table).__name__}; give a DataFrame or a path.")
    return table.rename(columns=str).reset_index(drop=True)


def _as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _table_name(data: "str | Path | DataFrame") -> str:
    return str(data) if isinstance(data, str | Path) else "DataFrame"
