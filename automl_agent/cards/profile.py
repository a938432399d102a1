"""Measuring a data card from a table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import (
    Classes,
    Column,
    Continuous,
    DataCard,
    Hint,
    Known,
    SplitRule,
)
from automl_agent.cards.hints import find_class_hints, find_hints
from automl_agent.cards.metric import CLASSIFICATION, Task
from automl_agent.cards.roles import (
    count_distinct,
    describe_classes,
    describe_column,
    describe_values,
    infer_task,
)
from automl_agent.cards.tables import (
    check_has_columns,
    drop_unlabelled,
    encode_labels,
    type_features,
)
from automl_agent.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# Proper scores: they reward honest probabilities and means, not only the right side of 0.5.
DEFAULT_METRIC: dict[Task, str] = {
    "binary_classification": "log_loss",
    "multiclass_classification": "log_loss",
    "regression": "rmse",
}
MIN_ROWS = 20
# Leaks and repetitions show in so many rows as well as in all.
_MAX_MEASURED_ROWS = 100_000


def profile_table(
    frame: "DataFrame",
    *,
    target: str,
    name: str,
    description: str = "",
    task: Task | None = None,
    metric: str | None = None,
    split: SplitRule | None = None,
    drop: Sequence[str] = (),
) -> DataCard:
    """The data card of a table.

    drop: columns that are left out.
    Raises: InputError if the target is missing, has one value, or too few rows have a label.
    """
    frame = frame.rename(columns=str)
    split_columns = [split.column] if split and split.column else []
    names = [target, *drop, *split_columns, *frame.columns]
    check_has_columns(frame, names, source="The table")
    if target in drop:
        raise InputError(f"The target {target!r} cannot be left out; choose another --target.")
    labelled = drop_unlabelled(frame, target)
    _check_can_be_learnt(labelled, target)
    real_task: Task = task or infer_task(labelled[target])
    columns = _describe_columns(labelled, target, drop)
    card = DataCard(
        name=name,
        description=description,
        input_type="tabular",
        task=real_task,
        target=target,
        label_space=_describe_labels(labelled[target], real_task),
        metric=metric or DEFAULT_METRIC[real_task],
        n_rows=len(labelled),
        n_features=sum(column.is_feature for column in columns),
        columns=columns,
        split=split or SplitRule("stratified" if real_task in CLASSIFICATION else "random"),
        provenance=_provenance(task=task, metric=metric, split=split, description=description),
    )
    if not card.features:
        raise InputError("The table has no column to learn from beside the target.")
    card = _measure(labelled, card)
    n_unlabelled = len(frame) - len(labelled)
    if n_unlabelled:
        text = f"Rows without a label in {target!r} are left out: {n_unlabelled}."
        card = replace(card, hints=(Hint("unlabelled_rows", text), *(card.hints or ())))
    return card


def _check_can_be_learnt(labelled: "DataFrame", target: str) -> None:
    import pandas as pd

    if len(labelled) < MIN_ROWS:
        raise InputError(
            f"Only {len(labelled)} rows have a label in {target!r}; at least {MIN_ROWS} are needed."
        )
    labels = labelled[target]
    if pd.api.types.is_datetime64_any_dtype(labels):
        raise InputError(
            f"The target {target!r} is a date; make it a number, such as days, or choose another "
            "--target."
        )
    if count_distinct(labels) < 2:
        value = labels.iloc[0]
        raise InputError(
            f"The target {target!r} is {value!r} in every row; there is nothing to learn. "
            "Choose another --target."
        )


def _describe_columns(frame: "DataFrame", target: str, drop: Sequence[str]) -> tuple[Column, ...]:
    names = [name for name in frame.columns if name != target and name not in drop]
    return tuple(describe_column(frame[name]) for name in names)


def _describe_labels(labels: "Series", task: Task) -> Classes | Continuous:
    if task not in CLASSIFICATION:
        return describe_values(labels)
    classes = describe_classes(labels)
    if len(classes.classes) > len(labels) / 2:
        raise InputError(
            f"The target {labels.name!r} has {len(classes.classes)} classes in {len(labels)} rows; "
            "there is nothing to learn. Choose another --target, or say --task regression."
        )
    if task == "binary_classification" and len(classes.classes) > 2:
        raise InputError(
            f"The target has {len(classes.classes)} classes, which is no binary classification; "
            "leave --task out, or say multiclass_classification."
        )
    return classes


def _measure(labelled: "DataFrame", card: DataCard) -> DataCard:
    import numpy as np

    labels = encode_labels(labelled[card.target], card)
    rows = np.arange(len(labelled))
    if len(rows) > _MAX_MEASURED_ROWS:
        random = np.random.default_rng(0)
        rows = np.sort(random.choice(rows, _MAX_MEASURED_ROWS, replace=False))
    typed = type_features(labelled.iloc[rows], card.features)
    space = card.label_space
    hints = find_hints(typed, card.columns or (), labels[rows], space)
    if card.split and card.split.kind == "time":
        hints = tuple(hint for hint in hints if hint.kind != "time_order")
    return replace(
        card,
        statistics=_measure_statistics(card),
        hints=(*find_class_hints(labels, space), *hints),
    )


def _measure_statistics(card: DataCard) -> dict[str, float]:
    """Meta-features that say how alike two data sets are."""
    import numpy as np

    features = card.features
    statistics = {
        "log10_rows": float(np.log10(card.n_rows or 1)),
        "n_numeric": sum(column.role in ("numeric", "datetime") for column in features),
        "n_categorical": sum(column.role in ("categorical", "boolean") for column in features),
        "missing_share": float(np.mean([column.missing_share or 0 for column in features])),
        "max_cardinality": max(
            (column.n_unique or 0 for column in features if column.role == "categorical"), default=0
        ),
    }
    if isinstance(card.label_space, Classes):
        shares = np.array(card.label_space.shares)
        statistics["class_entropy"] = float(-(shares * np.log(np.maximum(shares, 1e-12))).sum())
        statistics["min_class_share"] = float(shares.min())
    return {key: round(float(value), 6) for key, value in statistics.items()}


def _provenance(**stated: object) -> dict[str, Known]:
    known: dict[str, Known] = {
        "name": "inferred",
        "description": "inferred",
        "input_type": "measured",
        "task": "inferred",
        "target": "stated",
        "label_space": "measured",
        "metric": "inferred",
        "n_rows": "measured",
        "n_features": "measured",
        "columns": "measured",
        "statistics": "measured",
        "hints": "measured",
        "split": "inferred",
    }
    return known | {key: "stated" for key, value in stated.items() if value}
