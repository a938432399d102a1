"""`automl-agent runs explain`, after real runs of an expert whose script meets a limit."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from automl_agent.sandboxes import runner_config
from automl_agent.sandboxes.process import ProcessSandbox

from .conftest import Outcome, Program

if TYPE_CHECKING:
    from ..conftest import Site

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "automl-agent-neighbours" / "src"
PACKAGE = EXAMPLE / "automl_agent_neighbours"
SLEEP = "import time\ntime.sleep(600)\n"
HOG = "blocks = []\nwhile True: blocks.append(bytearray(2**24))\n"
FLOOD = "while True: print('x' * 10_000)\n"
FORKS = """
import os, time
for _ in range(3000):
    if os.fork() == 0:
        time.sleep(600)
"""
FILL = """
import os, time
from pathlib import Path
out = Path(os.environ["AUTOML_OUT"])
for number in range(10_000):
    (out / str(number)).write_bytes(bytes(2**22))
time.sleep(600)
"""
CANARY = "print('\\x1b[2J\\x1b]0;title\\x07 \\u202egnp.exe')\nraise SystemExit(3)\n"

Explain = Callable[..., Outcome]


@pytest.fixture
def explain(
    program: Program, table: Path, site: "Site", monkeypatch: pytest.MonkeyPatch
) -> Explain:
    """Runs the expert with lines before its training script, and explains the run."""

    def run(script: str, *options: str, memory_mib: int = 2048, **fields: Any) -> Outcome:
        install_troubled(site, script)
        monkeypatch.setattr(
            "automl_agent.sandboxes.resources._free_memory_mib", lambda: memory_mib / 0.8
        )
        for name, value in fields.items():
            monkeypatch.setattr(runner_config, name, value)
        arguments = ("--target", "target", "--expert", "troubled", "--trials", "1", "-y", "-q")
        program("run", table, *arguments, *options)
        return program("runs", "explain", "last")

    return run


def install_troubled(site: "Site", script: str) -> None:
    """An expert as the example, with a script of trouble before its own."""
    card = json.loads((PACKAGE / "model_card.json").read_text())
    files = {
        "automl_agent_troubled/__init__.py": "from automl_agent import hookimpl, template_expert\n"
        "@hookimpl\ndef register_experts():\n    return [template_expert(__name__)]\n",
        "automl_agent_troubled/model_card.json": json.dumps({**card, "name": "troubled"}),
    }
    for path in (PACKAGE / "templates").glob("*.py"):
        text = path.read_text()
        if path.name == "train.py":
            text = f"{script}\n{text}"
        files[f"automl_agent_troubled/templates/{path.name}"] = text
    site.add("automl-agent-troubled", {"troubled": "automl_agent_troubled"}, files)


def test_a_run_without_trouble_says_so_in_one_line(explain: Explain) -> None:
    outcome = explain("")
    assert outcome.code == 0
    _, last = outcome.out.strip().splitlines()
    assert last.startswith("It had no trouble: 1 steps and 1 trials ended well")


def test_the_time_that_was_over(explain: Explain) -> None:
    outcome = explain(SLEEP, "--time", "8s")  # a busy machine needs some of it to begin
    assert "timeout. It took longer than it may (measured" in outcome.out
    assert "ended by the agent" in outcome.out
    assert "--time 30m" in outcome.out


def test_the_memory_that_was_over(explain: Explain) -> None:
    outcome = explain(HOG, memory_mib=400)
    assert "oom. It used more memory than it may (measured 4" in outcome.out
    assert "limit 400 MiB" in outcome.out
    assert "ended by the sandbox's runner" in outcome.out
    assert "Give it more memory" in outcome.out


def test_the_disk_that_was_full(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(ProcessSandbox, max_out_bytes=50 * 2**20)
    monkeypatch.setattr("automl_agent.builtin_plugin.ProcessSandbox", small)
    outcome = explain(FILL)
    assert "disk. It wrote more than its 50 MiB" in outcome.out


def test_the_flood_of_output(explain: Explain) -> None:
    outcome = explain(FLOOD, MAX_OUTPUT_BYTES=2**20)
    assert "output_flood. It printed" in outcome.out
    assert "and may print 1 MiB." in outcome.out


def test_a_script_that_fails_by_itself_is_shown_inert(explain: Explain) -> None:
    outcome = explain(CANARY)
    assert "error. Its script failed by itself; no limit was reached." in outcome.out
    assert "exit code 3" in outcome.out
    assert "\\u001b[2J" in outcome.out
    assert not set("\x1b\x07\u202e") & set(outcome.out)


def test_json_holds_all_of_it(explain: Explain, program: Program) -> None:
    explain(CANARY)
    document = program("runs", "explain", "last", "--output-format", "json").document
    (trouble,) = document["troubles"]
    assert (document["steps"], document["trials"], document["ended_well"]) == (1, 1, 1)
    assert (trouble["kind"], trouble["key"], trouble["limit"]) == ("trial", "troubled-1", "error")
    assert "step troubled-1" in trouble["evidence"]


def test_a_run_that_does_not_exist_is_said_so(program: Program) -> None:
    assert program("runs", "explain", "last").code == 4
