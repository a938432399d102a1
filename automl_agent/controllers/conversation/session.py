"""The session: the state of one task and its run, which the tools work on."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import Settings
from automl_agent.cards.paragraph import render_paragraph
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.configuration.setting import Privacy
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.conversation.advising import make_tuner
from automl_agent.controllers.conversation.recorded_trial import (
    ExtrapolatorFinder,
    Forecaster,
    forecast_from_card,
    run_recorded_trial,
)
from automl_agent.controllers.conversation.remembering import remember_trial
from automl_agent.controllers.garbage import collect_if_due
from automl_agent.controllers.gate import Gate
from automl_agent.controllers.purse import Purse
from automl_agent.controllers.request import Request
from automl_agent.errors import (
    DeclinedError,
    GpuMissingError,
    SandboxError,
    SetupError,
    ToolError,
    suggest,
)
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.search_space import complete_settings
from automl_agent.knowledge.advisor import Advisor
from automl_agent.knowledge.knowledge import Knowledge
from automl_agent.knowledge.prediction.ledger import Entry, Ledger
from automl_agent.plugins import Plugins
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import RunDirectory
from automl_agent.sandboxes.gpus import GpuLease, no_gpus
from automl_agent.sandboxes.sandbox import Sandbox
from automl_agent.training.batch import Batch, link_data
from automl_agent.training.comparison import read_earlier
from automl_agent.training.constraints import Constraint, Earlier
from automl_agent.training.dataset import Dataset
from automl_agent.training.delivery import Delivery, estimate_delivery_s
from automl_agent.training.prediction import time_saved_model
from automl_agent.training.scoring import chance_score, find_metric
from automl_agent.training.training_log import LogRecord
from automl_agent.training.trial import Trial
from automl_agent.training.tuning import Tuner

if TYPE_CHECKING:
    from pandas import DataFrame

# How long an expert takes is not known before its first trial; it must leave time for others.
_FIRST_TRIAL_SHARE = 0.4
MIN_TRIAL_S = 0.3
# How often a language model may correct a script of its own that failed.
MAX_REPAIRS = 3
# Ending the sandboxes, scoring and saving.
CLOSING_S = 1.5
# A step is ended by the run; its own limit is for when the run is gone, or waits for a person.
STEP_MARGIN_S = 600.0


@dataclass
class Session:
    """The state of one task and its run. Tools change it; the loop and the agent read it.

    emit: told of each event, its name and plain JSON values. held: what is given back at the end.
    earlier: the result of the run that this one is to improve. n_repairs: by plan.
    predictions: of each plan, how it came out; scores: of each trial, what was predicted of it.
    stopped, skipped: the trials and candidates that could not win. forecast: predicts trials.
    find_extrapolator: what predicts where curves end; without it no trial is stopped early.
    advisor: asked what to train. told_logs: by plan, what a language model predicts.
    is_ended: nothing more is trained, and the run has its result in the journal.
    """

    request: Request
    frame: "DataFrame"
    holdout_frame: "DataFrame | None"
    plugins: Plugins
    sandbox: Sandbox
    resources: Resources
    journal: Journal
    directory: RunDirectory
    budget: Budget
    gate: Gate
    emit: Callable[[str, Mapping[str, Any]], None]
    gpu_lease: GpuLease = field(default_factory=no_gpus)
    card: DataCard | None = None
    dataset: Dataset | None = None
    plans: dict[str, Plan] = field(default_factory=dict)
    is_approved: bool = False
    batches: dict[str, Batch] = field(default_factory=dict)
    step_ids: dict[str, str] = field(default_factory=dict)
    n_steps: int = 0
    tuners: dict[str, Tuner] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    n_begun: Counter[str] = field(default_factory=Counter)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, Entry] = field(default_factory=dict)
    stopped: list[Mapping[str, Any]] = field(default_factory=list)
    skipped: list[Mapping[str, Any]] = field(default_factory=list)
    forecast: Forecaster = forecast_from_card
    find_extrapolator: ExtrapolatorFinder | None = None
    advisor: Advisor | None = None
    told_logs: dict[str, PredictedLog] = field(default_factory=dict)
    delivery: Delivery | None = None
    result: dict[str, Any] | None = None
    earlier: dict[str, Any] | None = None
    constraints: tuple[Constraint, ...] = ()
    summary: str = ""
    is_ended: bool = False
    task_id: str = "t1"
    conversation_id: str = ""
    privacy: Privacy = "schema"
    n_repairs: Counter[str] = field(default_factory=Counter)
    knowledge: Knowledge | None = None
    purse: Purse = field(default_factory=Purse)
    _earlier: Earlier | None = None
    _chance: float | None = None
    held: ExitStack = field(default_factory=ExitStack)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.directory.run_id

    @property
    def known_card(self) -> DataCard:
        """The data card.

        Raises: ToolError if the data set is not profiled yet.
        """
        if self.card is None:
            raise ToolError("There is no data card yet; call profile_dataset first.")
        return self.card

    @property
    def metric(self) -> Metric:
        """The metric that decides."""
        card = self.known_card
        return find_metric(self.plugins.metrics, card.metric, card.task)

    @property
    def finished_trials(self) -> list[Trial]:
        """The trials that have a score."""
        return [trial for trial in self.trials if trial.score is not None]

    @property
    def ledger(self) -> Ledger:
        """Where predictions of trials are kept and scored."""
        return Ledger(self.journal)

    def find_chance(self) -> float | None:
        """The metric of a constant prediction, None if the card does not tell it."""
        if self._chance is None:
            self._chance = chance_score(self.metric, self.known_card)
        return self._chance

    def find_earlier(self) -> Earlier | None:
        """The measures of the result that is to be improved, None if there is none."""
        if self.earlier is not None and self._earlier is None:
            self._earlier = read_earlier(self.earlier, self.constraints, self._time_earlier)
        return self._earlier

    def find_plan(self, plan_id: str) -> Plan:
        """The plan of that id.

        Raises: ToolError that lists the plans.
        """
        if plan_id not in self.plans:
            raise ToolError(f"There is no plan {plan_id!r}.{suggest(plan_id, self.plans)}")
        return self.plans[plan_id]

    def change_plan(self, plan_id: str, **changes: Any) -> Plan:
        """Replace a part of a plan that was not approved yet."""
        if self.is_approved:
            raise ToolError("The plans are approved and cannot be changed; call train or tune.")
        self.plans[plan_id] = replace(self.find_plan(plan_id), **changes)
        return self.plans[plan_id]

    def repair_plan(self, plan_id: str, **changes: Any) -> Plan:
        """Replace scripts of an approved plan, whose own script failed.

        The person approved that a language model's code is trained, in a container, and no line of
        it; the number of repairs is limited.
        Raises: ToolError if there is nothing to repair.
        """
        if not self.may_repair(plan_id):
            raise ToolError(f"The plan {plan_id} is approved and cannot be changed any more.")
        self.n_repairs[plan_id] += 1
        self.plans[plan_id] = replace(self.plans[plan_id], **changes)
        return self.plans[plan_id]

    def may_repair(self, plan_id: str) -> bool:
        """Whether a plan's generated script failed last, and not too often before."""
        plan = self.plans.get(plan_id)
        last = next((t for t in reversed(self.trials) if t.plan_id == plan_id), None)
        has_failed = last is not None and last.score is None and last.status == "error"
        return bool(
            plan and plan.generated and has_failed and self.n_repairs[plan_id] < MAX_REPAIRS
        )

    def pass_gate(self) -> None:
        """Ask the person about all plans, once.

        Raises: ToolError if a plan is not complete; DeclinedError if she says no.
        """
        if self.is_approved:
            return
        for plan in self.plans.values():
            if plan.predicted_log is None:
                raise ToolError(
                    f"Plan {plan.plan_id} is not complete; call write_script, set_hyperparameters "
                    "and predict_training_log for it."
                )
        with self.budget.paused():
            answer = self.gate.approve(list(self.plans.values()))
        if not answer.approved:
            reason = f" ({answer.reason})" if answer.reason else ""
            raise DeclinedError(f"The plan was declined{reason}; nothing was trained.")
        for plan_id, settings in answer.settings.items():
            complete = complete_settings(self.find_plan(plan_id).model_card, settings)
            self.change_plan(plan_id, settings=complete)
        self.is_approved = True
        for plan in self.plans.values():
            self._record_plan(plan)
        self._start_ahead()

    def run_trial(self, plan: Plan, settings: Settings) -> Trial:
        """Run one trial, predicted and recorded before it starts, scored after it ends.

        Raises: SandboxError if the sandbox breaks; the next trial gets another one. SetupError if
            it lacks its GPUs and may not do without them.
        """
        try:
            plan = self._open_warm_batch(plan)
            trial = run_recorded_trial(self, plan, settings)
        except SandboxError as exc:
            self.drop_batch(plan.plan_id, str(exc))
            raise
        self.trials.append(trial)
        remember_trial(self, plan, trial)
        score = trial.expected_score if trial.is_stopped else trial.score
        self.find_tuner(plan).learn(settings, score, is_expected=trial.is_stopped)
        self.emit("trial_ended", trial.to_json())
        return trial

    def trial_time_s(self, plan: Plan) -> float:
        """The seconds that the plan's next trial may take.

        Raises: ToolError if the time that is left is needed for the delivery; LimitError if there
            is nothing to deliver yet.
        """
        left_s = self.budget.time_left_s - CLOSING_S
        if self.finished_trials:
            left_s -= estimate_delivery_s(self.metric, self.trials, self.constraints)
        own = [t.seconds for t in self.finished_trials if t.plan_id == plan.plan_id]
        limit_s = left_s if own else left_s * _FIRST_TRIAL_SHARE
        needed_s = sum(own) / len(own) if own else MIN_TRIAL_S
        if limit_s < needed_s and not self.finished_trials:
            raise self.budget.too_short()
        if limit_s < needed_s:
            raise ToolError("The rest of the time is needed to deliver the model; call finish.")
        return limit_s

    def find_tuner(self, plan: Plan) -> Tuner:
        """The tuner of a plan, which has learnt from the plan's trials."""
        if plan.plan_id not in self.tuners:
            self.tuners[plan.plan_id] = make_tuner(self, plan)
        return self.tuners[plan.plan_id]

    def open_batch(self, plan: Plan) -> Batch:
        """The plan's sandbox, started when it is first needed, and again after a limit ended it.

        Raises: SandboxError if it cannot be started.
        """
        opened = self.batches.get(plan.plan_id)
        end = opened.find_end() if opened else None
        if end is not None:
            self.drop_batch(plan.plan_id, end.message or f"It ended with {end.status!r}.")
        if plan.plan_id not in self.batches:
            step_id = f"{plan.plan_id}-{self.n_steps + 1}"
            self.n_steps += 1
            intent = {"sandbox": self.sandbox.name, "generated": sorted(plan.generated)}
            self.journal.begin("steps", self.run_id, step_id, intent)
            try:
                self.batches[plan.plan_id] = self._start_batch(plan, step_id)
            except BaseException as exc:
                self.journal.end("steps", self.run_id, step_id, "failed", {"reason": str(exc)})
                raise
            self.step_ids[plan.plan_id] = step_id
        return self.batches[plan.plan_id]

    def drop_batch(self, plan_id: str, reason: str) -> None:
        """End a plan's sandbox, if it has one; the next trial starts another."""
        batch = self.batches.pop(plan_id, None)
        if batch is not None:
            self._close_batch(plan_id, batch, "failed", {"reason": reason})

    def close_batches(self) -> None:
        """End all sandboxes; their results can be collected after it."""
        for plan_id, batch in self.batches.items():
            self._close_batch(plan_id, batch, "done", {})

    def prepared_dataset(self) -> Dataset:
        """The divided data set.

        Raises: ToolError if the data set is not profiled yet.
        """
        if self.dataset is None:
            raise ToolError("The data set is not prepared yet; call profile_dataset first.")
        return self.dataset

    def _time_earlier(self) -> float:
        """Milliseconds a row that the earlier model takes on this machine."""
        assert self.earlier is not None
        directory = RunDirectory(Path(self.earlier["paths"]["run"]))
        options = self.request.sandbox_options
        return time_saved_model(directory, self.sandbox, self.resources, options)

    def _open_warm_batch(self, plan: Plan) -> Plan:
        """The plan as it can be trained: if its GPUs are missing and may be, then without them."""
        # The caller may have it from before another plan missed its GPUs.
        plan = self.find_plan(plan.plan_id)
        try:
            self.open_batch(plan).wait_until_warm(self.budget.time_left_s)
        except GpuMissingError as exc:
            self.drop_batch(plan.plan_id, str(exc))
            self._do_without_gpus(exc)
            return self._open_warm_batch(plan)
        return plan

    def _do_without_gpus(self, exc: GpuMissingError) -> None:
        if not self.request.sandbox_options.cpu_fallback:
            raise SetupError(f"{exc} Or allow --cpu-fallback.") from exc
        self.resources = replace(self.resources, gpus=())
        for plan_id, plan in self.plans.items():
            self.plans[plan_id] = replace(plan, resources=self.resources)
        self.emit("gpus_missing", {"reason": str(exc)})

    def _start_ahead(self) -> None:
        """Start all sandboxes at once: the later ones get warm while the first one trains."""
        for plan in self.plans.values():
            # The plan's own trial meets the same error again, and reports it.
            with suppress(SandboxError):
                self.open_batch(plan)

    def _start_batch(self, plan: Plan, step_id: str) -> Batch:
        folder = self.directory.step(step_id)
        link_data(self.prepared_dataset().folder, folder / "in" / "data")
        return Batch(
            plan,
            self.sandbox,
            folder,
            run_id=self.run_id,
            step_id=step_id,
            time_limit_s=self.budget.time_left_s + STEP_MARGIN_S,
            options=self.request.sandbox_options,
        )

    def _close_batch(
        self, plan_id: str, batch: Batch, status: str, outcome: Mapping[str, Any]
    ) -> None:
        """End a batch, record how it ended, and only then let go of what shows it."""
        batch.close()
        step_id = self.step_ids.pop(plan_id, None)
        if step_id is not None:
            end = batch.find_end()
            told = asdict(end) if end else {}
            if end is not None and end.status == "lost":
                self.gpu_lease.quarantine(f"run {self.run_id}: {end.message}")
            self.journal.end("steps", self.run_id, step_id, status, {**outcome, "end": told})
        batch.discard()

    def _record_plan(self, plan: Plan) -> None:
        paragraph = render_paragraph(plan.to_paragraph())
        self.directory.paragraph(plan.plan_id).write_text(paragraph, encoding="utf-8")
        document = plan.to_json()
        self.journal.begin("plans", self.run_id, plan.plan_id, document)
        self.journal.end("plans", self.run_id, plan.plan_id, "done", {"approved": True})
        self.emit("plan_approved", document)

    def emit_record(self, trial_id: str, record: LogRecord) -> None:
        """Tell of a record of a trial's log."""
        fields = {"trial_id": trial_id, "step": record.step, "metrics": dict(record.metrics)}
        self.emit("trial_step", {**fields, "split": record.split})
        collect_if_due()  # the sandbox trains meanwhile
