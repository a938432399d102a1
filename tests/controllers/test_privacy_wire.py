"""What leaves this machine: every byte of every request, for a table in which every cell is marked.

A script that fails on purpose tells all it can of the cells; so does a plugin's tool that breaks.
"""

import base64
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl_agent import Agent, Tool
from automl_agent.agent import load_all_plugins
from automl_agent.configuration.endpoint import Key
from automl_agent.controllers.conversation.dialogue import Dialogue
from automl_agent.sandboxes.sandbox import SandboxOptions

from ..chat_models.model_server import ModelServer, error_body, failure
from .wire import PREPARE, SEARCH, answer, check_requests, each_mode, find_results, script
from .wire import make_agent as make_wire_agent

CITIES = ["Qzxostheim", "Zürxlin", 'Wq"x\\burg']
RARE = "Xrarenstadt"
LABELS = ["lbqyes", "lbqno"]
SMALLEST, LARGEST = -918273645.5, 829137465.25
CODES = range(71_340_017, 71_340_017 + 120)
FIRST_DAY, LAST_DAY = "1917-03-08", "2093-11-29"
NOTES = [f"Patientx{number} Smythewq wrote" for number in range(120)]
CONSTANT = "Immerwq"
CANARIES = [
    *CITIES,
    RARE,
    *LABELS,
    *map(str, (SMALLEST, LARGEST, 918273645, 829137465)),
    FIRST_DAY,
    LAST_DAY,
    *map(str, CODES),
    *NOTES,
    "Smythewq",
    CONSTANT,
]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = len(NOTES)
    labels = rng.choice(LABELS, n)
    cities = rng.choice(CITIES, n).astype(object)  # else a longer name would be cut
    cities[5] = RARE
    amounts = rng.normal(size=n) * 1e5 + (labels == LABELS[0]) * 1e5
    amounts[[3, 7]] = SMALLEST, LARGEST
    days = pd.date_range("2001-01-01", periods=n).strftime("%Y-%m-%d").to_numpy(dtype=object)
    days[[1, 2]] = FIRST_DAY, LAST_DAY
    return pd.DataFrame({
        "wohnort_col": cities,
        "betrag_col": amounts,
        "tag_col": days,
        "code_col": list(CODES),
        "note_col": NOTES,
        "immer_col": CONSTANT,
        "ziel_col": labels,
    })  # fmt: skip


COLUMNS = ("wohnort_col", "betrag_col", "tag_col", "code_col", "note_col", "immer_col")


@pytest.fixture
def folder(table: pd.DataFrame, tmp_path: Path) -> Path:
    table.to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def find_forms(canary: str) -> set[str]:
    """A canary as it is, escaped, in other letters, and encoded."""
    escaped = {json.dumps(canary)[1:-1], json.dumps(canary, ensure_ascii=False)[1:-1]}
    twice = {json.dumps(text)[1:-1] for text in escaped}
    # Wherever in a longer text it begins, two of three offsets change the letters at its ends.
    encoded = {
        base64.b64encode(b"x" * offset + canary.encode()).decode()[offset and 4 : -4]
        for offset in range(3)
    }
    forms = {canary, canary.lower(), canary.upper(), *escaped, *twice}
    return forms | {form for form in encoded if len(form) > 5}


FORMS = sorted({form for canary in CANARIES for form in find_forms(canary)})
LONG_DIGITS = sorted({re.sub(r"\D", "", c) for c in CANARIES if len(re.sub(r"\D", "", c)) >= 8})


def find_leaks(text: str) -> list[str]:
    digits = re.sub(r"(?<=\d)[ ,._:/-]+(?=\d)", "", text)
    return [form for form in FORMS if form in text] + [d for d in LONG_DIGITS if d in digits]


def dump(server: ModelServer) -> str:
    """All that was sent, as the wire has it and as a reader sees it."""
    assert server.requests
    bodies = [request.body for request in server.requests]
    raw = json.dumps(bodies) + json.dumps(bodies, ensure_ascii=False)
    return raw + "".join(map(json.dumps, (request.headers for request in server.requests)))


TELLTALE = """

_fit_filling = fit_filling


def fit_filling(rows, columns):
    import base64, os

    cells = [str(cell) for row in rows.to_numpy().tolist() for cell in row]
    print(os.environ, cells)
    record = {"step": 1, "epoch": 1, "split": "valid", "time_s": 0.1}
    with open(os.environ["AUTOML_OUT"] + "/training_log.jsonl", "w") as log:
        for cell in cells[:50]:
            log.write(json.dumps(record | {"metrics": {cell: 1.0, "log_loss": 0.5}}) + "\\n")
    extremes = [rows[c].max() for c in rows] + [rows[c].min() for c in rows]
    text = " ".join(map(str, [*extremes, *cells[:100]]))
    raise KIND(text + " " + base64.b64encode(text.encode()).decode())
"""


def write_telltale(kind: str = "ValueError") -> str:
    """A script that fails and tells of the cells: in its text, its output, its log."""
    template = load_all_plugins().experts["linear"].templates / "data_processing.py"
    text = template.read_text().replace("import pandas as pd", "import json\n\nimport pandas as pd")
    return text + TELLTALE.replace("KIND", kind)


def break_open(session: Any) -> Any:
    raise RuntimeError(f"row {session.frame.iloc[3].to_dict()}, {session.frame.iloc[5, 0]}")


def tell_error(session: Any) -> Any:
    from automl_agent.errors import ToolError

    raise ToolError(f"The cell {session.frame.iloc[5, 0]!r} is bad.")


PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}
ODD_TOOLS = [
    Tool("look_odd", "Looks.", PARAMETERS, break_open, lambda _session: True),
    Tool("tell_odd", "Tells.", PARAMETERS, tell_error, lambda _session: True),
]

PROFILE = [
    ("profile_dataset", {"data": "patients.csv", "target": "immer_col"}),
    ("profile_dataset", {"data": "patients.csv", "target": "tag_col"}),
    ("profile_dataset", {"data": "patients.csv", "target": "note_col"}),
    ("profile_dataset", {"data": "patients.csv", "target": "ziel"}),
    ("profile_dataset", {"data": "patients.csv"}),
    ("profile_dataset", {"data": "patients.csv", "target": "ziel_col", "task": "regression"}),
    ("profile_dataset", {"data": "patients.csv", "target": "ziel_col", "split_by_time": "x"}),
    ("profile_dataset", {"data": "patients.csv", "target": "ziel_col", "metric": "accuracy"}),
]


def telltale_turns() -> list[Any]:
    """A run that looks everywhere, with a script that fails three times, each time otherwise."""
    broken = [
        ("write_script", {"plan_id": "linear", "script": "data_processing.py", "text": text})
        for text in (write_telltale(), write_telltale("KeyError"), write_telltale("Exception"))
    ]
    again = ("write_script", {"plan_id": "linear", "script": "data_processing.py"})
    train = ("train", {"plan_id": "linear"})
    return [
        PROFILE,
        [("look_odd", {}), ("tell_odd", {}), *SEARCH],
        [broken[0], *PREPARE[1:]],
        [train, ("read_training_log", {"trial_id": "linear-1"}), ("compare_trials", {})],
        [broken[1], train],
        [broken[2], train, ("read_training_log", {"trial_id": "linear-3"})],
        [("ask_user", {"question": "How many?"}), again, train],
        [("tune", {"plan_id": "linear", "n_trials": 1}), ("compare_trials", {})],
        [("finish", {"summary": "Done."})],
        [("finish", {"summary": "Bye."})],
    ]


def make_agent(server: ModelServer, mode: str, privacy: str, **options: Any) -> Agent:
    agent = make_wire_agent(server, mode, privacy=privacy, **options)
    agent._sandbox_options = SandboxOptions(allow_generated=True)
    for tool in ODD_TOOLS:
        agent.plugins.tools.add(tool.name, tool, distribution="odd")
    return agent


def run_telltale(server: ModelServer, mode: str, privacy: str, folder: Path) -> list[Any]:
    """All results that the model was told."""
    server.script = script(mode, *telltale_turns())
    agent = make_agent(server, mode, privacy)
    with agent.open_dialogue(folder=folder, n_trials=6, time_s=100) as dialogue:
        outcome = dialogue.say("Predict who comes back, from patients.csv")
        assert outcome.results, outcome
        dialogue.say("Thank you")
    check_requests(server, mode)
    return find_results(server.requests[-1], mode)


@each_mode
def test_with_schema_no_cell_leaves_in_any_form(
    mode: str, server: ModelServer, folder: Path
) -> None:
    told = run_telltale(server, mode, "schema", folder)
    assert find_leaks(dump(server)) == []
    # It was told enough to put it right all the same.
    failures = [result["failure"] for result in told if "failure" in result]
    assert [failure["exception"] for failure in failures] == ["ValueError", "KeyError", "Exception"]
    assert all(failure["script"] == "data_processing.py" for failure in failures)
    assert all("raise" in failure["source_line"] for failure in failures)
    assert "wohnort_col" in dump(server)


def test_the_search_for_leaks_finds_what_sample_shows(server: ModelServer, folder: Path) -> None:
    """What is not found here could not be found above."""
    run_telltale(server, "messages", "sample", folder)
    leaks = find_leaks(dump(server))
    assert {LABELS[0], "1917-03-08", NOTES[0], CONSTANT, "71340017"} <= set(leaks)
    assert json.dumps(CITIES[1])[1:-1] in leaks
    rows = find_results(server.requests[-1], "messages")[len(PROFILE) - 1]["rows"]
    assert len(rows) == 5
    assert rows[0]["note_col"] == NOTES[0]


def test_with_none_no_column_is_named(server: ModelServer, folder: Path) -> None:
    run_telltale(server, "messages", "none", folder)
    sent = dump(server)
    assert find_leaks(sent) == []
    said = {text for _name, given in PROFILE for text in given.values()}
    assert [name for name in COLUMNS if name in sent and name not in said] == []
    assert "ziel_col" in sent  # the model said so itself


@pytest.mark.parametrize(("mode", "privacy"), [("messages", "schema"), ("json_profile", "none")])
def test_stricter_privacy_takes_back_what_was_shown(
    mode: str, privacy: Any, server: ModelServer, folder: Path
) -> None:
    quote = f"I see {NOTES[0]}, {CITIES[1]} and {LABELS[0]}."
    finish = [("finish", {"summary": quote})]
    server.script = script(mode, PROFILE[-1:], SEARCH)
    server.script += [answer(mode, finish, quote), *script(mode, [("finish", {"summary": "Bye"})])]
    agent = make_agent(server, mode, "sample")
    with agent.open_dialogue(folder=folder, is_interactive=True, n_trials=1) as dialogue:
        dialogue.say("Predict who comes back, from patients.csv")
        assert find_leaks(dump(server))
        server.requests.clear()
        dialogue.conversation.change_privacy(privacy)
        dialogue.say("Go on")
        assert find_leaks(dump(server)) == []
        assert ("wohnort_col" in dump(server)) == (privacy == "schema")
        check_requests(server, mode)
        _check_that_the_planner_goes_on(dialogue)


def _check_that_the_planner_goes_on(dialogue: Dialogue) -> None:
    """It has no memory but the messages, of which parts are gone now."""
    dialogue.switch_model("planner")
    outcome = dialogue.say("go on")
    assert outcome.results, outcome
    assert outcome.results[0]["score"] > 0


SECRET = "sk-cana\u002dry-5e6f7a8b9c0d"


def test_a_key_is_sent_to_its_endpoint_and_is_nowhere_else(
    server: ModelServer,
    folder: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AUTOML_AGENT_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("AUTOML_AGENT_API_KEY", SECRET)
    events: list[Any] = []
    quoting = failure(401, error_body(f"Incorrect API key provided: {SECRET}."))
    server.script = [*script("chat_completions", *telltale_turns()[:7]), quoting]
    agent = Agent(
        controller="compatible:m",
        sandbox_options=SandboxOptions(allow_generated=True),
        on_event=lambda name, fields: events.append((name, json.loads(json.dumps(fields)))),
    )
    for tool in ODD_TOOLS:
        agent.plugins.tools.add(tool.name, tool, distribution="odd")
    with agent.open_dialogue(folder=folder, n_trials=6) as dialogue:
        outcome = dialogue.say("Predict who comes back, from patients.csv")
        shown = [repr(dialogue), str(outcome), json.dumps(dialogue.describe(outcome), default=str)]
        shown += [repr(dialogue.model), repr(vars(dialogue.model)), repr(agent.configuration)]
    assert "[key]" in json.dumps(events)
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert SECRET not in json.dumps(request.body)
    written = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert any(b"AUTOML_OUT" in content for content in written.values()), "no script told its own"
    out, err = capfd.readouterr()
    everything = [*shown, json.dumps(events), caplog.text, out, err]
    everything += [content.decode("utf-8", "replace") for content in written.values()]
    forms = {SECRET, base64.b64encode(SECRET.encode()).decode()[:-4], SECRET.encode().hex()}
    assert [text[:200] for text in everything for form in forms if form in text] == []


def test_no_endpoint_sees_the_key_of_another(server: ModelServer, folder: Path) -> None:
    with ModelServer(script("messages", [("finish", {"summary": "Hello."})])) as other:
        server.script = script("messages", [("finish", {"summary": "Hello."})])
        agent = make_wire_agent(server, "messages", key=Key(SECRET, "a test"))
        with agent.open_dialogue(folder=folder) as dialogue:
            dialogue.say("Predict ziel_col from patients.csv")
            dialogue.model = other.create_model("messages")
            dialogue.say("Once more from patients.csv")
        assert SECRET in json.dumps(server.requests[0].headers)
        assert SECRET not in json.dumps([other.requests[0].headers, other.requests[0].body])


def test_a_redirect_does_not_take_the_key_along(server: ModelServer, folder: Path) -> None:
    with ModelServer() as other:
        server.script = [failure(307, "", {"location": f"{other.url}/v1/messages"})]
        agent = make_wire_agent(server, "messages", key=Key(SECRET, "a test"))
        with agent.open_dialogue(folder=folder, n_trials=1, experts="linear") as dialogue:
            dialogue.say("Predict ziel_col from patients.csv")
        assert other.requests == []


def test_file_names_are_shown_short_and_with_escapes(
    server: ModelServer, table: pd.DataFrame, tmp_path: Path
) -> None:
    name = "odd\u202e\u200b" + "x" * 150 + ".csv"
    table.to_csv(tmp_path / name, index=False)
    shown = "odd\\u202e\\u200b" + "x" * 48 + "…"
    server.script = script(
        "messages",
        [("profile_dataset", {"data": shown, "target": "ziel_col"})],
        [("finish", {"summary": "Hello."})],
    )
    agent = make_agent(server, "messages", "schema")
    with agent.open_dialogue(folder=tmp_path, is_interactive=True) as dialogue:
        dialogue.say("Predict ziel_col")
    sent = dump(server)
    assert "\u202e" not in sent
    assert "x" * 60 not in sent
    (result,) = find_results(server.requests[-1], "messages")
    assert result["task_id"] == "t1"
