"""Conformance: how well a chat model keeps the contract, from the request to the complete plans."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from automl_agent.cards.tables import read_table
from automl_agent.chat_models.chat_model import ChatModel, Message, ModelTraits, Reply, ToolSpec
from automl_agent.configuration.setting import Privacy
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.conformance.plan_only import IdleSandbox, forbid_training, is_refusal
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.conversation.dialogue import Dialogue
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.conversation.workplace import Workplace
from automl_agent.controllers.gate import OpenGate
from automl_agent.controllers.loop import FINISHED
from automl_agent.controllers.planner.planner import Planner
from automl_agent.controllers.purse import Purse
from automl_agent.controllers.request import Request
from automl_agent.errors import ContextOverflowError, InputError, ModelError
from automl_agent.plugins import Plugins
from automl_agent.runs.journal import Journal
from automl_agent.sandboxes.sandbox import SandboxOptions

# A slow model on this machine needs minutes for a request; nothing else takes time.
TIME_S = 1200.0
N_TRIALS = 20


@dataclass(frozen=True)
class PlannedTask:
    """A task that is wanted, or was planned.

    task: "" if any is right. experts: those that are right, all if empty; or those that have plans.
    """

    table: str
    target: str
    task: str = ""
    experts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """A request with what is right.

    answers: each a set of tasks that is right; an empty one if the request is to be declined.
    """

    case_id: str
    kind: str
    words: str
    answers: tuple[tuple[PlannedTask, ...], ...]


@dataclass(frozen=True)
class Grade:
    """What of a case is right."""

    targets: bool
    tasks: bool
    experts: bool

    @property
    def is_right(self) -> bool:
        """Whether all of it is."""
        return self.targets and self.tasks and self.experts


@dataclass(frozen=True)
class Graded:
    """A case, and how the model did.

    alone: what is right of what the model did; helped: after the planner took over where the model
    gave up, else the same. n_first: calls that correct no failed call of the same tool; n_repairs:
    the others. cost_usd: None if it is unknown. ended: why the model's part was over.
    """

    case: Case
    alone: Grade
    helped: Grade
    planned: tuple[PlannedTask, ...]
    ended: str
    n_first: int
    n_first_valid: int
    n_repairs: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None
    seconds: float


def grade(
    answers: Sequence[Sequence[PlannedTask]], planned: Sequence[PlannedTask], *, is_finished: bool
) -> Grade:
    """The best grade by any of the answers; declining counts if the request was finished so."""
    grades = [_grade_by(answer, planned, is_finished=is_finished) for answer in answers]
    return max(grades, key=lambda g: (g.is_right, g.targets, g.tasks, g.experts))


def _grade_by(
    answer: Sequence[PlannedTask], planned: Sequence[PlannedTask], *, is_finished: bool
) -> Grade:
    if not answer:
        is_declined = not planned and is_finished
        return Grade(is_declined, is_declined, is_declined)
    found = {(task.table, task.target): task for task in planned}
    wanted = {(task.table, task.target): task for task in answer}
    if found.keys() != wanted.keys() or len(found) != len(planned):
        return Grade(targets=False, tasks=False, experts=False)
    pairs = [(wanted[key], found[key]) for key in wanted]
    return Grade(
        targets=True,
        tasks=all(want.task in ("", have.task) for want, have in pairs),
        experts=all(have.experts <= (want.experts or have.experts) for want, have in pairs),
    )


@dataclass
class Examiner:
    """Lets a model plan for one case after the other.

    home: for the prepared tables. purse: what all cases together may cost.
    outage: why the model could not be asked in the last case, which then says nothing about it.
    """

    model: ChatModel
    plugins: Plugins
    home: Path
    journal: Journal
    purse: Purse = field(default_factory=Purse)
    privacy: Privacy = "schema"
    n_cases: int = 0
    outage: str = ""

    def __post_init__(self) -> None:
        self.plugins = forbid_training(self.plugins)
        self._asked = _AskedModel(self.model)

    def examine(self, case: Case, folder: Path) -> Graded:
        """How the model does; folder: with the tables, all of which it may use.

        Raises: SetupError if the budget cannot be kept with the model; KeyboardInterrupt.
        """
        before = self.purse.to_json()
        n_unpriced, spent_usd = self.purse.n_unpriced, self.purse.spent_usd
        started = monotonic()
        attempt = _Attempt()
        self.outage = ""
        dialogue = self._open_dialogue(folder, attempt)
        try:
            attempt.ended = dialogue.say(case.words).ended
        except InputError as exc:  # nobody needs a model to see that it cannot be done
            attempt.ended, attempt.is_refused = str(exc), True
        finally:
            dialogue.close()
        self.outage = self._find_outage(attempt)
        after = self.purse.to_json()
        tokens = {
            name: after[name] - before[name]
            for name in ("input_tokens", "cached_tokens", "output_tokens")
        }
        is_priced = self.purse.n_unpriced == n_unpriced
        return attempt.to_graded(
            case,
            **tokens,
            cost_usd=self.purse.spent_usd - spent_usd if is_priced else None,
            seconds=monotonic() - started,
        )

    def _find_outage(self, attempt: "_Attempt") -> str:
        """Why the service, and not the model, ended its part."""
        limit = self.purse.describe_limit()
        if limit and attempt.given_up.startswith(f"the limit of {limit}"):
            return f"The limit of {limit} is reached."
        failure = self._asked.failure
        is_outage = failure is not None and not isinstance(failure, ContextOverflowError)
        return str(failure) if is_outage and attempt.given_up else ""

    def _open_dialogue(self, folder: Path, attempt: "_Attempt") -> Dialogue:
        self.n_cases += 1
        workplace = Workplace(
            home=self.home,
            plugins=self.plugins,
            journal=self.journal,
            gate=OpenGate(),
            emit=attempt.note,
            find_sandbox=IdleSandbox,
            read_table=lambda path: read_table(Path(path)),
            sandbox_options=SandboxOptions(),
        )
        conversation = Conversation(
            conversation_id=f"case-{self.n_cases}",
            workplace=workplace,
            budget=Budget(TIME_S, N_TRIALS),
            purse=self.purse,
            privacy=self.privacy,
            defaults=Request("", "", time_s=TIME_S, n_trials=N_TRIALS),
        )
        attempt.conversation = conversation
        planner = None if isinstance(self.model, Planner) else Planner()
        return Dialogue(conversation, self._asked, planner, lambda _name: self.model, folder)


class _AskedModel:
    """A model, and how the last try to ask it failed, None if it did not."""

    def __init__(self, model: ChatModel) -> None:
        self.failure: ModelError | None = None
        self._model = model

    @property
    def traits(self) -> ModelTraits:
        return self._model.traits

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Callable[[str], None],
        max_output_tokens: int | None = None,
    ) -> Reply:
        self.failure = None
        try:
            return self._model.reply(
                messages, tools, on_text=on_text, max_output_tokens=max_output_tokens
            )
        except ModelError as exc:
            self.failure = exc
            raise


class _Attempt:
    """What is seen of a model's work on one case."""

    def __init__(self) -> None:
        self.conversation: Conversation | None = None
        self.ended = ""
        self.is_refused = False
        self.given_up = ""
        self._own: list[PlannedTask] | None = None
        self._failing: set[str] = set()
        self._n_first = self._n_first_valid = self._n_repairs = 0

    def note(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take in an event of the conversation."""
        if name == "controller_replaced":
            self.given_up = fields["reason"]
            self._own = self._find_planned()
        elif name == "tool_returned" and self._own is None:
            self._count(fields["name"], is_valid=not fields["is_error"] or is_refusal(fields))

    def to_graded(self, case: Case, **measured: Any) -> Graded:
        """The case with its grades."""
        planned = self._find_planned()
        is_finished = self.ended == FINISHED or self.is_refused
        helped = grade(case.answers, planned, is_finished=is_finished)
        alone = helped
        if self._own is not None:
            alone = grade(case.answers, self._own, is_finished=False)
        return Graded(
            case,
            alone=alone,
            helped=helped,
            planned=tuple(planned if self._own is None else self._own),
            ended=self.given_up or self.ended,
            n_first=self._n_first,
            n_first_valid=self._n_first_valid,
            n_repairs=self._n_repairs,
            **measured,
        )

    def _count(self, name: str, *, is_valid: bool) -> None:
        if name in self._failing:
            self._n_repairs += 1
        else:
            self._n_first += 1
            self._n_first_valid += is_valid
        if is_valid:
            self._failing.discard(name)
        else:
            self._failing.add(name)

    def _find_planned(self) -> list[PlannedTask]:
        """The tasks that have a complete plan."""
        assert self.conversation is not None
        found = [_describe_task(session) for session in self.conversation.tasks.values()]
        return [task for task in found if task.experts]


def _describe_task(session: Session) -> PlannedTask:
    complete = [plan for plan in session.plans.values() if plan.predicted_log is not None]
    return PlannedTask(
        Path(session.request.table).name,
        session.request.target,
        session.known_card.task if complete else "",
        frozenset(plan.expert for plan in complete),
    )
