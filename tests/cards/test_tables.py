import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_agent.cards.tables import check_has_columns, drop_unlabelled, read_table
from automl_agent.errors import InputError

CSV = b"a,b\n1,x\n2,y\n"


@pytest.mark.parametrize(
    "name", ["t.csv", "t.CSV", "t.tsv", "t.txt", "t.data", "adult.v2.csv", "t.csv.old"]
)
def test_a_csv_file_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CSV)
    assert read_table(tmp_path / name).to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}


@pytest.mark.parametrize("name", ["t.parquet", "t.pq", "t.PARQUET"])
def test_a_parquet_file_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    frame.to_parquet(tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), frame)


def test_a_named_index_of_a_parquet_file_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [7, 8], "a": [1, 2]})
    frame.set_index("id").to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), frame)


def test_an_index_without_a_name_is_forgotten(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}, index=[7, 8]).to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), pd.DataFrame({"a": [1, 2]}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty; give a table with a header and rows."),
        ("t.csv", b"a,b\n", "has a header but no rows; give a table with rows."),
        (
            "t.xlsx",
            CSV,
            "is not a table that can be read; its name must end in "
            ".csv, .tsv, .txt, .data, .parquet, .pq.",
        ),
        (
            "t",
            CSV,
            "is not a table that can be read; its name must end in "
            ".csv, .tsv, .txt, .data, .parquet, .pq.",
        ),
    ],
    ids=["empty", "header only", "another kind", "no suffix"],
)
def test_a_file_without_a_table_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value) == f"{path} {message}"


@pytest.mark.parametrize(
    "content", [CSV, b"PAR1" + bytes(100) + b"PAR1", b"P"], ids=["csv", "fake", "one byte"]
)
def test_a_file_that_only_calls_itself_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not a Parquet file that can be read (")
    assert "\n" not in message


def test_a_parquet_file_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(InputError, match="is not a Parquet file that can be read"):
        read_table(path)


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": []}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="has a header but no rows"):
        read_table(tmp_path / "t.parquet")


def test_a_directory_is_refused_with_the_tables_in_it(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "notes.md"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        read_table(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is a directory; give a CSV or Parquet file. It holds a.parquet, b.csv."
    )


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "adult.csv").touch()
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "adlut.csv")
    assert str(caught.value) == (
        f"There is no file {tmp_path / 'adlut.csv'}. Did you mean 'adult.csv'?"
    )


@pytest.mark.parametrize("name", ["wine.csv", "folder/wine.csv", "wine\x00.csv"])
def test_a_missing_file_without_a_near_name_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / name)
    assert str(caught.value) == (
        f"There is no file {tmp_path / name}. Say where it lies, with its whole path."
    )


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"{'predict the income of everybody ' * 20}.csv"
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value) == f"{path} cannot be read (File name too long)."


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(InputError, match="is not a regular file; give a CSV or Parquet file"):
        read_table(tmp_path / "t.csv")


@contextmanager
def plain_user() -> Iterator[None]:
    """Be nobody for a while, as the superuser may read every file."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_that_may_not_be_read_is_told(name: str) -> None:
    # Not tmp_path: only its owner may enter the folders above it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = Path(folder) / name
        pd.DataFrame({"a": [1]}).to_parquet(path)
        path.chmod(0)
        with plain_user(), pytest.raises(InputError) as caught:
            read_table(path)
        assert str(caught.value) == f"{path} may not be read; check its permissions."


def test_a_file_in_a_folder_that_may_not_be_entered_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(CSV)
    tmp_path.chmod(0)
    with plain_user(), pytest.raises(InputError) as caught:
        read_table(path)
    tmp_path.chmod(0o700)
    assert str(caught.value) == f"{path} cannot be read (Permission denied)."


def test_rows_without_a_label_are_dropped() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "y": ["x", None, "z"]})
    expected = pd.DataFrame({"a": [1, 3], "y": ["x", "z"]})
    pd.testing.assert_frame_equal(drop_unlabelled(frame, "y"), expected)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["agee"], "T has no column 'agee'. Did you mean 'age'?"),
        (["AGE"], "T has no column 'AGE'. Did you mean 'age'?"),
        (["zzz", "age"], "T has no column 'zzz'. Available: age, double, income."),
        (
            [f"zzz{i}" for i in range(7)],
            "T has no column 'zzz0', 'zzz1', 'zzz2', 'zzz3', 'zzz4' and 2 more. "
            "Available: age, double, income.",
        ),
        (["double"], "T has 2 columns named 'double'; rename them."),
    ],
    ids=["near", "case", "far", "many", "twice"],
)
def test_columns_that_are_missing_or_double_are_told(names: list[str], message: str) -> None:
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["age", "income", "double", "double"])
    with pytest.raises(InputError) as caught:
        check_has_columns(frame, names, source="T")
    assert str(caught.value) == message
