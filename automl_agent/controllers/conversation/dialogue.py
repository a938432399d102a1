"""The dialogue: a conversation with its model, for whoever speaks for the person."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from automl_agent.chat_models.chat_model import ChatModel
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.mentions import Mentions, find_experts, find_tables, split_words
from automl_agent.controllers.privacy import show_name
from automl_agent.controllers.reading.reading import list_told_tables
from automl_agent.controllers.round import Outcome, run_round
from automl_agent.errors import InputError

EXAMPLE = "predict income from adult.csv"
# A name takes three tokens or so, and a target that is not told cannot be found.
MAX_NAMED_COLUMNS = 200


@dataclass
class Dialogue:
    """What a person says goes in, what came of it comes out; the model can be changed between.

    find_model: the chat model of a name such as "anthropic:MODEL".
    folder: where tables are looked for, all of which may be used; None: only those that are named.
    """

    conversation: Conversation
    model: ChatModel
    fallback: ChatModel | None
    find_model: Callable[[str], ChatModel]
    folder: Path | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    _asked: dict[str, float] = field(default_factory=dict)

    def say(self, words: str) -> Outcome:
        """What came of a request, or of feedback on an earlier one.

        Raises: InputError if there are no words, or they name no table that is there; SetupError if
            the budget cannot be kept with the model; KeyboardInterrupt if nothing was finished.
        """
        told = self._compose(words)
        limits = self._limit(told)
        budget = Budget(limits["time_s"], limits["n_trials"])
        self.conversation.begin_round(told | limits, budget=budget)
        outcome = run_round(self.conversation, self.model, self.fallback)
        self.outcomes.append(outcome)
        return outcome

    def switch_model(self, name: str) -> None:
        """Go on with another model.

        Raises: UserError if there is none of that name, or it cannot be used.
        """
        model = self.find_model(name)
        self.conversation.purse.check_price(model.traits)
        self.model = model

    def describe(self, outcome: Outcome) -> dict[str, Any]:
        """What came of a request, as a JSON object that fits schemas/request_result.schema.json."""
        return {
            "conversation_id": self.conversation.conversation_id,
            "ended": outcome.ended,
            "summary": outcome.text,
            "results": [dict(result) for result in outcome.results],
            "usage": self.conversation.purse.to_json(),
        }

    def close(self) -> None:
        """End what is still open."""
        self.conversation.close()

    def _compose(self, words: str) -> dict[str, Any]:
        """What the controller is told: the words, and what they name here."""
        words = words.strip()
        if not words:
            raise InputError(f"Say what is to be predicted, and from which table, as in: {EXAMPLE}")
        mentions = find_tables(words, self.folder)
        # Whole paths: the conversation may be resumed from another folder.
        found = {name: str(Path(path).resolve()) for name, path in mentions.tables.items()}
        self.conversation.tables.update(found)
        if mentions.missing and not self.conversation.tables:
            raise InputError(_describe_missing(mentions, self.folder))
        workplace = self.conversation.workplace
        told: dict[str, Any] = {"words": words}
        tables = self.conversation.tables
        if tables:
            told["tables"] = [self._show_table(name, tables[name], words) for name in tables]
        if mentions.missing:
            told["missing_tables"] = list(mentions.missing)
        experts = find_experts(words, (e.card for e in workplace.plugins.experts.values()))
        if experts:
            told["experts_named"] = experts
        told["metrics"] = list(workplace.plugins.metrics)
        defaults = self.conversation.defaults
        if defaults.experts:
            told["experts"] = list(defaults.experts)
        return told

    def _limit(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """The time and the trials of a round: what the words ask for, within what is allowed.

        It is not left to the model: one that overlooks "at most 5 trials" is held to it as well.
        """
        # The words of a dozen languages are read into memory when there is something to read.
        from automl_agent.controllers.reading.search_limits import read_search_limits

        tables = list_told_tables(told)
        experts = told.get("experts_named", {})
        read = read_search_limits(told["words"], tables, experts=experts, metrics=told["metrics"])
        asked = {name: value for name, value in asdict(read).items() if value is not None}
        defaults = self.conversation.defaults
        allowed = {"time_s": defaults.time_s, "n_trials": defaults.n_trials}
        for name, value in asked.items():
            fields = {"limit": name, "asked": value, "allowed": allowed[name]}
            self.conversation.emit("limit_read", fields)
        # "Go on" with a plan that was made under a limit does not lift it.
        self._asked = (self._asked if self.conversation.open_tasks else {}) | asked
        return {name: min(value, self._asked.get(name, value)) for name, value in allowed.items()}

    def _show_table(self, name: str, path: str, words: str) -> dict[str, Any]:
        frame = self.conversation.workplace.read_table(path)
        shown: dict[str, Any] = {"name": show_name(name)}
        if self.conversation.privacy != "none":
            columns = choose_columns([str(column) for column in frame.columns], words)
            shown["columns"] = [show_name(column) for column in columns]
            if len(columns) < frame.shape[1]:
                shown["n_columns_not_shown"] = frame.shape[1] - len(columns)
        return shown


def choose_columns(columns: Sequence[str], words: str) -> list[str]:
    """The columns that a request may be about, in their order; all, if they are not too many.

    Of more: those that share a word with it, the first, and the last, which often is the target.
    """
    if len(columns) <= MAX_NAMED_COLUMNS:
        return list(columns)
    spoken = set(split_words(words))
    near = [i for i, name in enumerate(columns) if spoken.intersection(split_words(name))]
    order = [len(columns) - 1, *near, *range(len(columns))]
    chosen = list(dict.fromkeys(order))[:MAX_NAMED_COLUMNS]
    return [columns[i] for i in sorted(chosen)]


def _describe_missing(mentions: Mentions, folder: Path | None) -> str:
    place = folder or Path.cwd()
    named = ", ".join(mentions.missing)
    return f"There is no file {named} in {place}; say where it lies, with its whole path."
