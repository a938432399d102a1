"""What scripts are given: typed tables with ids for columns, and no held-out label anywhere."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from automl_agent.cards.data_card import SplitRule
from automl_agent.cards.metric import Task
from automl_agent.cards.profile import profile_table
from automl_agent.cards.tables import encode_labels
from automl_agent.errors import InputError
from automl_agent.testing.tables import TARGET, load_example
from automl_agent.training import dataset as dataset_module
from automl_agent.training.dataset import Dataset, column_ids, write_dataset

from .conftest import make_frame

LABELLED = ("train", "valid", "development")
FEATURES_ONLY = ("valid_features", "holdout_features")


def write_example(folder: Path, task: Task) -> tuple[Dataset, pd.DataFrame]:
    frame = load_example(task)
    card = profile_table(frame, target=TARGET, name="example", task=task)
    return write_dataset(frame, card, folder, seed=0), frame


def read_tables(dataset: Dataset) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in dataset.folder.iterdir()}


def test_there_are_five_tables_and_their_sizes_add_up(tmp_path: Path) -> None:
    dataset, frame = write_example(tmp_path, "multiclass_classification")
    sizes = {name: len(table) for name, table in read_tables(dataset).items()}
    n_valid, n_holdout = len(dataset.valid_labels), len(dataset.holdout_labels)
    assert sizes == {
        "train": dataset.n_train,
        "valid": n_valid,
        "development": dataset.n_development,
        "valid_features": n_valid,
        "holdout_features": n_holdout,
    }
    assert dataset.n_train + n_valid == dataset.n_development == len(frame) - n_holdout


def test_columns_have_ids_and_roles_have_types(tmp_path: Path) -> None:
    dataset, _ = write_example(tmp_path, "binary_classification")
    types = {
        "numeric": "double",
        "boolean": "double",
        "categorical": "string",
        "datetime": "timestamp[us]",
    }
    features = {f"c{i}": types[c.role] for i, c in enumerate(dataset.card.features)}
    assert set(types.values()) == set(features.values())
    for name in (*LABELLED, *FEATURES_ONLY):
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        found = {field.name: str(field.type).removeprefix("large_") for field in schema}
        assert found == features | ({"target": "int64"} if name in LABELLED else {})


def test_the_target_of_a_regression_is_a_float(tmp_path: Path) -> None:
    dataset, _ = write_example(tmp_path, "regression")
    assert read_tables(dataset)["train"]["target"].dtype == np.float64
    assert dataset.valid_labels.dtype == dataset.holdout_labels.dtype == np.float64


def test_the_rows_of_the_tables_are_those_of_the_parts(tmp_path: Path) -> None:
    frame = make_frame()
    card = profile_table(frame, target="label", name="x")
    dataset = write_dataset(frame, card, tmp_path, seed=0)
    tables = read_tables(dataset)
    codes = encode_labels(frame["label"], card)
    rows = {pair: row for row, pair in enumerate(zip(frame["size"], codes, strict=True))}

    def find(table: pd.DataFrame, labels: Iterable[int]) -> list[int]:
        return [rows[pair] for pair in zip(table["c0"], labels, strict=True)]

    train = find(tables["train"], tables["train"]["target"])
    valid = find(tables["valid"], tables["valid"]["target"])
    holdout = find(tables["holdout_features"], dataset.holdout_labels)
    assert find(tables["development"], tables["development"]["target"]) == sorted(train + valid)
    assert find(tables["valid_features"], dataset.valid_labels) == valid
    assert sorted(train + valid + holdout) == list(frame.index)


def test_no_byte_of_a_file_has_a_held_out_label(tmp_path: Path) -> None:
    # Every target is a number of its own whose eight bytes would be found where they are written.
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=200), "y": random.normal(size=200)})
    card = profile_table(frame, target="y", name="random")
    dataset = write_dataset(frame, card, tmp_path, seed=0)
    contents = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}

    def count(labels: np.ndarray, name: str) -> int:
        return sum(label.tobytes() in contents[name] for label in labels)

    assert count(dataset.valid_labels, "valid") == len(dataset.valid_labels)  # the search works
    found = {name: count(dataset.holdout_labels, name) for name in contents}
    assert found == dict.fromkeys((*LABELLED, *FEATURES_ONLY), 0)
    assert count(dataset.valid_labels, "valid_features") == 0


def test_no_name_of_a_users_table_or_class_is_in_a_file(tmp_path: Path) -> None:
    frame = make_frame().rename(columns={"size": "SECRET COLUMN"})
    frame["label"] = "SECRET " + frame["label"]
    frame.attrs["note"] = "SECRET NOTE"
    frame.index = pd.Index(range(len(frame)), name="SECRET INDEX")
    write_dataset(frame, profile_table(frame, target="label", name="x"), tmp_path, seed=0)
    contents = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(contents) == 5
    assert all(b"c0" in content for content in contents)
    assert not any(b"SECRET" in content for content in contents)


def test_held_out_rows_of_their_own_leave_all_others_for_training(tmp_path: Path) -> None:
    frame = make_frame(100)
    card = profile_table(frame.head(60), target="label", name="x")
    holdout = frame.tail(40)[["label", "is_old", "color", "size"]]  # in another order
    dataset = write_dataset(frame.head(60), card, tmp_path, seed=0, holdout=holdout)
    tables = read_tables(dataset)
    assert dataset.n_development == 60
    assert dataset.holdout_labels.tolist() == encode_labels(holdout["label"], card).tolist()
    assert tables["holdout_features"]["c0"].tolist() == holdout["size"].tolist()
    assert list(tables["holdout_features"].columns) == ["c0", "c1", "c2"]


def test_a_held_out_class_that_training_does_not_have_is_an_error(tmp_path: Path) -> None:
    frame = make_frame()
    card = profile_table(frame, target="label", name="x")
    with pytest.raises(InputError, match="'maybe', which the training data does not have"):
        write_dataset(frame, card, tmp_path, seed=0, holdout=frame.assign(label="maybe"))


def test_an_index_with_repetitions_changes_nothing(tmp_path: Path) -> None:
    frame = make_frame()
    card = profile_table(frame, target="label", name="x")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = write_dataset(frame, card, tmp_path / "a", seed=0)
    repeated = frame.set_axis([0, 1] * 30)
    other = write_dataset(repeated, card, tmp_path / "b", seed=0)
    assert other.split_fingerprint == plain.split_fingerprint
    for name, table in read_tables(plain).items():
        pd.testing.assert_frame_equal(table, read_tables(other)[name])


def test_the_seed_decides_the_division(tmp_path: Path) -> None:
    frame = make_frame()
    card = profile_table(frame, target="label", name="x")
    fingerprints = []
    for number, seed in enumerate((1, 1, 2)):
        (tmp_path / str(number)).mkdir()
        dataset = write_dataset(frame, card, tmp_path / str(number), seed=seed)
        fingerprints.append(dataset.split_fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_categories_are_those_of_rows_with_labels(tmp_path: Path) -> None:
    # Ordered by time the last fifth is held out, and with it the color that only it has.
    frame = make_frame(100).assign(day=range(100))
    frame.loc[90:, "color"] = "purple"
    frame.loc[:5, "color"] = None
    split = SplitRule("time", "day")
    card = profile_table(frame, target="label", name="x", split=split)
    dataset = write_dataset(frame, card, tmp_path, seed=0)
    assert dataset.categories == {"color": ["blue", "green", "red"]}


def test_the_categories_of_a_column_with_very_many_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_module, "_MAX_LISTED_CATEGORIES", 2)
    frame = make_frame()
    dataset = write_dataset(frame, profile_table(frame, target="label", name="x"), tmp_path, seed=0)
    assert dataset.categories == {}


def test_column_ids_follow_the_order_of_the_columns() -> None:
    frame = pd.DataFrame({"b": [1], "a": [2]})
    assert column_ids(frame).to_dict("list") == {"c0": [1], "c1": [2]}
