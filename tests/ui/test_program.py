"""The program as a person or a script uses it."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from automl_agent.cards.documents import check_document

from .conftest import Program

XGBOOST_CARD = next(Path(__file__).parents[2].glob("plugins/*-xgboost/src/*/model_card.json"))
QUICK = ("--expert", "xgboost", "--trials", "2", "--yes")


def test_a_table_becomes_a_leaderboard_a_model_and_predictions(
    program: Program, table: Path, tmp_path: Path
) -> None:
    done = program("run", table, "--target", "target", *QUICK)
    assert done.code == 0, done.err
    assert "xgboost-1" in done.out
    assert "log_loss (held out)" in done.out
    assert "xgboost-1: log_loss" in done.err
    shown = program("runs", "show", "last")
    assert "xgboost-1" in shown.out
    out = tmp_path / "out.csv"
    predicted = program("predict", "last", table, "-o", out, "--proba")
    assert predicted.code == 0, predicted.err
    frame = pd.read_csv(out)
    assert frame.columns.tolist() == ["prediction", "p:=rosé", "p:red", "p:white"]
    assert len(frame) == 178
    assert (frame["prediction"] == pd.read_csv(table)["target"]).mean() > 0.9


def test_json_output_is_one_document_that_fits_its_schema(program: Program, table: Path) -> None:
    done = program("run", table, "--target", "target", *QUICK, "--output-format", "json")
    check_document(done.document, "run_result", source="standard output")
    listed = program("runs", "list", "--output-format", "json").document["runs"]
    assert [run["run_id"] for run in listed] == [done.document["run_id"]]
    shown = program("runs", "show", "last", "--output-format", "json").document
    assert [trial["status"] for trial in shown["trials"]] == ["done", "done"]
    assert shown["result"] == done.document


def test_quiet_says_nothing_on_the_way(program: Program, table: Path) -> None:
    done = program("run", table, "--target", "target", *QUICK, "--quiet")
    assert (done.code, done.err) == (0, "")


def test_parquet_goes_in_and_comes_out(program: Program, table: Path, tmp_path: Path) -> None:
    parquet, out = tmp_path / "wine.parquet", tmp_path / "out.parquet"
    pd.read_csv(table).to_parquet(parquet)
    assert program("run", parquet, "--target", "alcohol", *QUICK, "--trials", "1").code == 0
    assert program("predict", "last", parquet, "-o", out).code == 0
    errors = pd.read_parquet(out)["prediction"] - pd.read_parquet(parquet)["alcohol"]
    # The standard deviation of this target is 0.81.
    assert errors.abs().mean() < 0.4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["run", "wne.csv"], 3, "There is no file", id="no file"),
        pytest.param(["run", " "], 3, "The request is empty; name a table", id="empty request"),
        pytest.param(["run", "."], 3, "is a directory", id="directory"),
        pytest.param(["run", "empty.csv"], 3, "is empty", id="empty"),
        pytest.param(["run", "picture.png"], 3, "is not a table", id="kind"),
        pytest.param(["run", "binary.csv"], 3, "is not a table", id="binary"),
        pytest.param(["run", "header.csv"], 3, "no rows", id="only a header"),
        pytest.param(["run", "TABLE"], 3, "Say which column to predict with --target", id="target"),
        pytest.param(["run", "TABLE", "--target", "targt"], 3, "Did you mean 'target'", id="typo"),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--metric", "rmse"],
            3,
            "does not fit",
            id="metric",
        ),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--metric", "f1"],
            4,
            "f1_macro",
            id="no metric",
        ),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--expert", "xgbost"],
            4,
            "'xgboost'",
            id="expert",
        ),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--time", "0"], 3, "leaves no time", id="no time"
        ),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--time", "soon"], 2, "is no time", id="time"
        ),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--trials", "0"], 3, "at least 1", id="no trials"
        ),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--controller", "gpt"], 4, "planner", id="model"
        ),
        pytest.param(
            ["run", "TABLE", "--target", "target", "--sandbox", "dokcer"],
            4,
            "Did you mean 'docker'?",
            id="sandbox",
        ),
        pytest.param(["runs", "show", "2020"], 4, "There is no run", id="run"),
        pytest.param(
            ["predict", "last", "TABLE", "-o", "x.csv"], 4, "There is no run", id="predict"
        ),
        pytest.param(
            ["predict", "last", "TABLE", "-o", "x.xls"], 3, ".csv or .parquet", id="output"
        ),
        pytest.param(["experts", "show", "xgbost"], 4, "'xgboost'", id="card"),
        pytest.param(["plugins", "check", "nothing"], 4, "There is no plugin", id="plugin"),
        pytest.param(["rnu"], 2, "Did you mean 'run'", id="command"),
    ],
)
def test_bad_input_gets_one_sentence_an_exit_code_and_leaves_nothing(
    arguments: list[str],
    code: int,
    message: str,
    program: Program,
    table: Path,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.csv").touch()
    Path("picture.png").write_bytes(b"\x89PNG")
    Path("binary.csv").write_bytes(bytes(range(256)) * 100)
    Path("header.csv").write_text("a,b,target\n")
    done = program(*(str(table) if a == "TABLE" else a for a in arguments))
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not list(home.glob("runs/*"))


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(
    program: Program, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTOML_AGENT_HOME", str(tmp_path / "file" / "home"))
    done = program("run", table, "--target", "target", *QUICK)
    assert done.code == 7
    assert "AUTOML_AGENT_HOME" in done.err


def test_experts_plugins_and_the_doctor_say_what_is_there(program: Program) -> None:
    assert "xgboost" in program("experts", "list").out
    assert "learning_rate" in program("experts", "show", "xgboost").out
    names = [
        e["name"] for e in program("experts", "list", "--output-format", "json").document["experts"]
    ]
    assert "xgboost" in names
    listed = program("plugins", "list", "--output-format", "json").document
    assert "automl-agent-xgboost" in [p["distribution"] for p in listed["plugins"]]
    assert listed["failures"] == []
    checked = program("plugins", "check", "automl-agent-xgboost")
    assert (checked.code, checked.out) == (0, "automl-agent-xgboost: ok\n")
    doctor = program("doctor", "--output-format", "json")
    assert doctor.code == 0, doctor.out
    assert doctor.document["ok"]


def test_the_doctor_names_the_remedy_for_what_is_missing(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTOML_AGENT_HOME", str(tmp_path / "file" / "home"))
    done = program("doctor", "--output-format", "json")
    assert done.code == 1
    (missing,) = (f for f in done.document["findings"] if not f["is_fine"])
    assert missing["what"] == "state"
    assert "AUTOML_AGENT_HOME" in missing["remedy"]


def test_a_data_card_is_measured_written_and_checked(
    program: Program, table: Path, tmp_path: Path
) -> None:
    path = tmp_path / "card.json"
    assert "178 rows" in program("cards", "data", table, "--target", "target", "-o", path).out
    assert program("cards", "check", path).code == 0
    document = json.loads(path.read_text())
    document["task"] = "guess"
    path.write_text(json.dumps(document))
    done = program("cards", "check", path)
    assert done.code == 3
    assert f'{path}: at /task: "guess" is not allowed; allowed: binary_classification' in done.err


@contextmanager
def started_program(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    command = [Path(sys.executable).parent / "automl-agent", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True
    ) as process:
        yield process


def test_ctrl_c_delivers_what_is_finished(table: Path) -> None:
    with started_program("run", table, "--target", "target", "--trials", 1000) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("  ") and ": log_loss" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Delivered" in out


def test_ctrl_c_before_a_trial_has_finished_says_so(program: Program, table: Path) -> None:
    with started_program("run", table, "--target", "target", "--trials", 1000) as process:
        assert process.stderr is not None
        assert process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("Error: Interrupted.\n")
    # The program goes on while its first line is read, and may have begun to train.
    listed = program("runs", "list", "--output-format", "json").document["runs"]
    assert {run["status"] for run in listed} <= {"interrupted"}


def test_a_run_is_started_while_its_program_lives(program: Program, table: Path) -> None:
    def list_statuses() -> list[str]:
        listed = program("runs", "list", "--output-format", "json").document["runs"]
        return [run["status"] for run in listed]

    with started_program("run", table, "--target", "target", "--trials", 1000) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("  ") and ": log_loss" in line:
                break
        assert list_statuses() == ["started"]
        process.kill()
        process.communicate(timeout=60)
    assert list_statuses() == ["abandoned"]


def test_nothing_of_a_run_is_left_running(table: Path, home: Path) -> None:
    with started_program("run", table, "--target", "target", *QUICK) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert _processes_with(str(home)) == []


def test_a_reader_that_goes_away_is_no_error() -> None:
    with started_program("experts", "list") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=30)
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to cut off the network")
def test_a_run_needs_no_network(table: Path) -> None:
    command = ["unshare", "--net", "--map-root-user"]
    program = Path(sys.executable).parent / "automl-agent"
    done = subprocess.run(
        [*command, program, "run", table, "--target", "target", *QUICK],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _processes_with(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


def test_a_prediction_does_not_overwrite_its_table(program: Program, table: Path) -> None:
    before = table.read_bytes()
    done = program("predict", "last", table, "-o", table)
    assert (done.code, table.read_bytes()) == (3, before)
    assert "is the table itself" in done.err


def test_an_expert_of_a_taken_name_fails_the_check(program: Program, site: Any) -> None:
    card = json.loads(XGBOOST_CARD.read_text())
    hook = (
        "from automl_agent import hookimpl\n\n@hookimpl\ndef register_experts():\n    return []\n"
    )
    files = {"copycat/__init__.py": hook, "copycat/model_card.json": json.dumps(card)}
    site.add("automl-agent-copycat", {"copycat": "copycat"}, files)
    done = program("plugins", "check", "automl-agent-copycat")
    assert done.code == 1
    assert "'xgboost' has a name that automl-agent-xgboost uses; rename it." in done.out
