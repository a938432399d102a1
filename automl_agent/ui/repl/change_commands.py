"""Commands that change what the next request may take, see and use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from automl_agent.chat_models.addresses import is_loopback
from automl_agent.chat_models.chat_model import ModelTraits
from automl_agent.configuration.setting import Privacy, read_setting
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.mentions import list_tables
from automl_agent.errors import InputError, UnknownNameError
from automl_agent.ui.repl.command import Command, take_one
from automl_agent.ui.terminal_gate import describe_plan, edit_plan

if TYPE_CHECKING:
    from automl_agent.ui.repl.repl import Repl

_SEEN = {
    "schema": "names, types and statistics of columns, and no cells",
    "sample": "columns, statistics and some rows",
    "none": "neither columns nor statistics",
}


def describe_leaving(traits: ModelTraits, privacy: Privacy) -> str:
    """What leaves this machine, in a few words."""
    if not traits.endpoint or is_loopback(traits.endpoint):
        return "nothing leaves this machine"
    host = traits.endpoint.partition("//")[2].partition("/")[0]
    return f"{host} sees your words, and of the data {_SEEN[privacy]} (privacy {privacy})"


def edit_plans(repl: "Repl", words: list[str]) -> None:
    """Edit the hyperparameters of plans that are not approved yet."""
    name = take_one("edit", words)
    sessions = [s for s in repl.dialogue.conversation.open_tasks if not s.is_approved]
    owners = {plan_id: session for session in sessions for plan_id in session.plans}
    if not owners:
        raise InputError("There is no plan that could still be edited.")
    if name is not None and name not in owners:
        raise UnknownNameError("plan", name, owners)
    for plan_id in [name] if name else owners:
        _edit_one(repl, owners[plan_id], plan_id)


def _edit_one(repl: "Repl", session: Session, plan_id: str) -> None:
    edited = edit_plan(session.plans[plan_id])
    session.change_plan(plan_id, settings=edited.settings)
    if edited.predicted_log is not None:
        repl.screen.show(describe_plan(edited))


def change_budget(repl: "Repl", words: list[str]) -> None:
    """Show the limits, or set one."""
    if not words:
        _show_budget(repl)
        return
    if words == ["none"]:
        words = ["usd", "none"]
        _CHANGES["tokens"](repl, "none")
    if len(words) != 2 or words[0] not in _CHANGES:
        known = ", ".join(_CHANGES)
        raise InputError(f"Say which limit and how much, as in: /budget time 10m ({known}).")
    _CHANGES[words[0]](repl, words[1])
    _show_budget(repl)


def _set_usd(repl: "Repl", text: str) -> None:
    purse = repl.dialogue.conversation.purse
    limit = cast("float | None", read_setting("budget_usd", text, place="/budget usd"))
    replace(purse, limit_usd=limit).check_price(repl.dialogue.model.traits)
    purse.limit_usd = limit


def _set_tokens(repl: "Repl", text: str) -> None:
    limit = cast("int | None", read_setting("budget_tokens", text, place="/budget tokens"))
    repl.dialogue.conversation.purse.limit_tokens = limit


def _set_default(field: str, setting: str) -> "Callable[[Repl, str], None]":
    def change(repl: "Repl", text: str) -> None:
        value: Any = read_setting(setting, text, place=f"/budget {setting}")
        conversation = repl.dialogue.conversation
        changed = replace(conversation.defaults, **{field: value})
        changed.check()
        conversation.defaults = changed

    return change


_CHANGES: "dict[str, Callable[[Repl, str], None]]" = {
    "usd": _set_usd,
    "tokens": _set_tokens,
    "time": _set_default("time_s", "time"),
    "trials": _set_default("n_trials", "trials"),
}


def _show_budget(repl: "Repl") -> None:
    conversation = repl.dialogue.conversation
    purse, defaults = conversation.purse, conversation.defaults
    spent = "price unknown" if purse.n_unpriced else f"{purse.spent_usd:.4f}"
    used = purse.input_tokens + purse.output_tokens
    rows = [
        ["usd", "none" if purse.limit_usd is None else f"{purse.limit_usd:g}", f"{spent} spent"],
        ["tokens", str(purse.limit_tokens or "none"), f"{used} used"],
        ["time", f"{defaults.time_s:g} s", "for each request"],
        ["trials", str(defaults.n_trials), "for each task"],
    ]
    repl.screen.show_table(["budget", "limit", ""], rows)


def change_model(repl: "Repl", words: list[str]) -> None:
    """Show the controller and what there is, or go on with another."""
    name = take_one("model", words)
    if name is not None:
        repl.dialogue.switch_model(name)
    traits, privacy = repl.dialogue.model.traits, repl.dialogue.conversation.privacy
    repl.screen.show_wrapped(f"Controller: {traits.name}; {describe_leaving(traits, privacy)}.")
    if name is None:
        names = list_models(repl)
        repl.screen.show_wrapped(f"There are: {', '.join(names)}. /model NAME:MODEL changes it.")


def list_models(repl: "Repl") -> list[str]:
    """The names that /model takes: providers of plugins and endpoints of the configuration."""
    agent = repl.agent
    return sorted({*agent.plugins.chat_models, *agent.configuration.endpoints})


def change_privacy(repl: "Repl", words: list[str]) -> None:
    """Show what a chat model may see, or change it."""
    name, conversation = take_one("privacy", words), repl.dialogue.conversation
    if name is not None:
        read_setting("privacy", name, place="/privacy")
        conversation.change_privacy(cast("Privacy", name))
    privacy = conversation.privacy
    told = f"Privacy {privacy}: a language model sees {_SEEN[privacy]}."
    repl.screen.show_wrapped(told)


def change_data(repl: "Repl", words: list[str]) -> None:
    """Show the tables that may be used, or add a file or a folder."""
    name, conversation = take_one("data", words), repl.dialogue.conversation
    if name is not None:
        path = Path(name).expanduser().resolve()
        if path.is_dir():
            repl.dialogue.folder = path
            found = {file.name: str(file) for file in list_tables(path)}
            if not found:
                raise InputError(f"There is no table in {path}.")
            conversation.tables.update(found)
        elif path.is_file():
            repl.agent.read_table(path)
            conversation.tables[path.name] = str(path)
        else:
            raise InputError(f"There is no file or folder {path}.")
    if not conversation.tables:
        raise InputError("No table is in use yet; name one in a request, or: /data FILE")
    repl.screen.show_table(["table", "path"], [[n, p] for n, p in conversation.tables.items()])


COMMANDS = (
    Command(
        "edit", "[PLAN]", "Edit hyperparameters before training.", edit_plans, "plan",
        is_harmless=False,
    ),
    Command(
        "budget",
        "[usd|tokens|time|trials X]",
        "Show or set the limits; X may be none for usd and tokens.",
        change_budget,
        "budget",
    ),
    Command(
        "model", "[NAME]", "Show or change the controller.", change_model, "model",
        is_harmless=False,
    ),
    Command(
        "privacy", "[schema|sample|none]", "Show or change what a language model may see.",
        change_privacy, "privacy", is_harmless=False,
    ),
    Command("data", "[FILE|DIR]", "Show or add the tables that may be used.", change_data, "file"),
)  # fmt: skip
