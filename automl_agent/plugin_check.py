"""A deep check of one plugin, in a process of its own: a plugin may end the process that loads it.

`python -m automl_agent.plugin_check NAME` prints {"distribution", "ok", "problems"} and ends with
exit status 1 if there is a problem.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from tempfile import TemporaryFile
from typing import IO

from packaging.utils import canonicalize_name

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.metric import CLASSIFICATION, Task
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.profile import DEFAULT_METRIC
from automl_agent.environment import environment_without_keys
from automl_agent.errors import PluginError
from automl_agent.experts.expert import Expert
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.requirements import describe_installation, find_missing
from automl_agent.experts.scripts import check_scripts
from automl_agent.experts.search_space import starting_points
from automl_agent.plugins import (
    DISABLED_VARIABLE,
    LoadedPlugin,
    PluginSource,
    discover_plugins,
    find_cards,
    guard_call,
    load_plugins,
    suggest_leaving_out,
)

# What no plugin can know, so that asking has no effect.
_UNKNOWN_SOURCE = "plugin-check://nothing"
_UNKNOWN_EVENT = "plugin_checked"


def check_in_subprocess(source: PluginSource, *, timeout_s: float = 120.0) -> list[str]:
    """What is wrong with a plugin, in sentences, whatever it does to the process that loads it."""
    # -P: the current folder is not searched, unless it is in sys.path here.
    command = [sys.executable, "-P", "-m", __name__, source.distribution]
    environment = {
        **environment_without_keys(),
        "PYTHONPATH": os.pathsep.join(sys.path),  # so that the same plugin is found
        DISABLED_VARIABLE: "",
    }
    # A file and not a pipe: a program that the plugin started may hold a pipe open for ever.
    with TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            env=environment,
            start_new_session=True,
        )
        try:
            exit_status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            problem = f"checking it did not end within {timeout_s:g} s."
            return [f"{problem} {suggest_leaving_out(source.distribution)}"]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return _read_problems(output, exit_status, source.distribution)


def check_plugin(source: PluginSource) -> list[str]:
    """What is wrong with a plugin, in sentences. Its code runs in this process."""
    plugins = load_plugins([source])
    failures = list(plugins.failures)
    for plugin in plugins.loaded:
        failures += _check_answers(plugin)
    for name, expert in plugins.experts.items():
        failures += _check_expert(name, expert, source)
    return [f"{failure.reason} {failure.remedy}" for failure in failures]


def main() -> None:
    """Check the plugin that the command line names, and end the process."""
    parser = argparse.ArgumentParser(prog="python -m automl_agent.plugin_check")
    parser.add_argument("name", help="the plugin's distribution")
    name = canonicalize_name(parser.parse_args().name)
    # From here on, all that the plugin and the programs it starts print goes to standard error.
    output = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sources = [source for source in discover_plugins() if source.distribution == name]
    problems = [problem for source in sources for problem in check_plugin(source)]
    if not sources:
        problems = ["it is not installed. `automl-agent plugins list` shows the names of plugins."]
    document = {"distribution": name, "ok": not problems, "problems": problems}
    with os.fdopen(output, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document) + "\n")
    # A thread that the plugin left behind would keep the process from ending by itself.
    os._exit(int(bool(problems)))


def _read_problems(output: IO[bytes], exit_status: int, distribution: str) -> list[str]:
    output.seek(0)
    try:
        problems: list[str] = json.loads(output.read())["problems"]
    except ValueError:
        cause = f"exit status {exit_status}"
        if exit_status < 0:
            cause = signal.strsignal(-exit_status) or f"signal {-exit_status}"
        problem = f"it ends the process that loads it ({cause})."
        return [f"{problem} {suggest_leaving_out(distribution)}"]
    return problems


def _check_answers(plugin: LoadedPlugin) -> Iterator[PluginError]:
    """What goes wrong when a plugin is told and asked what it cannot know."""

    def load_nothing() -> None:
        if plugin.call("load_dataset", source=_UNKNOWN_SOURCE) is not None:
            reason = "its hook load_dataset must return None for a source that it does not know."
            raise PluginError(plugin.distribution, reason, suggest_leaving_out(plugin.distribution))

    yield from _failures_of(load_nothing)
    yield from _failures_of(lambda: plugin.call("on_event", name=_UNKNOWN_EVENT, fields={}))


def _check_expert(name: str, expert: Expert, source: PluginSource) -> Iterator[PluginError]:
    distribution = source.distribution
    try:
        card = guard_call(lambda: expert.card, distribution, f"reading the card of {name!r}")
    except PluginError as exc:
        yield exc
        return
    if card not in find_cards(source):
        reason = f"the card of its expert {name!r} is not among the cards in its package."
        remedy = "Ship it there as model_card.json or model_cards/NAME.json."
        yield PluginError(distribution, reason, remedy)
    missing = find_missing(card.requirements)
    if missing:
        reason = f"its expert {name!r} cannot run: {'; '.join(text for _, text in missing)}."
        yield PluginError(distribution, reason, describe_installation(missing))
    for task in card.tasks:
        action = f"writing the scripts of {name!r} for {task}"
        render = partial(_render, expert, card, task)
        yield from _failures_of(partial(guard_call, render, distribution, action))


def _render(expert: Expert, card: ModelCard, task: Task) -> None:
    """Write and check the scripts for each starting point.

    Raises: ToolError if a script does not fit, or whatever the expert raises.
    """
    data_card = _example_card(task, card.input_types[0])
    for settings in starting_points(card):
        plan = Plan("check", data_card, card, Resources(cpus=1, memory_mib=1024), settings)
        check_scripts(expert.write_scripts(plan), card)


def _failures_of(check: Callable[[], object]) -> Iterator[PluginError]:
    try:
        check()
    except PluginError as exc:
        yield exc


def _example_card(task: Task, input_type: str) -> DataCard:
    """The data card of a small table."""
    classes = ["a", "b"] if task == "binary_classification" else ["a", "b", "c"]
    shares = [1 / len(classes) for _ in classes]
    fields = {
        "name": "example",
        "description": "What a plugin is checked with.",
        "input_type": input_type,
        "task": task,
        "target": "label",
        "label_space": {"kind": "classes", "classes": classes, "shares": shares},
        "metric": DEFAULT_METRIC[task],
        "n_rows": 100,
        "n_features": 2,
        "columns": [
            {"name": "a number", "role": "numeric", "n_unique": 90, "missing_share": 0.0},
            {"name": "a category", "role": "categorical", "n_unique": 3, "missing_share": 0.1},
        ],
        "split": {"kind": "random"},
    }
    if task not in CLASSIFICATION:
        fields["label_space"] = {"kind": "continuous", "quantiles": [0, 1, 3, 5, 7, 9, 10]}
    return DataCard.from_json({**fields, "provenance": dict.fromkeys(fields, "measured")})


if __name__ == "__main__":
    main()
