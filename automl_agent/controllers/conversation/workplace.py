"""The workplace: what all tasks of a conversation share; it begins and ends their runs."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.configuration.setting import Privacy
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.conversation.advising import advise
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.gate import Gate
from automl_agent.controllers.outcome import build_result
from automl_agent.controllers.request import Request
from automl_agent.knowledge.advisor import Advisor, open_advisor
from automl_agent.knowledge.encoding.sentence_encoder import choose_encoder
from automl_agent.knowledge.knowledge import Knowledge, open_knowledge
from automl_agent.knowledge.prediction.ledger import Ledger
from automl_agent.plugins import Plugins
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import create_run_directory, gpu_folder
from automl_agent.sandboxes.folders import remove_tree
from automl_agent.sandboxes.gpus import hold_gpus
from automl_agent.sandboxes.resources import available_resources
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Workplace:
    """What all tasks of a conversation share.

    find_sandbox: the sandbox that can be used here, asked for when the first task begins.
    read_table: a table by its path or address.
    emit: told of each event, its name and plain JSON values.
    withheld: the tools that plugins changed since the person trusted them.
    remembers: whether finished trials are kept for later runs. encoder: the name of the one that
        compares data cards. transfers: whether runs begin with what earlier ones say.
    """

    home: Path
    plugins: Plugins
    journal: Journal
    gate: Gate
    emit: Callable[[str, Mapping[str, Any]], None]
    find_sandbox: Callable[[], Sandbox]
    read_table: Callable[[str], "DataFrame"]
    sandbox_options: SandboxOptions
    withheld: frozenset[str] = frozenset()
    remembers: bool = False
    encoder: str = "none"
    transfers: bool = False

    @cached_property
    def knowledge(self) -> Knowledge:
        """What is known of earlier trainings; read when it is first needed."""
        return open_knowledge(self.home, remembers=self.remembers)

    @cached_property
    def advisor(self) -> Advisor:
        """Who is asked what to train and how it will go."""
        return open_advisor(
            self.home,
            choose_encoder(self.encoder, self.plugins.encoders),
            knowledge=self.knowledge,
            read_history=Ledger(self.journal).entries,
            warn=lambda text: self.emit("knowledge_warning", {"text": text}),
        )

    def open_session(
        self,
        request: Request,
        frame: "DataFrame",
        holdout_frame: "DataFrame | None",
        *,
        task_id: str,
        conversation_id: str,
        budget: Budget,
        privacy: Privacy,
    ) -> Session:
        """A session for a task, of whose run the journal knows nothing yet.

        Raises: SetupError if there is no sandbox, or there are no GPUs and must be.
        """
        sandbox = self.find_sandbox()
        with ExitStack() as opened:
            gpus = hold_gpus(self.sandbox_options, sandbox, gpu_folder(self.home), self.emit)
            lease = opened.enter_context(gpus)
            session = Session(
                request=request,
                frame=frame,
                holdout_frame=holdout_frame,
                plugins=self.plugins,
                sandbox=sandbox,
                resources=replace(available_resources(), gpus=lease.device_ids),
                journal=self.journal,
                directory=create_run_directory(self.home),
                budget=budget,
                gate=self.gate,
                emit=self.emit,
                gpu_lease=lease,
                task_id=task_id,
                conversation_id=conversation_id,
                privacy=privacy,
                knowledge=self.knowledge,
            )
            if self.transfers:
                advise(session, self.advisor)
            session.held = opened.pop_all()
        return session


def begin_run(session: Session) -> None:
    """Record a session's run, before anything is done in it."""
    document = session.request.to_json()
    session.journal.begin_run(session.run_id, document, conversation_id=session.conversation_id)
    session.emit("run_started", {"run_id": session.run_id, **document})


def end_run(session: Session, status: str, error: str = "") -> None:
    """End a session's sandboxes and record its result, or why it has none."""
    if session.is_ended:
        return
    with ExitStack() as ending:
        # Each is done whatever ends another, such as a Ctrl-C; the first of them comes last.
        ending.callback(lambda: _record_end(session, status, error))
        ending.callback(_remove_if_empty, session)
        ending.callback(session.held.close)
        ending.callback(session.close_batches)
        if session.delivery is not None and session.result is None:
            session.result = build_result(session, status)


def _remove_if_empty(session: Session) -> None:
    if not session.trials:
        # Nothing was trained: a folder of prepared tables is of no use to anybody.
        remove_tree(session.directory.root)


def _record_end(session: Session, status: str, error: str) -> None:
    document = session.result or ({"error": error} if error else None)
    if session.result is not None:
        status = session.result["status"]  # also of one that a Ctrl-C kept from being recorded
    is_open = session.journal.is_open(session.run_id)
    if is_open:
        session.journal.end_run(session.run_id, status, document)
    session.is_ended = True
    if is_open:
        session.emit("run_ended", {"run_id": session.run_id, "status": status})


def how_it_failed(exc: BaseException) -> str:
    """The status of a run that an error ended."""
    # A closed terminal comes as a SystemExit.
    return "interrupted" if isinstance(exc, KeyboardInterrupt | SystemExit) else "failed"


def write_card(session: Session) -> None:
    """Keep the data card in the run's folder."""
    text = json.dumps(session.known_card.to_json(), indent=1, ensure_ascii=False)
    session.directory.data_card.write_text(text, encoding="utf-8")
