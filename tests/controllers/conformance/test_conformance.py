"""Grading of planned tasks, the requests that ship with the package, planning without training."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.cards.documents import check_document
from automl_agent.chat_models.chat_model import ChatModel, ModelTraits, Reply
from automl_agent.controllers.conformance.cases import N_CASES, list_cases, write_tables
from automl_agent.controllers.conformance.conformance import (
    Case,
    Examiner,
    Grade,
    Graded,
    PlannedTask,
    grade,
)
from automl_agent.controllers.conformance.verdict import (
    WILL_DO,
    WILL_NOT_DO,
    WITH_HELP,
    judge,
    summarise,
)
from automl_agent.controllers.planner.planner import Planner
from automl_agent.controllers.purse import Purse
from automl_agent.errors import ModelRefusedError, SetupError
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path
from automl_agent.testing import ScriptedChatModel

IRIS = PlannedTask("iris.csv", "species", "multiclass_classification", frozenset({"xgboost"}))
WINE = PlannedTask("wine.csv", "cultivar", "multiclass_classification", frozenset({"linear"}))
RIGHT, WRONG = Grade(True, True, True), Grade(False, False, False)
Examine = Callable[[ChatModel, Case], Graded]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder)
    return folder


@pytest.fixture
def examine(home: Path, tables: Path) -> Examine:
    def run(model: ChatModel, case: Case) -> Graded:
        with Journal(journal_path(home)) as journal:
            return Examiner(model, load_all_plugins(), home, journal).examine(case, tables)

    return run


@pytest.mark.parametrize(
    ("answers", "planned", "expected"),
    [
        pytest.param(
            [[PlannedTask("iris.csv", "species")]], [IRIS], RIGHT, id="any task, any expert"
        ),
        pytest.param([[IRIS]], [IRIS], RIGHT, id="all as wanted"),
        pytest.param([[WINE, IRIS]], [IRIS, WINE], RIGHT, id="in another order"),
        pytest.param([[WINE]], [IRIS], WRONG, id="another table"),
        pytest.param([[IRIS]], [IRIS, WINE], WRONG, id="one too many"),
        pytest.param([[IRIS, WINE]], [IRIS], WRONG, id="one missing"),
        pytest.param([[IRIS]], [IRIS, IRIS], WRONG, id="one twice"),
        pytest.param([[WINE], [IRIS]], [IRIS], RIGHT, id="the second answer"),
        pytest.param(
            [[PlannedTask("iris.csv", "species", "regression")]],
            [IRIS],
            Grade(targets=True, tasks=False, experts=True),
            id="another kind of task",
        ),
        pytest.param(
            [[PlannedTask("iris.csv", "species", "", frozenset({"linear"}))]],
            [IRIS],
            Grade(targets=True, tasks=True, experts=False),
            id="another expert",
        ),
        pytest.param([[]], [], RIGHT, id="declined"),
        pytest.param([[]], [IRIS], WRONG, id="not declined"),
    ],
)
def test_a_grade_tells_what_is_right(
    answers: Sequence[Sequence[PlannedTask]], planned: Sequence[PlannedTask], expected: Grade
) -> None:
    assert grade(answers, planned, is_finished=True) == expected


def test_who_stops_without_finishing_has_not_declined() -> None:
    assert grade([[]], [], is_finished=False) == WRONG


def make_graded(alone: Grade, helped: Grade, *, n_first: int = 10, n_valid: int = 10) -> Graded:
    case = Case("c", "plain", "Predict species.", ((IRIS,),))
    return Graded(
        case,
        alone=alone,
        helped=helped,
        planned=(IRIS,),
        ended="finished",
        n_first=n_first,
        n_first_valid=n_valid,
        n_repairs=1,
        input_tokens=100,
        cached_tokens=20,
        output_tokens=10,
        cost_usd=0.001,
        seconds=1.0,
    )


GOOD, HELPED, BAD = (RIGHT, RIGHT), (WRONG, RIGHT), (WRONG, WRONG)


@pytest.mark.parametrize(
    ("grades", "n_valid", "expected"),
    [
        pytest.param([GOOD] * 18 + [BAD] * 2, 10, WILL_DO, id="nine of ten right"),
        pytest.param([GOOD] * 17 + [BAD] * 3, 10, WILL_NOT_DO, id="too often wrong"),
        pytest.param([GOOD] * 10 + [HELPED] * 10, 10, WITH_HELP, id="gives up half of the time"),
        pytest.param([GOOD] * 9 + [HELPED] * 11, 10, WILL_NOT_DO, id="gives up more often"),
        pytest.param([HELPED] * 20, 10, WILL_NOT_DO, id="the planner does it all"),
        pytest.param([GOOD] * 20, 8, WITH_HELP, id="many calls are wrong at first"),
    ],
)
def test_the_verdict_follows_the_thresholds(
    grades: list[tuple[Grade, Grade]], n_valid: int, expected: str
) -> None:
    verdict, reasons = judge([make_graded(*pair, n_valid=n_valid) for pair in grades])
    assert verdict == expected
    assert len(reasons) == 3


def test_the_summary_fits_its_schema_and_adds_up() -> None:
    document = summarise("m", [make_graded(*GOOD), make_graded(*HELPED)], n_planned=20, stopped="x")
    check_document(document, "model_test", source="summary")
    assert document["n_right"] == 1
    assert document["n_right_with_help"] == 2
    assert document["input_tokens"] == 200
    assert document["cost_usd"] == 0.002
    assert document["n_calls"] == 22


def test_a_model_that_called_nothing_is_no_failure_of_the_summary() -> None:
    graded = make_graded(*BAD, n_first=0, n_valid=0)
    document = summarise("m", [graded], n_planned=1)
    check_document(document, "model_test", source="summary")
    assert document["valid_at_first_try"] is None
    assert document["verdict"] == WILL_NOT_DO


def test_every_wanted_target_is_a_column_of_its_table(tables: Path) -> None:
    cases = list_cases(list(load_all_plugins().experts.values()))
    wanted = [task for case in cases for answer in case.answers for task in answer]
    assert len(cases) == N_CASES == 20
    assert len({case.case_id for case in cases}) == N_CASES
    for task in wanted:
        assert task.target in pd.read_csv(tables / task.table).columns


def test_a_named_expert_is_installed_and_the_only_right_one() -> None:
    plugins = load_all_plugins()
    named = [case for case in list_cases(list(plugins.experts.values())) if case.kind == "expert"]
    assert named
    for case in named:
        ((task,),) = case.answers
        (expert,) = task.experts
        assert expert in plugins.experts
        assert expert in case.words


def test_without_experts_there_is_nothing_to_test() -> None:
    with pytest.raises(SetupError, match="No expert for tables"):
        list_cases([])


CASE = Case(
    "c", "plain", "Predict species from iris.csv.", ((PlannedTask("iris.csv", "species"),),)
)
PROFILE = ("profile_dataset", {"data": "iris.csv", "target": "species"})
ASSIGN = ("assign_expert", {"expert": "xgboost", "reason": "It fits."})
PLAN = {"plan_id": "xgboost"}
PREPARE = [
    ("write_script", PLAN | {"script": "data_processing.py"}),
    ("write_script", PLAN | {"script": "model.py"}),
    ("set_hyperparameters", PLAN | {"settings": {}}),
    ("predict_training_log", PLAN),
]
END = [("train", PLAN)], [("finish", {"summary": "Planned."})]


def test_a_good_model_is_right_alone_and_trains_nothing(examine: Examine, home: Path) -> None:
    graded = examine(ScriptedChatModel([[PROFILE], [ASSIGN], PREPARE, *END]), CASE)
    assert graded.alone == graded.helped == RIGHT
    assert (graded.n_first, graded.n_first_valid, graded.n_repairs) == (8, 8, 0)
    assert graded.planned == (IRIS,)
    assert list((home / "runs").iterdir()) == []  # a run without a trial leaves nothing


def test_a_call_that_corrects_another_is_a_repair(examine: Examine) -> None:
    wrong = ("profile_dataset", {"data": "iris.csv", "target": "specie"})
    graded = examine(ScriptedChatModel([[wrong], [PROFILE], [ASSIGN], PREPARE, *END]), CASE)
    assert graded.alone == RIGHT
    assert (graded.n_first, graded.n_first_valid, graded.n_repairs) == (8, 7, 1)


def test_training_before_the_plan_is_complete_is_a_wrong_call(examine: Examine) -> None:
    early = [PREPARE[0], PREPARE[1], PREPARE[3]]
    second = ("assign_expert", {"expert": "linear", "reason": "It fits."})
    graded = examine(ScriptedChatModel([[PROFILE], [ASSIGN, second], early, *END]), CASE)
    assert graded.n_first - graded.n_first_valid == 1


def test_who_only_talks_gives_up_and_the_planner_goes_on(examine: Examine) -> None:
    graded = examine(ScriptedChatModel(["What a nice flower!"] * 2), CASE)
    assert (graded.alone, graded.helped) == (WRONG, RIGHT)
    assert graded.n_first == 0
    assert graded.planned == ()
    assert "stopped calling tools" in graded.ended


def test_words_without_a_request_need_no_model(examine: Examine) -> None:
    graded = examine(ScriptedChatModel([]), Case("c", "impossible", "  ", ((),)))
    assert graded.alone == RIGHT


class DeadModel:
    """Cannot be asked."""

    traits = ModelTraits("dead")

    def reply(self, *_: object, **__: object) -> Reply:
        raise ModelRefusedError("The key is not accepted.")


def test_an_outage_is_no_fault_of_the_model(home: Path, tables: Path) -> None:
    with Journal(journal_path(home)) as journal:
        examiner = Examiner(DeadModel(), load_all_plugins(), home, journal)
        examiner.examine(CASE, tables)
        assert examiner.outage == "The key is not accepted."


def test_money_that_is_spent_ends_the_test(home: Path, tables: Path) -> None:
    traits = ModelTraits("dear", price=lambda usage: float(usage.input_tokens))
    with Journal(journal_path(home)) as journal:
        model = ScriptedChatModel([], traits=traits)
        examiner = Examiner(model, load_all_plugins(), home, journal, purse=Purse(limit_usd=1.0))
        examiner.examine(CASE, tables)
        assert examiner.outage == "The limit of 1 USD is reached."


def test_the_planner_needs_no_help(examine: Examine) -> None:
    assert examine(Planner(), CASE).alone == RIGHT
