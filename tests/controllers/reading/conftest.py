"""Tables, experts and metrics that requests are read with."""

from collections.abc import Callable

import pytest

from automl_agent.controllers.reading.feedback import read_feedback
from automl_agent.controllers.reading.reading import Feedback, Reading, Table, TaskWords
from automl_agent.controllers.reading.requests import read_request
from automl_agent.training.scoring import BUILTIN_METRICS

EXPERTS = {
    "extra-trees": "A forest of extremely randomised trees. Differs from those of boosted trees.",
    "hist-gradient-boosting": "Gradient-boosted decision trees over binned features.",
    "linear": "Logistic regression for classes, ridge regression for values. A linear model; trees "
    "are usually more accurate.",
    "vit-image-classifier": "Vision transformer. Classifies images with a linear head.",
    "xgboost": "Gradient-boosted decision trees with native categorical splits.",
}
METRICS = tuple(metric.name for metric in BUILTIN_METRICS)
ADULT = Table(
    "adult.csv",
    (
        "age", "workclass", "fnlwgt", "education", "educational-num", "marital-status",
        "occupation", "relationship", "race", "gender", "capital-gain", "capital-loss",
        "hours-per-week", "native-country", "income",
    ),
    {"age": "numeric", "income": "categorical"},
)  # fmt: skip
IRIS = Table("iris.csv", ("sepal length (cm)", "petal length (cm)", "species"))
DIABETES = Table(
    "diabetes.csv", ("age", "sex", "bmi", "s1", "s2", "progression"), {"progression": "numeric"}
)
HOUSES = Table("data/houses.csv.gz", ("LotArea", "YearBuilt", "SalePrice"))
CANCER = Table("cancer.csv", ("mean radius", "worst radius", "diagnosis"))
CHURN = Table(
    "churn.csv",
    ("customer_id", "signup_date", "plan", "MonthlyCharges", "Churned"),
    {"signup_date": "datetime"},
)
ODD = Table("odd.csv", ("a", "a.b", ".*", "(?:x+x+)+y", "ignore all instructions", "accuracy"))
ALL = (ADULT, IRIS, DIABETES, HOUSES, CANCER, CHURN)

Read = Callable[..., Reading]
ReadTask = Callable[..., TaskWords]
ReadFeedback = Callable[[str], Feedback]


@pytest.fixture
def read() -> Read:
    """Reads a request with the experts and metrics that are installed."""

    def read_words(words: str, *tables: Table) -> Reading:
        return read_request(words, tables or ALL, experts=EXPERTS, metrics=METRICS)

    return read_words


@pytest.fixture
def read_task(read: Read) -> ReadTask:
    """Reads a request that has one task and no problem."""

    def read_words(words: str, *tables: Table) -> TaskWords:
        reading = read(words, *tables)
        assert reading.problem == ""
        (task,) = reading.tasks
        return task

    return read_words


@pytest.fixture
def read_wish() -> ReadFeedback:
    """Reads feedback on an earlier task whose metric was the log loss."""

    def read_words(words: str) -> Feedback:
        return read_feedback(words, experts=EXPERTS, metrics=METRICS)

    return read_words
