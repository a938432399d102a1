"""Trust in plugins' tools: what they tell a chat model of themselves may not change unseen.

A tool's description and the schema of its arguments are read by a model as an instruction is. They
are pinned when a plugin's tools are first seen; a tool that is new or different after an update is
withheld until the person trusts the plugin again.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_agent.errors import UnknownNameError
from automl_agent.plugins import BUILTIN, Plugins
from automl_agent.sandboxes.step import write_whole

_Pins = dict[str, dict[str, str]]


def find_changed_tools(home: Path, plugins: Plugins) -> dict[str, str]:
    """The tools to withhold, each with its distribution; plugins seen first are pinned."""
    pinned, present = _read_pins(home), _pin_all(plugins)
    unseen = {name: tools for name, tools in present.items() if name not in pinned}
    if unseen:
        _write_pins(home, pinned | unseen)
    return {
        tool: distribution
        for distribution, tools in present.items()
        for tool, pin in tools.items()
        if distribution in pinned and pinned[distribution].get(tool) != pin
    }


def trust_tools(home: Path, plugins: Plugins, distribution: str) -> list[str]:
    """Pin the tools of a distribution as they are now; returns their names.

    Raises: UnknownNameError if it brings no tools.
    """
    present = _pin_all(plugins)
    if distribution not in present:
        raise UnknownNameError("plugin with tools", distribution, present)
    _write_pins(home, _read_pins(home) | {distribution: present[distribution]})
    return list(present[distribution])


def _pin_all(plugins: Plugins) -> _Pins:
    """A pin of each plugin's tool, by distribution."""
    pins: _Pins = defaultdict(dict)
    for name, tool in plugins.tools.items():
        distribution = plugins.tools.distribution(name)
        if distribution != BUILTIN:
            pins[distribution][name] = _pin(str(tool.description), tool.parameters)
    return pins


def _pin(description: str, parameters: Mapping[str, Any]) -> str:
    text = json.dumps([description, dict(parameters)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _path(home: Path) -> Path:
    return home / "trusted_tools.json"


def _read_pins(home: Path) -> _Pins:
    """The pins; none if the file is missing or not ours, and then all tools are pinned anew."""
    try:
        pins = json.loads(_path(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    is_ours = isinstance(pins, dict) and all(isinstance(tools, dict) for tools in pins.values())
    return pins if is_ours else {}


def _write_pins(home: Path, pins: _Pins) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(_path(home), json.dumps(pins, indent=1, sort_keys=True))
