"""`automl-agent calibration`, as a person or a script uses it."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from automl_agent.cards.documents import check_document
from automl_agent.cards.predicted_log import PredictedPoint
from automl_agent.knowledge.prediction.ledger import Actual, Ledger, Prediction, Subject
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path

from .conftest import Program

RUNS = ("20260101-000000-0000", "20260102-000000-0000")


def predict(predictor: str, median: float) -> Prediction:
    final = PredictedPoint(100, median, median - 0.1, median + 0.1)
    return Prediction(predictor, "roc_auc", (final,), seconds=2.0, memory_mib=100.0)


@pytest.fixture
def recorded(home: Path) -> None:
    """Two runs of two experts, each predicted by two; the last trial of each was stopped."""
    with Journal(journal_path(home)) as journal:
        journal.begin_conversation("c", "")
        for position, run_id in enumerate(RUNS):
            journal.begin_run(run_id, {}, conversation_id="c")
            for number, score in enumerate((0.7, 0.8, 0.9, None), 1):
                expert = ("xgboost", "linear")[position]
                trial_id = f"{expert}-{number}"
                subject = Subject(trial_id, expert, expert, run_id, "d", chance=0.5, ideal=1.0)
                guess = [
                    predict("model card", 0.75),
                    predict("$neighbours_1$", (score or 1) - 0.05),
                ]
                Ledger(journal).predict(run_id, subject, guess)
                actual = Actual(score, 4.0, 50.0, "" if score else "stopped")
                Ledger(journal).score(run_id, trial_id, actual)


def test_nothing_was_predicted_yet(program: Program) -> None:
    done = program("calibration")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("No prediction of a training is recorded yet; each training of a")
    asked = program("calibration", "--output-format", "json").document
    assert asked == {"n_predictions": 0, "calibrations": [], "coverage": [], "plot": None}


@pytest.mark.usefixtures("recorded")
def test_each_predictor_has_a_row_over_all_experts_and_one_for_each(program: Program) -> None:
    done = program("calibration")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip().startswith("─")) + 1
    rows = [line.split() for line in lines[start : start + 6]]
    assert [row[:2] for row in rows[:3]] == [
        ["$neighbours_1$", "all"],
        ["linear", "3"],
        ["xgboost", "3"],
    ]
    # 0.05 of the way of 0.5; ranks are right, all scores are inside, twice the time.
    assert rows[0][2:7] == ["6", "2", "0.100", "+0.100", "+1.000"]
    assert rows[0][7] == "100%"
    assert rows[0][-4:] == ["2.00", "(x2.00)", "0.50", "(x2.00)"]
    assert rows[3][:7] == ["model", "card", "all", "6", "2", "0.100", "+0.100"]
    assert rows[3][7] == "-"  # the same prediction for all ranks nothing
    assert "not scored" in done.out


@pytest.mark.usefixtures("recorded")
def test_json_output_fits_its_schema(program: Program) -> None:
    done = program("calibration", "--output-format", "json")
    assert (done.code, done.err) == (0, "")
    check_document(done.document, "calibration", source="standard output")
    assert done.document["n_predictions"] == 16
    assert [one["expert"] for one in done.document["calibrations"]] == [
        None,
        "linear",
        "xgboost",
    ] * 2
    assert [point["nominal"] for point in done.document["coverage"]][-2:] == [0.8, 0.9]


@pytest.mark.usefixtures("recorded")
def test_it_is_narrowed_to_an_expert_a_predictor_and_a_run(program: Program) -> None:
    asked = program(
        "calibration", "--expert", "linear", "--predictor", "model card", "--output-format", "json"
    )
    assert asked.document["n_predictions"] == 4
    for name in ("last", RUNS[1][:8]):
        of_run = program("calibration", "--run", name, "--output-format", "json").document
        assert {one["expert"] for one in of_run["calibrations"]} == {None, "linear"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--expert", "xgbost"], "Did you mean 'xgboost'?", id="expert"),
        pytest.param(["--predictor", "model"], "There is no predictor 'model'", id="predictor"),
        pytest.param(["--run", "2025"], "There is no run '2025'", id="run"),
        pytest.param(["--plot", "a.pdf"], "must end in .png or .svg", id="kind of file"),
        pytest.param(["--plot", "no/a.png"], "no/a.png cannot be written", id="no such folder"),
    ],
)
@pytest.mark.usefixtures("recorded")
def test_what_cannot_be_done_is_said_in_one_sentence(
    program: Program,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = program("calibration", *arguments)
    assert done.code != 0
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.usefixtures("recorded")
def test_it_is_drawn_as_png_and_svg(program: Program, tmp_path: Path) -> None:
    for name in ("a.png", "b.SVG"):
        done = program("calibration", "--plot", tmp_path / name)
        assert done.code == 0, done.err
        assert f"Drawn: {tmp_path / name}" in done.out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(tmp_path / "b.SVG").getroot().tag.endswith("svg")


def test_there_is_nothing_to_draw(program: Program, tmp_path: Path) -> None:
    done = program("calibration", "--plot", tmp_path / "a.png")
    assert done.code != 0
    assert "no prediction could be scored yet" in done.err
    assert not (tmp_path / "a.png").exists()


@pytest.mark.usefixtures("recorded")
def test_without_matplotlib_it_says_how_to_get_it(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = program("calibration", "--plot", tmp_path / "a.png")
    assert done.code != 0
    assert "install it: pip install matplotlib" in done.err
    assert program("calibration").code == 0


def test_a_run_leaves_what_it_was_predicted(program: Program, table: Path, home: Path) -> None:
    options = ("--expert", "linear", "--trials", "2", "-y", "-q", "--no-early-stop")
    assert program("run", table, "--target", "target", *options).code == 0
    with Journal(journal_path(home)) as journal:
        (run,) = journal.list_runs()
    assert run["request"]["early_stop"] is False
    done = program("calibration", "--run", "last", "--output-format", "json")
    check_document(done.document, "calibration", source="standard output")
    card = next(o for o in done.document["calibrations"] if o["predictor"] == "model card")
    assert (card["n_scored"], card["n_trials"], card["n_open"]) == (2, 2, 0)
    assert card["median_error"] is not None
