"""Events of a run as the REPL shows them."""

import pytest

from automl_agent.ui.repl.event_view import EventView
from automl_agent.ui.repl.screen import choose_screen


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("knowledge_not_kept", {"reason": "The disk is full."}, "kept for later runs: The disk is"),
        ("knowledge_warning", {"text": "An index is rebuilt."}, "An index is rebuilt."),
    ],
)
def test_what_is_wrong_with_the_knowledge_is_told(
    name: str, fields: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    EventView(choose_screen(plain=True))(name, fields)
    assert told in capsys.readouterr().out
