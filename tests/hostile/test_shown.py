"""What a script prints is shown inert, wherever a person sees it."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from automl_agent.errors import SandboxError, TrainingError
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path
from automl_agent.ui.app import cli, run_program

from .conftest import Arena

pytestmark = [pytest.mark.hostile, pytest.mark.docker]

EVIL = (
    "\x1b[2J\x1b[1;1H"  # clears the screen
    "\x1b]0;title\x07"
    "\x1b]52;c;ZXZpbA==\x07"  # fills the clipboard
    "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07"
    "gone\rhere\x9b31m\u202egnp.exe\u2066\ufeff\x00\x7f"
)


def is_inert(text: str) -> bool:
    """Whether nothing in it moves, hides or repaints; lines may end."""
    unseen = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return not [c for c in text if c != "\n" and unicodedata.category(c) in unseen]


def show(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the program shows, on both streams."""
    capsys.readouterr()
    run_program(lambda: cli.main(list(arguments), standalone_mode=False))
    printed = capsys.readouterr()
    return printed.out + printed.err


@pytest.fixture
def message(arena: Arena) -> str:
    """What a hostile script printed last, as the agent has it."""
    script = f"import sys\nsys.stdout.write({EVIL!r} + 'e' + '\\u0301' * 10**5)\nsys.exit(1)"
    short = f"import sys\nsys.stdout.write({EVIL!r})\nsys.exit(1)"
    step = arena.start({"long.py": script, "attack.py": short})
    assert len(arena.run(step, "long.py").message.encode()) <= 4096
    end = arena.run(step, "attack.py")
    step.close()
    assert end.status == "error"
    assert "\x1b]52" in end.message
    return end.message


def fill_journal(home: Path, message: str) -> None:
    trial: dict[str, Any] = {
        "trial_id": "x-1",
        "plan_id": "x",
        "expert": "x",
        "settings": {EVIL: EVIL},
        "status": "error",
        "valid_score": None,
        "seconds": 1.0,
        "max_rss_mib": 1.0,
        "n_steps": None,
        "message": message,
        "evidence": {},
    }
    with Journal(journal_path(home)) as journal:
        journal.begin_conversation("evil", EVIL)
        journal.begin_run("evil", {"table": EVIL, "target": EVIL}, conversation_id="evil")
        journal.begin("trials", "evil", "x-1", {"plan_id": "x", "settings": {}})
        journal.end("trials", "evil", "x-1", status="done", outcome=trial)
        journal.end_run("evil", "failed", {"error": message})


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "list"),
        ("runs", "show", "evil"),
        ("runs", "show", "evil", "--output-format", "json"),
        ("runs", "explain", "evil"),
        ("runs", "show", EVIL),
    ],
    ids=["list", "show", "json", "explain", "name"],
)
def test_a_run_with_escape_codes_is_shown_inert(
    home: Path, message: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    fill_journal(home, message)
    shown = show(capsys, *arguments)
    assert is_inert(shown)
    assert "evil" in shown or "e\\u" in shown


def test_json_still_means_what_was_printed(
    home: Path, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_journal(home, message)
    shown = json.loads(show(capsys, "runs", "show", "evil", "--output-format", "json"))
    assert shown["result"]["error"] == message


@pytest.mark.parametrize("kind", [SandboxError, TrainingError])
def test_an_error_with_escape_codes_is_shown_inert(
    message: str, capsys: pytest.CaptureFixture[str], kind: type[Exception]
) -> None:
    def fail() -> None:
        raise kind(f"It failed:\n{message}")

    assert run_program(fail) != 0
    shown = capsys.readouterr().err
    assert is_inert(shown)
    assert shown.startswith("Error: It failed:\n")
