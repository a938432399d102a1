"""Small real tables with every kind of column, for the tests of experts."""

from typing import TYPE_CHECKING

from automl_agent.cards.metric import Task

if TYPE_CHECKING:
    from pandas import DataFrame

TARGET = "label"
_N_ROWS = 300


def load_example(task: Task) -> "DataFrame":
    """A table of scikit-learn's with the target in the column `label`.

    Some of its columns are turned into a category, a boolean and a date, and some cells removed, so
    that an expert meets everything that a user's table may hold.
    """
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

    loaders = {
        "binary_classification": load_breast_cancer,
        "multiclass_classification": load_wine,
        "regression": load_diabetes,
    }
    bunch = loaders[task](as_frame=True)
    frame = bunch.frame.rename(columns={"target": TARGET}).sample(frac=1, random_state=0)
    frame = frame.head(_N_ROWS).reset_index(drop=True)
    if task != "regression":
        frame[TARGET] = [str(bunch.target_names[code]) for code in frame[TARGET]]
    return _add_kinds(frame, list(bunch.feature_names))


def _add_kinds(frame: "DataFrame", features: list[str]) -> "DataFrame":
    import pandas as pd

    first, second, third, fourth = features[:4]
    ranks = frame[first].rank(pct=True)
    frame["a category"] = pd.cut(ranks, [0, 0.2, 0.5, 0.8, 1], labels=["d", "c", "b", "a"]).astype(
        str
    )
    frame["a boolean"] = frame[second] > frame[second].median()
    days = pd.to_timedelta((frame[third].rank() * 3).round(), unit="D")
    frame["a date"] = pd.Timestamp("2019-12-30") + days
    frame.loc[frame.index % 7 == 0, fourth] = None
    frame.loc[frame.index % 11 == 0, "a category"] = None
    return frame
