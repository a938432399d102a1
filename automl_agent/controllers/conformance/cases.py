"""The requests with which a chat model is tested, and the small real tables that they are about.

They are in the spirit of benchmarks/requests and share no sentence with it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_agent.controllers.conformance.conformance import Case, PlannedTask
from automl_agent.errors import SetupError
from automl_agent.experts.expert import Expert

_IRIS = PlannedTask("iris.csv", "species", "multiclass_classification")
_WINE = PlannedTask("wine.csv", "cultivar", "multiclass_classification")
_CANCER = PlannedTask("breast_cancer.csv", "diagnosis", "binary_classification")
_DIABETES = PlannedTask("diabetes.csv", "progression", "regression")
_BMI = PlannedTask("diabetes.csv", "bmi", "regression")
# Impossible and possible ones in turn, so that the first few say something about both.
# {expert} stands for the name of an installed expert, which then is the only right one.
_CASES: tuple[tuple[str, str, tuple[PlannedTask, ...]], ...] = (
    ("plain", "Learn to predict species from iris.csv.", (_IRIS,)),
    ("impossible", "Paint a watercolour of a vineyard at dusk.", ()),
    ("expert", "Predict cultivar from wine.csv, using only {expert}.", (_WINE,)),
    ("paraphrase", "How far will a patient's diabetes progress? See diabetes.csv.", (_DIABETES,)),
    ("several", "Predict species from iris.csv and cultivar from wine.csv.", (_IRIS, _WINE)),
    ("impossible", "Predict the salary column of iris.csv.", ()),
    ("metric", "Predict diagnosis from breast_cancer.csv; judge it by log loss.", (_CANCER,)),
    ("language", "Sag den Tumorbefund (diagnosis) aus breast_cancer.csv voraus.", (_CANCER,)),
    ("task", "Run a regression of bmi in diabetes.csv.", (_BMI,)),
    ("impossible", "Predict the fare from taxi_trips.csv.", ()),
    ("typo", "pedict progresion from diabetes.csv", (_DIABETES,)),
    ("expert", "breast_cancer.csv, target diagnosis, with the expert {expert}", (_CANCER,)),
    ("constraint", "Predict cultivar from wine.csv with at least 90 % accuracy.", (_WINE,)),
    ("impossible", "Transcribe the voice messages in my inbox.", ()),
    ("several", "Two models please: diagnosis (breast_cancer.csv) and bmi (diabetes.csv).",
     (_CANCER, _BMI)),
    ("columns", "Predict progression from diabetes.csv without the columns s1 and s2.",
     (_DIABETES,)),
    ("language", "Prédis species à partir de iris.csv.", (_IRIS,)),
    ("impossible", "Translate the column names of wine.csv into Italian.", ()),
    ("paraphrase", "Which cultivar is a wine of? Build a model on wine.csv.", (_WINE,)),
    ("paraphrase", "I need a classifier for the species in iris.csv, small and fast.", (_IRIS,)),
)  # fmt: skip
N_CASES = len(_CASES)


def list_cases(experts: Sequence[Expert]) -> list[Case]:
    """All cases, for these installed experts.

    Raises: SetupError if none of them is for tables.
    """
    names = [expert.card.name for expert in experts if _fits_all(expert)]
    if not names:
        raise SetupError(
            "No expert for tables is installed, so no request could be planned: install one, such "
            "as automl-agent-sklearn."
        )
    return [
        _make_case(number, *case, expert=names[number % len(names)])
        for number, case in enumerate(_CASES, 1)
    ]


def write_tables(folder: Path) -> None:
    """The tables, out of scikit-learn."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

    loaders: dict[str, tuple[Any, str]] = {
        "iris.csv": (load_iris, "species"),
        "wine.csv": (load_wine, "cultivar"),
        "breast_cancer.csv": (load_breast_cancer, "diagnosis"),
        "diabetes.csv": (load_diabetes, "progression"),
    }
    for name, (load, target) in loaders.items():
        bunch = load(as_frame=True)
        frame = bunch.frame.rename(columns={"target": target})
        if "target_names" in bunch:
            frame[target] = frame[target].map(dict(enumerate(bunch.target_names)))
        frame.to_csv(folder / name, index=False)


def _make_case(
    number: int, kind: str, words: str, tasks: tuple[PlannedTask, ...], *, expert: str
) -> Case:
    allowed = frozenset([expert]) if "{expert}" in words else frozenset[str]()
    answer = tuple(PlannedTask(t.table, t.target, t.task, allowed) for t in tasks)
    return Case(f"{number:02}-{kind}", kind, words.replace("{expert}", expert), (answer,))


def _fits_all(expert: Expert) -> bool:
    needed = {"binary_classification", "multiclass_classification", "regression"}
    return "tabular" in expert.card.input_types and needed <= set(expert.card.tasks)
