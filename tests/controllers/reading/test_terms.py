"""How a task is to be trained: metric, experts, limits, columns, split."""

import pytest

from automl_agent.cards.data_card import SplitRule

from .conftest import CHURN, EXPERTS, Read, ReadTask

INCOME = "predict income from adult.csv"


@pytest.mark.parametrize(
    ("words", "metric"),
    [
        pytest.param("AUC", "roc_auc", id="AUC"),
        pytest.param("area under the ROC curve", "roc_auc", id="in words"),
        pytest.param("average precision", "average_precision", id="average precision"),
        pytest.param("balanced accuracy", "balanced_accuracy", id="not plain accuracy"),
        pytest.param("log-loss", "log_loss", id="hyphen"),
        pytest.param("cross entropy", "log_loss", id="cross entropy"),
        pytest.param("F1", "f1_macro", id="F1"),
        pytest.param("Brier score", "brier", id="Brier"),
        pytest.param("Genauigkeit", "accuracy", id="German"),
        pytest.param("exactitude", "accuracy", id="French"),
        pytest.param("exactitud", "accuracy", id="Spanish"),
        pytest.param("accuratezza", "accuracy", id="Italian"),
        pytest.param("准确率", "accuracy", id="Chinese"),
        pytest.param("正解率", "accuracy", id="Japanese"),
        pytest.param("AUC, not accuracy", "roc_auc", id="one that is not wanted"),
        pytest.param("as fast as possible", None, id="none"),
    ],
)
def test_a_metric_is_found_by_its_usual_names(
    words: str, metric: str | None, read_task: ReadTask
) -> None:
    assert read_task(f"{INCOME}, {words}").metric == metric


@pytest.mark.parametrize("words", ["RMSE", "mean squared error", "MAE", "R²", "r2"])
def test_a_metric_of_a_regression_is_found(words: str, read_task: ReadTask) -> None:
    metric = read_task(f"predict progression from diabetes.csv, {words}").metric
    assert metric == {"MAE": "mae", "R²": "r2", "r2": "r2"}.get(words, "rmse")


def test_a_metric_that_is_not_registered_is_named(read: Read) -> None:
    reading = read(f"{INCOME} with precision")
    assert (reading.tasks[0].metric, "no metric 'precision'" in reading.problem) == (None, True)


def test_each_task_takes_the_metric_that_it_can_have(read: Read) -> None:
    reading = read(f"{INCOME} and progression from diabetes.csv. Use AUC and RMSE.")
    assert reading.tasks[0].metric == "roc_auc"
    reading = read(f"{INCOME} with AUC and progression from diabetes.csv with RMSE")
    assert [task.metric for task in reading.tasks] == ["roc_auc", "rmse"]


TREES = ("extra-trees", "hist-gradient-boosting", "xgboost")


@pytest.mark.parametrize(
    ("words", "experts"),
    [
        pytest.param("with xgboost", ("xgboost",), id="by name"),
        pytest.param("with XGB", ("xgboost",), id="by a short name"),
        pytest.param("HistGradientBoosting", ("hist-gradient-boosting",), id="CamelCase"),
        pytest.param("use gradient boosting", ("hist-gradient-boosting", "xgboost"), id="family"),
        pytest.param("boosting, but not xgboost", ("hist-gradient-boosting",), id="but not"),
        pytest.param("linear model please", ("linear",), id="linear, not the image classifier"),
        pytest.param("logistic regression", ("linear",), id="logistic"),
        pytest.param("a random forest", ("extra-trees",), id="forest"),
        pytest.param("with trees", TREES, id="trees"),
        pytest.param("not xgboost", ("extra-trees", "hist-gradient-boosting", "linear"), id="not"),
        pytest.param("without trees", ("linear",), id="without"),
        pytest.param("kein xgboost und keine Bäume", ("linear",), id="German"),
        pytest.param("without xgboost or extra-trees", ("hist-gradient-boosting", "linear"),
                     id="a list"),
        pytest.param("xgboost rather than a linear model", ("xgboost",), id="rather than"),
    ],
)  # fmt: skip
def test_experts_are_found_by_name_and_by_structure(
    words: str, experts: tuple[str, ...], read: Read
) -> None:
    (task,) = read(f"{INCOME}, {words}").tasks
    assert tuple(sorted(task.experts)) == experts


def test_a_kind_of_expert_that_is_not_installed_is_named(read: Read) -> None:
    reading = read(f"{INCOME} with catboost")
    assert reading.tasks[0].experts == ()
    assert "No installed expert is 'catboost'" in reading.problem


def test_an_expert_for_images_is_no_neural_network_for_a_table(read: Read) -> None:
    assert read(f"{INCOME} with a neural network").tasks[0].experts == ()


def test_not_wanting_any_expert_is_a_problem(read: Read) -> None:
    words = f"{INCOME}, " + ", ".join(f"no {name}" for name in EXPERTS)
    assert "Every installed expert is excluded" in read(words).problem


@pytest.mark.parametrize(
    ("words", "constraints"),
    [
        pytest.param("under 1 ms a row", ("predict_ms_per_row <= 1",), id="time a row"),
        pytest.param("latency below 200 µs", ("predict_ms_per_row <= 0.2",), id="microseconds"),
        pytest.param("1000 rows per second", ("predict_ms_per_row <= 1",), id="rows a second"),
        pytest.param("0,5 ms pro Zeile", ("predict_ms_per_row <= 0.5",), id="decimal comma"),
        pytest.param("smaller than 5 MB", ("model_mib <= 4.77",), id="MB"),
        pytest.param("at most 2 MiB", ("model_mib <= 2",), id="MiB"),
        pytest.param("max 500kB", ("model_mib <= 0.477",), id="kB"),
        pytest.param("training time under 30 s", ("fit_seconds <= 30",), id="training time"),
        pytest.param("accuracy at least 90 %", ("accuracy >= 0.9",), id="percent"),
        pytest.param("at least 90% accuracy", ("accuracy >= 0.9",), id="number first"),
        pytest.param("accuracy >= 0.9", ("accuracy >= 0.9",), id="signs"),
        pytest.param("AUC above .9 or 0.9", ("roc_auc >= 0.9",), id="above"),
        pytest.param("log loss below 0.3", ("log_loss <= 0.3",), id="a loss is bounded above"),
        pytest.param("mindestens 85 % Genauigkeit", ("accuracy >= 0.85",), id="German"),
        pytest.param("准确率至少85%", ("accuracy >= 0.85",), id="Chinese"),
        pytest.param("a small, fast model", ("smaller", "faster"), id="wishes"),
        pytest.param("at least 90 % accuracy, 1 MiB, 1 ms a row",
                     ("accuracy >= 0.9", "model_mib <= 1", "predict_ms_per_row <= 1"), id="three"),
        pytest.param("as accurate as possible", (), id="every training aims at it"),
    ],
)  # fmt: skip
def test_limits_become_constraints(
    words: str, constraints: tuple[str, ...], read_task: ReadTask
) -> None:
    assert read_task(f"{INCOME}, {words}").constraints == constraints


def test_a_number_that_is_part_of_the_question_is_no_limit(read_task: ReadTask) -> None:
    task = read_task("predict whether income is more than 50K in adult.csv, accuracy")
    assert (task.constraints, task.metric) == ((), "accuracy")


@pytest.mark.parametrize(
    ("words", "time_s", "n_trials"),
    [
        pytest.param("in 10 minutes", 600.0, None, id="minutes"),
        pytest.param("within half an hour", 1800.0, None, id="half an hour"),
        pytest.param("in under a minute", 60.0, None, id="a minute"),
        pytest.param("at most 5 trials", None, 5, id="trials"),
        pytest.param("two tries, 90s", 90.0, 2, id="both"),
        pytest.param("höchstens 5 Versuche in einer Stunde", 3600.0, 5, id="German"),
        pytest.param("10分以内", 600.0, None, id="Japanese"),
        pytest.param("0 trials", None, None, id="no trial is no limit"),
    ],
)
def test_limits_of_the_search_are_found(
    words: str, time_s: float | None, n_trials: int | None, read_task: ReadTask
) -> None:
    task = read_task(f"{INCOME}, {words}")
    assert (task.time_s, task.n_trials, task.constraints) == (time_s, n_trials, ())


@pytest.mark.parametrize(
    ("words", "drop"),
    [
        pytest.param("ignore race and gender", ("race", "gender"), id="ignore"),
        pytest.param("without the columns race, gender or age", ("race", "gender", "age"),
                     id="without"),
        pytest.param("don't use marital status", ("marital-status",), id="don't use"),
        pytest.param("ohne fnlwgt", ("fnlwgt",), id="German"),
        pytest.param("sans les colonnes age et race", ("age", "race"), id="French"),
        pytest.param("忽略 age", ("age",), id="Chinese"),
        pytest.param("without xgboost", (), id="an expert is no column"),
        pytest.param("ignore income and race", ("race",), id="never the target"),
    ],
)  # fmt: skip
def test_columns_to_ignore_are_found(
    words: str, drop: tuple[str, ...], read_task: ReadTask
) -> None:
    assert read_task(f"{INCOME}, {words}").drop == drop


def test_using_only_some_columns_ignores_the_others(read_task: ReadTask) -> None:
    task = read_task("predict Churned using only plan and MonthlyCharges", CHURN)
    assert task.drop == ("customer_id", "signup_date")


def test_a_column_to_ignore_that_is_not_there_is_named(read: Read) -> None:
    assert "'the column zip'" in read(f"{INCOME}, ignore the column zip").problem


@pytest.mark.parametrize(
    ("words", "split"),
    [
        pytest.param("test on the latest rows by signup_date", SplitRule("time", "signup_date"),
                     id="latest"),
        pytest.param("split by time", SplitRule("time", "signup_date"), id="the only date"),
        pytest.param("the same customers must not be in both training and test",
                     SplitRule("group", "customer_id"), id="in both"),
        pytest.param("group by plan", SplitRule("group", "plan"), id="group by"),
        pytest.param("quickly", None, id="none"),
    ],
)  # fmt: skip
def test_how_rows_are_divided_is_found(
    words: str, split: SplitRule | None, read_task: ReadTask
) -> None:
    assert read_task(f"Predict Churned from churn.csv; {words}.").split == split


def test_a_split_by_time_without_a_date_asks_for_the_column(read: Read) -> None:
    reading = read("predict species from iris.csv, split by time")
    assert (reading.tasks[0].split, "Which column tells the time" in reading.problem) == (
        None,
        True,
    )


@pytest.mark.parametrize(
    ("words", "task"),
    [
        pytest.param("as a regression", "regression", id="regression"),
        pytest.param("a binary classification", "binary_classification", id="binary"),
        pytest.param("logistic regression", None, id="a model's name"),
        pytest.param("classification", None, id="open"),
    ],
)
def test_the_task_is_what_the_words_call_it(
    words: str, task: str | None, read_task: ReadTask
) -> None:
    assert read_task(f"predict Churned from churn.csv, {words}").task == task


def test_terms_are_of_the_task_that_they_stand_with(read: Read) -> None:
    reading = read(
        "Predict income from adult.csv with xgboost, under 1 ms a row. "
        "Predict species from iris.csv with a linear model, at most 3 trials."
    )
    first, second = reading.tasks
    assert (first.experts, first.constraints, first.n_trials) == (
        ("xgboost",), ("predict_ms_per_row <= 1",), None,
    )  # fmt: skip
    assert (second.experts, second.constraints, second.n_trials) == (("linear",), (), 3)


def test_terms_behind_all_tasks_are_of_all(read: Read) -> None:
    reading = read("Predict income from adult.csv and species from iris.csv, both with xgboost.")
    assert [task.experts for task in reading.tasks] == [("xgboost",), ("xgboost",)]
