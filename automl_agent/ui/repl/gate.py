"""The human gate in the REPL: yes, no, a look, an edit, or words about what to change."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from automl_agent.cards.model_card import Settings
from automl_agent.cards.paragraph import render_paragraph
from automl_agent.controllers.gate import Approval
from automl_agent.experts.plan import Plan
from automl_agent.ui.repl.reader import Reader
from automl_agent.ui.repl.screen import Screen
from automl_agent.ui.terminal_gate import describe_plan, edit_plan

QUESTION = "Train? [y]es, [n]o, show the [p]aragraph, [e]dit it, or say what to change:"
_YES = ("y", "yes", "ok", "okay", "train", "go")
_NO = ("n", "no", "cancel")


class ReplGate:
    """Asks at the prompt. Whatever is not a clear yes trains nothing.

    wish: what the person said is to change, to be taken by whoever speaks for her next.
    run_command: runs a line that begins with a slash; whether the person is to leave.
    """

    def __init__(
        self,
        screen: Screen,
        reader: Reader,
        paused: Callable[[], AbstractContextManager[None]],
        *,
        is_open: bool,
    ) -> None:
        """is_open: whether every plan passes, once it is shown."""
        self.wish = ""
        self.run_command: Callable[[str], bool] = lambda _line: False
        self._screen = screen
        self._reader = reader
        self._paused = paused
        self._is_open = is_open

    def approve(self, plans: list[Plan]) -> Approval:
        """Her answer."""
        with self._paused():
            self._show(plans)
            if self._is_open:
                return Approval(approved=True)
            try:
                return self._ask(plans)
            except EOFError:
                self._screen.show()
                return Approval(approved=False, reason="nobody answered")

    def answer(self, question: str) -> str | None:
        """Her answer to a question of the controller."""
        with self._paused():
            self._screen.show_wrapped(question, style="bold")
            try:
                return self._reader.ask("Your answer:").strip() or None
            except EOFError:
                self._screen.show()
                return None

    def take_wish(self) -> str:
        """What is to change, once."""
        wish, self.wish = self.wish, ""
        return wish

    def _ask(self, plans: list[Plan]) -> Approval:
        changed: dict[str, Settings] = {}
        while True:
            choice = self._reader.ask(QUESTION).strip()
            match choice.lower():
                case "":
                    continue
                case "p":
                    for plan in plans:
                        self._screen.show(render_paragraph(plan.to_paragraph()))
                case "e":
                    plans = [edit_plan(plan) for plan in plans]
                    changed = {plan.plan_id: plan.settings for plan in plans}
                    self._show(plans)
                case yes if yes in _YES:
                    return Approval(approved=True, settings=changed)
                case no if no in _NO:
                    return Approval(approved=False)
                case command if command.startswith("/"):
                    if self.run_command(choice):
                        return Approval(approved=False, reason="she left")
                case _:
                    self.wish = choice
                    return Approval(approved=False, reason="she said what to change")

    def _show(self, plans: list[Plan]) -> None:
        self._screen.show("\nThe plan, before any training", "bold")
        for plan in plans:
            self._screen.show(describe_plan(plan))
        self._screen.show()
