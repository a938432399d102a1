"""Starting the REPL: an agent, a screen and a reader for the terminal there is."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from automl_agent import __version__
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.conversation.dialogue import EXAMPLE, Dialogue
from automl_agent.controllers.conversation.resumption import resume_conversation
from automl_agent.errors import HangUp, InputError, UserError
from automl_agent.runs.conversation_lock import hold_conversation
from automl_agent.runs.run_directory import choose_run
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.ui.options import warn_of_failures
from automl_agent.ui.repl.change_commands import describe_leaving
from automl_agent.ui.repl.event_view import EventView
from automl_agent.ui.repl.gate import ReplGate
from automl_agent.ui.repl.interrupts import obeying_hang_up
from automl_agent.ui.repl.options import LAST
from automl_agent.ui.repl.outcome_view import show_error, show_standing
from automl_agent.ui.repl.reader import PlainReader, Reader, make_stdin_lenient
from automl_agent.ui.repl.repl import INTERRUPTED, Repl
from automl_agent.ui.repl.screen import Screen, choose_screen

if TYPE_CHECKING:
    from automl_agent.agent import Agent

PLANNER = "planner"


@dataclass(frozen=True)
class StartOptions:
    """What the command line says. resume: a conversation's id, or "last"; None: a new one."""

    controller_options: Mapping[str, Any] = field(default_factory=dict)
    sandbox: str | None = None
    sandbox_options: SandboxOptions = field(default_factory=SandboxOptions)
    folder: str | None = None
    time_s: float | None = None
    n_trials: int | None = None
    early_stop: bool = True
    resume: str | None = None
    plain: bool = False
    yes: bool = False


def start_repl(options: StartOptions) -> int:
    """Talk until the person leaves; returns the exit code."""
    make_stdin_lenient()
    screen = choose_screen(plain=options.plain)
    view = EventView(screen)
    switch = ReaderSwitch()
    gate = ReplGate(screen, switch, view.paused, is_open=options.yes)
    agent = _create_agent(options, screen, view, gate)
    warn_of_failures(agent.plugins.failures)
    repl = Repl(agent, screen, switch, view=view, gate=gate)
    switch.reader = _choose_reader(screen, repl)
    try:
        with obeying_hang_up(screen.leave_terminal):
            _talk_on(repl, options)
    except HangUp as exc:
        return exc.code
    # Whoever sits there has seen what went wrong; a script has only the exit code.
    return 0 if sys.stdin.isatty() and repl.exit_code != INTERRUPTED else repl.exit_code


class ReaderSwitch:
    """Stands for the reader before there is one: the gate and the completer need each other."""

    reader: Reader

    def read(self) -> str:
        """As the reader does."""
        return self.reader.read()

    def ask(self, question: str) -> str:
        """As the reader does."""
        return self.reader.ask(question)


def _talk_on(repl: Repl, options: StartOptions) -> None:
    """One conversation after the other."""
    goes_to: str | None = options.resume or ""
    while goes_to is not None and not repl.is_leaving:
        goes_to = _talk(repl, options, goes_to)


def _talk(repl: Repl, options: StartOptions, conversation_id: str) -> str | None:
    """One conversation; returns the id of the next, "" for a new one, None for none."""
    opening = repl.agent.open_dialogue(
        folder=options.folder,
        is_interactive=True,
        time_s=options.time_s,
        n_trials=options.n_trials,
        early_stop=options.early_stop,
    )
    # Whoever takes the conversation up next finds its runs ended.
    with ExitStack() as held, opening as dialogue:
        _greet(repl.screen, dialogue)
        try:
            _take_up(dialogue.conversation, conversation_id, repl, held)
        except UserError as exc:
            repl.fail(exc)
        repl.run(dialogue)
    return repl.goes_to


def _take_up(conversation: Conversation, conversation_id: str, repl: Repl, held: ExitStack) -> None:
    """Make the conversation that of an id; "": it stays as new as it is."""
    rows = conversation.workplace.journal.list_conversations()
    if conversation_id:
        known = [row["conversation_id"] for row in reversed(rows)]
        if not known and conversation_id == LAST:
            raise InputError("There is no earlier conversation; this is the first.")
        conversation_id = choose_run(known, conversation_id)
    home = conversation.workplace.home
    held.enter_context(hold_conversation(home, conversation_id or conversation.conversation_id))
    if conversation_id:
        resumed = resume_conversation(conversation, conversation_id)
        repl.screen.show_wrapped(f"Back in {conversation_id}: {resumed.title}", style="bold")
        for note in resumed.notes:
            repl.screen.show_wrapped(note)
        show_standing(repl.screen, conversation)


def _create_agent(
    options: StartOptions, screen: Screen, view: EventView, gate: ReplGate
) -> "Agent":
    """The agent; with the planner, if the controller that was chosen cannot be used."""
    from automl_agent.agent import Agent

    def create(**changes: Any) -> Agent:
        return Agent(
            sandbox=options.sandbox,
            sandbox_options=options.sandbox_options,
            gate=gate,
            on_event=view,
            **{**options.controller_options, **changes},
        )

    agent = create()
    try:
        agent.find_chat_model(agent.configuration.controller)
    except UserError as exc:
        show_error(screen, str(exc))
        screen.show("The built-in planner takes over; /model NAME tries another.\n")
        agent = create(controller=PLANNER)
    return agent


def _choose_reader(screen: Screen, repl: Repl) -> Reader:
    if not screen.is_live:
        return PlainReader(screen)
    from automl_agent.ui.repl.completion import ReplCompleter
    from automl_agent.ui.repl.prompt_reader import PromptReader

    return PromptReader(repl.agent.home / "history", ReplCompleter(repl))


def _greet(screen: Screen, dialogue: Dialogue) -> None:
    leaving = describe_leaving(dialogue.model.traits, dialogue.conversation.privacy)
    screen.show(f"automl-agent {__version__}", "bold")
    screen.show_wrapped(f"Controller: {dialogue.model.traits.name}; {leaving}.")
    screen.show(f"Say, for example: {EXAMPLE}     /help lists the commands\n", "dim")
