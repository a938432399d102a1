"""What a person is told of requirements, and of two results side by side."""

from typing import Any

import pytest
from click import command
from click.testing import CliRunner

from automl_agent.ui.requirements import (
    describe_verdict,
    requirement_option,
    show_comparison,
    show_verdicts,
)


def make_verdict(text: str, measure: str, bound: float, measured: float | None) -> dict[str, Any]:
    is_met = measured is not None and measured <= bound
    return {
        "text": text,
        "measure": measure,
        "bound": bound,
        "measured": measured,
        "is_met": is_met,
    }


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (
            make_verdict("log_loss <= 0.3", "log_loss", 0.3, 0.2871),
            "Required log_loss <= 0.3: met, with 0.2871 on held-out rows.",
        ),
        (
            make_verdict("model_mib <= 5", "model_mib", 5.0, 7.25),
            "Required model_mib <= 5: not met, with 7.2500.",
        ),
        (
            make_verdict("smaller", "model_mib", 8.2, 2.0),
            "Required smaller (model_mib: 8.2000): met, with 2.0000.",
        ),
        (
            make_verdict("log_loss <= earlier + 1 %", "log_loss", 0.303, 0.31),
            "Required log_loss <= earlier + 1 % (log_loss: 0.3030): not met, with 0.3100 on "
            "held-out rows.",
        ),
        (
            make_verdict("predict_ms_per_row <= 1", "predict_ms_per_row", 1.0, None),
            "Required predict_ms_per_row <= 1: not known, as it was not measured.",
        ),
        (
            make_verdict("predict_ms_per_row <= 0.0001", "predict_ms_per_row", 1e-4, 0.00213),
            "Required predict_ms_per_row <= 0.0001: not met, with 0.00213.",
        ),
    ],
)
def test_a_requirement_is_told_in_a_sentence(verdict: dict[str, Any], sentence: str) -> None:
    assert describe_verdict(verdict) == sentence


def test_that_not_all_are_met_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    met, missed = make_verdict("a", "a", 1, 0), make_verdict("b", "b", 1, 2)
    show_verdicts({"verdicts": [met]})
    assert "Not all" not in capsys.readouterr().out
    show_verdicts({"verdicts": [met, missed]})
    assert "Not all requirements are met" in capsys.readouterr().out
    show_verdicts({})
    assert capsys.readouterr().out == ""


def test_two_results_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"name": "accuracy", "old": 0.9, "new": 0.8973},
        {"name": "model_mib", "old": 8.2, "new": 2.0},
        {"name": "predict_ms_per_row", "old": None, "new": None},
    ]
    sentence = "0.3 % less accuracy, 4.1 times smaller."
    show_comparison({"old": "r1", "new": "r2", "rows": rows, "sentence": sentence})
    out = capsys.readouterr().out
    assert "before (r1)" in out
    assert "0.8973" in out
    assert "predict_ms_per_row" not in out
    assert out.endswith(f"{sentence}\n")


def test_the_option_may_be_repeated() -> None:
    seen: list[tuple[str, ...]] = []

    @command()
    @requirement_option
    def run(require: tuple[str, ...]) -> None:
        seen.append(require)

    CliRunner().invoke(run, ["--require", "accuracy >= 0.9", "--require", "smaller"])
    assert seen == [("accuracy >= 0.9", "smaller")]
