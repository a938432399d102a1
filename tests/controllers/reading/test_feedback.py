"""What is to change after a round."""

import pytest

from automl_agent.controllers.reading.reading import Feedback

from .conftest import ReadFeedback

SMALLER_FASTER = ("smaller", "faster", "accuracy >= earlier - 1 %")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("smaller and faster, lose at most 1 % accuracy", id="English"),
        pytest.param("kleiner und schneller, höchstens 1 % Genauigkeit verlieren", id="German"),
        pytest.param("plus petit et plus rapide, perdre au plus 1 % d'exactitude", id="French"),
        pytest.param("más pequeño y más rápido, perder como máximo 1 % de exactitud", id="Spanish"),
        pytest.param(
            "più piccolo e più veloce, perdi al massimo l'1 % di accuratezza", id="Italian"
        ),
        pytest.param("menor e mais rápido, perdendo no máximo 1 % de acurácia", id="Portuguese"),
        pytest.param("kleiner en sneller, verlies hoogstens 1% nauwkeurigheid", id="Dutch"),
        pytest.param("mniejszy i szybszy, strata dokładności najwyżej 1 %", id="Polish"),
        pytest.param("меньше и быстрее, потерять не более 1 % точности", id="Russian"),
        pytest.param("更小更快、准确率最多下降1%", id="Chinese"),
        pytest.param("もっと小さく、速く。正解率の低下は1%以内", id="Japanese"),
    ],
)
def test_wishes_and_the_loss_for_them_are_read_in_many_languages(
    words: str, read_wish: ReadFeedback
) -> None:
    assert read_wish(words) == Feedback(constraints=SMALLER_FASTER, is_understood=True)


@pytest.mark.parametrize(
    ("words", "constraints"),
    [
        pytest.param("half the size", ("model_mib <= 0.5 * earlier",), id="half the size"),
        pytest.param("twice as fast", ("predict_ms_per_row <= 0.5 * earlier",), id="twice as fast"),
        pytest.param("10x smaller", ("model_mib <= 0.1 * earlier",), id="10x smaller"),
        pytest.param("30 % smaller", ("model_mib <= 0.7 * earlier",), id="30 % smaller"),
        pytest.param("halb so groß", ("model_mib <= 0.5 * earlier",), id="German"),
        pytest.param("faster without losing accuracy", ("faster", "accuracy >= earlier - 0 %"),
                     id="no loss"),
        pytest.param("RMSE may rise by 5 %", ("rmse <= earlier + 5 %",), id="an error may rise"),
        pytest.param("lose at most 1 %", ("log_loss <= earlier + 1 %",), id="of the task's metric"),
        pytest.param("under 1 ms a row", ("predict_ms_per_row <= 1",), id="absolute"),
        pytest.param("it is too slow", ("faster",), id="a complaint"),
        pytest.param("I have to explain it: simpler", ("simpler",), id="simpler"),
        pytest.param("make it more accurate", ("more accurate",), id="more accurate"),
    ],
)  # fmt: skip
def test_feedback_becomes_constraints(
    words: str, constraints: tuple[str, ...], read_wish: ReadFeedback
) -> None:
    assert read_wish(words) == Feedback(constraints=constraints, is_understood=True)


def test_other_changes_are_read(read_wish: ReadFeedback) -> None:
    words = "Use AUC, a linear model and not xgboost; ignore race and native-country; 10 more minutes, 5 trials"  # noqa: E501
    assert read_wish(words) == Feedback(
        experts=("linear",),
        excluded_experts=("xgboost",),
        metric="roc_auc",
        drop=("race", "native-country"),
        n_trials=5,
        time_s=600.0,
        is_understood=True,
    )


@pytest.mark.parametrize("words", ["", "looks good, thanks", "why?", "ok", "🙂"])
def test_feedback_that_asks_for_nothing_is_not_understood(
    words: str, read_wish: ReadFeedback
) -> None:
    assert read_wish(words) == Feedback()
