"""What Tab offers."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from automl_agent.agent import Agent
from automl_agent.ui.repl.completion import ReplCompleter
from automl_agent.ui.repl.event_view import EventView
from automl_agent.ui.repl.gate import ReplGate
from automl_agent.ui.repl.reader import PlainReader
from automl_agent.ui.repl.repl import Repl
from automl_agent.ui.repl.screen import Screen

Complete = Callable[[str], list[str]]


@pytest.fixture
def complete(iris: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Complete]:
    """What the last word of a text can become, in a conversation that knows the iris table."""
    screen = Screen()
    view, reader = EventView(screen), PlainReader(screen)
    gate = ReplGate(screen, reader, view.paused, is_open=False)
    agent = Agent(gate=gate, on_event=view)
    repl = Repl(agent, screen, reader, view=view, gate=gate)
    monkeypatch.setattr("sys.stdin", io.StringIO("/data iris.csv\n"))
    with agent.open_dialogue(is_interactive=True) as dialogue:
        repl.run(dialogue)
        completer = ReplCompleter(repl)

        def offered(text: str) -> list[str]:
            found = completer.get_completions(Document(text), CompleteEvent())
            return [completion.text for completion in found]

        yield offered


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        pytest.param("/le", ["/leaderboard"], id="command"),
        pytest.param("/experts xg", ["xgboost"], id="expert"),
        pytest.param("/model pl", ["planner"], id="model"),
        pytest.param("/privacy s", ["schema", "sample"], id="privacy"),
        pytest.param("/budget t", ["tokens", "time", "trials"], id="budget"),
        pytest.param("/data ir", ["iris.csv"], id="file of a command"),
        pytest.param("predict species from ir", ["iris.csv"], id="file in a request"),
        pytest.param("predict spec", ["species"], id="column"),
        pytest.param("use hist", ["hist-gradient-boosting"], id="expert in a request"),
        pytest.param("predict ", [], id="no word yet"),
        pytest.param("/quit no", [], id="nothing to complete"),
        pytest.param("/nothing no", [], id="no such command"),
        pytest.param("/runs la", ["last"], id="run"),
    ],
)
def test_tab_offers_what_fits(complete: Complete, text: str, offered: list[str]) -> None:
    assert complete(text) == offered


def test_folders_lead_to_the_tables_in_them(complete: Complete, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in ("a.csv", "b.parquet", "notes.md", ".hidden.csv", "odd\x1b.csv"):
        (folder / name).touch()
    assert complete("look at tab") == ["tables/"]
    assert complete("look at tables/") == ["tables/a.csv", "tables/b.parquet"]
    assert complete(f"look at {folder}/a") == [f"{folder}/a.csv"]


def test_a_table_that_is_gone_offers_no_columns(complete: Complete, tmp_path: Path) -> None:
    (tmp_path / "iris.csv").unlink()
    assert complete("predict spec") == []
