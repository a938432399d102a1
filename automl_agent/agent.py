"""The agent: one run from a request to its result. The command line and the REPL sit on it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent import __version__, builtin_plugin
from automl_agent.cards.data_card import DataCard, SplitRule
from automl_agent.cards.metric import Task
from automl_agent.cards.stated_card import parse_stated_card, read_stated_card
from automl_agent.cards.tables import check_frame
from automl_agent.chat_models.chat_model import ChatModel
from automl_agent.configuration.configuration import Configuration, load_configuration
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.conversation.dialogue import Dialogue
from automl_agent.controllers.conversation.workplace import Workplace, how_it_failed
from automl_agent.controllers.gate import Gate, OpenGate
from automl_agent.controllers.mentions import check_folder
from automl_agent.controllers.model_choice import choose_chat_model
from automl_agent.controllers.purse import Purse
from automl_agent.controllers.recommendation import Recommendation, recommend
from automl_agent.controllers.request import Request, as_names, read_fixed
from automl_agent.controllers.round import find_fallback, run_round
from automl_agent.controllers.tools.trust import find_changed_tools
from automl_agent.errors import SetupError
from automl_agent.knowledge.advisor import Advisor, open_advisor
from automl_agent.knowledge.encoding.encoder import Encoder
from automl_agent.knowledge.encoding.sentence_encoder import choose_encoder
from automl_agent.knowledge.knowledge import Knowledge, open_knowledge
from automl_agent.plugins import Plugins, discover_plugins, load_plugins
from automl_agent.result import Result
from automl_agent.runs.conversation_lock import hold_conversation
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import find_run_directory, home_folder, journal_path, name_run
from automl_agent.sandboxes.resources import available_resources
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from pandas import DataFrame

AUTO = "auto"
# The safest first.
AUTO_ORDER = ("docker", "process")

EventListener = Callable[[str, Mapping[str, Any]], None]


class Agent:
    """Runs requests: `Agent().run(data=frame, target="income")`.

    home: the folder of the state; default AUTOML_AGENT_HOME or the user's data folder.
    sandbox: "docker", "process", or "auto": "docker" where it can be used, else "process".
    controller: "planner", an endpoint, or an endpoint and a model as in "anthropic:MODEL".
    privacy: what a chat model may see: "schema", "sample" or "none".
    budget_usd, budget_tokens: what chat models may take in a run or a conversation.
    gate: who is shown the plans before training; default nobody.
    on_event: told of each event, its name and plain JSON values.
    What is not given here comes from the environment and the configuration files.
    """

    def __init__(
        self,
        *,
        home: str | Path | None = None,
        controller: str | None = None,
        sandbox: str | None = None,
        sandbox_options: SandboxOptions | None = None,
        privacy: str | None = None,
        budget_usd: float | None = None,
        budget_tokens: int | None = None,
        gate: Gate | None = None,
        on_event: EventListener | None = None,
        plugins: Plugins | None = None,
        configuration: Configuration | None = None,
    ) -> None:
        self.home = Path(home).expanduser().resolve() if home else home_folder()
        given = {
            "controller": controller,
            "sandbox": sandbox,
            "privacy": privacy,
            "budget_usd": budget_usd,
            "budget_tokens": budget_tokens,
        }
        self.configuration = configuration or load_configuration(given)
        self.plugins = plugins or load_all_plugins()
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
        require: str | Sequence[str] = (),
        time_s: float | None = None,
        n_trials: int | None = None,
        seed: int = 0,
        early_stop: bool = True,
    ) -> Result:
        """Train a model that predicts a column of a table.

        data, holdout: a path to a CSV or Parquet file, or a DataFrame; the held-out rows are a part
        of `data` if no table of their own is given.
        require: what the model must keep, as in "accuracy >= 0.9" or "predict_ms_per_row <= 1".
        early_stop: whether trials that cannot win, as far as can be predicted, are stopped or not
            begun.
        Raises: UserError, each kind as in `automl_agent.errors`; KeyboardInterrupt before a model.
        """
        request = Request(
            table=_table_name(data),
            target=target,
            words=description,
            holdout=None if holdout is None else _table_name(holdout),
            task=task,
            metric=metric,
            experts=as_names(experts),
            split=split,
            drop=as_names(drop),
            constraints=as_names(require),
            time_s=self.configuration.time_s if time_s is None else time_s,
            n_trials=self.configuration.trials if n_trials is None else n_trials,
            seed=seed,
            sandbox_options=self._sandbox_options,
            early_stop=early_stop,
        )
        request.check()
        self._check_names(request)
        budget = Budget(request.time_s, request.n_trials)
        frame = self.read_table(data)
        holdout_frame = None if holdout is None else self.read_table(holdout)
        with Journal(journal_path(self.home)) as journal:
            conversation = self._open_conversation(journal, budget)
            with hold_conversation(self.home, conversation.conversation_id):
                document = self._run_task(conversation, request, frame, holdout_frame)
        return self._make_result(document)

    def ask(
        self,
        words: str,
        *,
        folder: str | Path | None = None,
        require: str | Sequence[str] = (),
        time_s: float | None = None,
        n_trials: int | None = None,
        **fixed: Any,
    ) -> list[Result]:
        """Do what a request in words asks for: the result of each of its tasks.

        folder: where its tables lie; without one, they are looked for in the current folder.
        fixed: as in `run`, what counts whatever the words say, such as `metric` or `seed`.
        Raises: as `run`; if only some of the tasks fail, the results of the others are returned.
        """
        with self.open_dialogue(
            folder=folder, require=require, time_s=time_s, n_trials=n_trials, **fixed
        ) as dialogue:
            outcome = dialogue.say(words)
        if not outcome.results:
            raise outcome.error or SetupError("The request ended without a result.")
        return [self._make_result(document) for document in outcome.results]

    @contextmanager
    def open_dialogue(
        self,
        *,
        folder: str | Path | None = None,
        is_interactive: bool = False,
        require: str | Sequence[str] = (),
        time_s: float | None = None,
        n_trials: int | None = None,
        **fixed: Any,
    ) -> Iterator[Dialogue]:
        """A dialogue, whose tasks are ended when the context is left.

        is_interactive: whether somebody is there to answer a reply that calls no tool.
        """
        defaults = Request(
            table="",
            target="",
            constraints=as_names(require),
            time_s=self.configuration.time_s if time_s is None else time_s,
            n_trials=self.configuration.trials if n_trials is None else n_trials,
            sandbox_options=self._sandbox_options,
            **read_fixed(fixed),
        )
        defaults.check()
        self._check_names(defaults)
        model = self.find_chat_model(self.configuration.controller)
        with Journal(journal_path(self.home)) as journal:
            budget = Budget(defaults.time_s, defaults.n_trials)
            conversation = self._open_conversation(journal, budget)
            conversation.is_interactive = is_interactive
            conversation.defaults = defaults
            dialogue = Dialogue(
                conversation=conversation,
                model=model,
                fallback=None if is_interactive else find_fallback(model),
                find_model=self.find_chat_model,
                folder=check_folder(folder),
            )
            # Whoever speaks for a person may take up another conversation, and holds that one.
            conversation_id = None if is_interactive else conversation.conversation_id
            with hold_conversation(self.home, conversation_id):
                try:
                    yield dialogue
                finally:
                    dialogue.close()

    def find_chat_model(self, name: str) -> ChatModel:
        """The chat model of a name: an endpoint of the configuration, or a plugin's provider.

        Raises: UnknownNameError; SetupError if it lacks its key or its model's name.
        """
        return choose_chat_model(name, self.configuration, self.plugins, self._emit)

    def recommend(
        self,
        card: "str | Path | DataCard | Mapping[str, Any]",
        *,
        experts: str | Sequence[str] = (),
        metric: str | None = None,
        limit: int = 3,
    ) -> Recommendation:
        """What to train for a data card, with the predicted training logs; no data is needed.

        card: a data card, its JSON object, or a file with it.
        Raises: CardError; UnknownNameError; InputError if no installed expert fits.
        """
        if isinstance(card, str | Path):
            data = read_stated_card(Path(card), metric=metric)
        else:
            document = card.to_json() if isinstance(card, DataCard) else card
            data = parse_stated_card(document, metric=metric)
        return recommend(
            data,
            self.plugins.experts,
            self.plugins.metrics,
            resources=available_resources(),
            names=as_names(experts),
            limit=limit,
            advisor=self._open_advisor() if self.configuration.transfers else None,
        )

    def load(self, run_id: str) -> Result:
        """The result of an earlier run: its id, the beginning of it, or "last".

        Raises: UnknownNameError; SetupError if the run has no result.
        """
        directory = find_run_directory(self.home, run_id)
        if not directory.result.is_file():
            raise SetupError(f"The run {directory.run_id} has no result; it did not end.")
        return self._make_result(json.loads(directory.result.read_text(encoding="utf-8")))

    def read_table(self, data: "str | Path | DataFrame") -> "DataFrame":
        """A table from a DataFrame, from a plugin that knows the source, or from a file.

        Raises: InputError.
        """
        if not isinstance(data, str | Path):
            return check_frame(data, "The table")
        source = str(data)
        for table in self.plugins.call_each("load_dataset", source=source):
            return check_frame(table, f"What a plugin read from {source}")
        return builtin_plugin.read_builtin_table(source)

    def find_sandbox(self) -> Sandbox:
        """The sandbox that was chosen, or the first of AUTO_ORDER that can be used.

        Raises: UnknownNameError; SetupError if it cannot be used here.
        """
        chosen = self.configuration.sandbox
        names = AUTO_ORDER if chosen == AUTO else (chosen,)
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

    def _run_task(
        self,
        conversation: Conversation,
        request: Request,
        frame: "DataFrame",
        holdout_frame: "DataFrame | None",
    ) -> dict[str, Any]:
        conversation.begin(request.words or request.table)
        try:
            session = conversation.begin_task(request, frame, holdout_frame, conversation.budget)
            conversation.begin_round({"words": request.words, "task": request.to_told()})
            model = self.find_chat_model(self.configuration.controller)
            outcome = run_round(conversation, model, find_fallback(model))
        except BaseException as exc:
            conversation.close(how_it_failed(exc), str(exc))
            raise
        if session.result is None:
            raise outcome.error or SetupError("The run ended without a result.")
        return session.result

    def _open_conversation(self, journal: Journal, budget: Budget) -> Conversation:
        withheld = find_changed_tools(self.home, self.plugins)
        for tool, distribution in withheld.items():
            self._emit("tool_changed", {"tool": tool, "distribution": distribution})
        workplace = Workplace(
            home=self.home,
            plugins=self.plugins,
            journal=journal,
            gate=self._gate,
            emit=self._emit,
            find_sandbox=self.find_sandbox,
            read_table=self.read_table,
            sandbox_options=self._sandbox_options,
            withheld=frozenset(withheld),
            remembers=self.configuration.remembers,
            encoder=self.configuration.encoder,
            transfers=self.configuration.transfers,
        )
        configuration = self.configuration
        return Conversation(
            conversation_id=name_run(time.time()),
            workplace=workplace,
            budget=budget,
            purse=Purse(configuration.budget_usd, configuration.budget_tokens),
            privacy=configuration.privacy,
        )

    def _open_advisor(self) -> Advisor:
        """A new one each time, as one's own records come and go; what is packaged is read once."""
        return open_advisor(self.home, self._encoder, knowledge=self._knowledge)

    @cached_property
    def _encoder(self) -> Encoder | None:
        return choose_encoder(self.configuration.encoder, self.plugins.encoders)

    @cached_property
    def _knowledge(self) -> Knowledge:
        return open_knowledge(self.home, remembers=self.configuration.remembers)

    def _make_result(self, document: Mapping[str, Any]) -> Result:
        directory = find_run_directory(self.home, str(document["run_id"]))
        return Result(
            directory, document, self.find_sandbox(), self._sandbox_options, emit=self._emit
        )

    def _emit(self, name: str, fields: Mapping[str, Any]) -> None:
        if self._on_event:
            self._on_event(name, fields)
        for _ in self.plugins.call_each("on_event", name=name, fields=fields):
            pass


def load_all_plugins() -> Plugins:
    """The built-in plugin and all that are installed."""
    return load_plugins(discover_plugins(), builtin=builtin_plugin, version=__version__)


def _table_name(data: "str | Path | DataFrame") -> str:
    return str(data) if isinstance(data, str | Path) else "DataFrame"
