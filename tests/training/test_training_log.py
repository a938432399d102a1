"""Reading what a script wrote: no byte of it is trusted, and nothing valid is lost."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.cards.documents import validator
from automl_agent.errors import SandboxError
from automl_agent.sandboxes.untrusted import read_tail, read_untrusted
from automl_agent.training import training_log
from automl_agent.training.training_log import (
    LogRecord,
    LogTail,
    best_step,
    parse_records,
    read_log,
    read_predictions,
)

RECORD = {
    "step": 3,
    "epoch": 0.5,
    "split": "valid",
    "metrics": {"log_loss": 0.25, "roc_auc": 1},
    "time_s": 1.5,
}
PARSED = LogRecord(3, "valid", {"log_loss": 0.25, "roc_auc": 1}, 1.5)

finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
records = st.fixed_dictionaries(
    {
        "step": st.integers(0, training_log.MAX_STEP),
        "epoch": st.none() | finite,
        "split": st.sampled_from(["train", "valid"]),
        "metrics": st.dictionaries(st.text(max_size=5), finite, min_size=1, max_size=3),
        "time_s": st.floats(0, 1e9),
    }
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for files that are written anew for each example."""
    return tmp_path_factory.mktemp("scratch")


def dump(*documents: object) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(content: bytes) -> None:
    assert all(isinstance(record, LogRecord) for record in parse_records(content))


@given(st.lists(st.binary(max_size=30) | records, max_size=6))
def test_valid_records_survive_any_bytes_around_them(parts: list[bytes | dict[str, Any]]) -> None:
    lines = [part if isinstance(part, bytes) else dump(part).strip() for part in parts]
    expected = [
        LogRecord(part["step"], part["split"], part["metrics"], part["time_s"])
        for part in parts
        if not isinstance(part, bytes)
    ]
    assert list(parse_records(b"\n".join(lines))) == expected


@given(st.dictionaries(st.sampled_from([*RECORD, "more"]), json_values))
def test_a_line_is_a_record_exactly_if_it_fits_the_schema(changes: dict[str, object]) -> None:
    document = {**RECORD, **changes}
    is_record = bool(list(parse_records(dump(document))))
    assert is_record == validator("training_log").is_valid(document)


NO_RECORDS = {
    "a number": 1,
    "nothing": {},
    "a field missing": {key: value for key, value in RECORD.items() if key != "epoch"},
    "a field more": {**RECORD, "note": "x"},
    "a negative step": {**RECORD, "step": -1},
    "half a step": {**RECORD, "step": 1.5},
    "a true step": {**RECORD, "step": True},
    "a step beyond all counting": {**RECORD, "step": 10**400},
    "another split": {**RECORD, "split": "test"},
    "a split that is a list": {**RECORD, "split": ["valid"]},
    "no metrics": {**RECORD, "metrics": {}},
    "a metric that is NaN": {**RECORD, "metrics": {"rmse": float("nan")}},
    "a metric that is infinite": {**RECORD, "metrics": {"rmse": float("inf")}},
    "a metric that no float can hold": {**RECORD, "metrics": {"rmse": 10**400}},
    "a metric that is a text": {**RECORD, "metrics": {"rmse": "1"}},
    "a metric that is true": {**RECORD, "metrics": {"rmse": True}},
    "time before the start": {**RECORD, "time_s": -1},
}


@pytest.mark.parametrize("document", NO_RECORDS.values(), ids=NO_RECORDS)
def test_what_is_no_record_is_left_out(document: object) -> None:
    assert list(parse_records(dump(document, RECORD))) == [PARSED]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"step": ' + b"9" * 5000 + b"}", id="more digits than Python reads"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b'{"step": 1, "step"', id="half a line"),
    ],
)
def test_a_line_that_is_no_json_is_left_out(line: bytes) -> None:
    assert list(parse_records(line + b"\n" + dump(RECORD))) == [PARSED]


def test_a_step_that_json_writes_as_a_float_is_whole() -> None:
    (record,) = parse_records(dump({**RECORD, "step": 3.0}))
    assert record == PARSED
    assert isinstance(record.step, int)


def test_the_best_step_is_that_of_the_best_validation_metric() -> None:
    log = [
        LogRecord(1, "valid", {"auc": 0.7, "loss": 0.5}, 0),
        LogRecord(2, "valid", {"auc": 0.9, "loss": 0.4}, 0),
        LogRecord(3, "train", {"auc": 1.0, "loss": 0.1}, 0),
        LogRecord(4, "valid", {"auc": 0.9, "loss": 0.3}, 0),
        LogRecord(5, "valid", {"auc": 0.8}, 0),
    ]
    # Of two equal ones the earlier: it is cheaper.
    assert best_step(log, "auc", greater_is_better=True) == 2
    assert best_step(log, "loss", greater_is_better=False) == 4
    assert best_step(log, "rmse", greater_is_better=False) is None
    assert best_step([], "auc", greater_is_better=True) is None


def test_a_log_that_grows_is_read_line_by_line_each_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    tail = LogTail(path)
    assert tail.read_new() == []
    line = dump(RECORD)
    with path.open("wb", buffering=0) as log:
        log.write(line + line[:10])
        assert tail.read_new() == [PARSED]
        assert tail.read_new() == []
        log.write(line[10:-1])
        assert tail.read_new() == []
        log.write(b"\n" + line + line[:-1])
        assert tail.read_new() == [PARSED, PARSED]
    assert list(tail.read_rest()) == [PARSED]
    assert list(tail.read_rest()) == tail.read_new() == []
    assert read_log(path) == [PARSED] * 4


@given(st.lists(st.integers(1, 300), max_size=20))
def test_wherever_a_log_is_cut_no_record_is_lost(scratch: Path, cuts: list[int]) -> None:
    content = dump(*({**RECORD, "step": step} for step in range(5)))
    path = scratch / "log.jsonl"
    tail = LogTail(path)
    found: list[LogRecord] = []
    for cut in sorted(cuts):
        path.write_bytes(content[:cut])
        found += tail.read_new()
    path.write_bytes(content)
    found += tail.read_rest()
    assert [record.step for record in found] == list(range(5))


NO_FILES = {
    "missing": lambda path: None,
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_of_its_own_has_no_records_no_text_and_no_predictions(
    tmp_path: Path, make: Any
) -> None:
    path = tmp_path / "file"
    make(path)
    n_open = len(list(Path("/dev/fd").iterdir()))
    assert read_log(path) == []
    assert read_tail(path) == ""
    with pytest.raises(SandboxError, match="no predictions that can be read"):
        read_predictions(path, n_rows=1, n_classes=None)
    assert len(list(Path("/dev/fd").iterdir())) == n_open


def test_a_device_is_not_read() -> None:
    with pytest.raises(OSError, match="zero is not a regular file"):
        read_untrusted(Path("/dev/zero"), max_bytes=2**20)


def test_a_file_in_a_folder_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "log").write_bytes(dump(RECORD))
    (tmp_path / "link").symlink_to("real")
    assert read_log(tmp_path / "real" / "log") == [PARSED]
    assert read_log(tmp_path / "link" / "log") == []


def test_a_file_is_read_up_to_its_largest_size_and_from_where_one_says(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert read_untrusted(path, max_bytes=10) == b"0123456789"
    assert read_untrusted(path, max_bytes=10, start=7) == b"789"
    assert read_untrusted(path, max_bytes=10, start=10) == b""
    with pytest.raises(OSError, match="file is larger than 9 bytes"):
        read_untrusted(path, max_bytes=9)


def test_the_tail_is_the_end_of_the_text_with_strange_bytes_escaped(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_bytes(b"x" * 5000 + b" \xff\n")
    assert read_tail(path) == "x" * 4093 + " \\xff"
    assert read_tail(path, n_bytes=10) == "x" * 7 + " \\xff"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a script writes its predictions."""
    return tmp_path / "predictions.npy"


def test_probabilities_are_read_and_made_to_sum_to_one(path: Path) -> None:
    np.save(path, np.array([[0.25, 0.75], [0.5004, 0.5]], dtype="float32"))
    read = read_predictions(path, n_rows=2, n_classes=2)
    assert read.dtype == np.float64
    assert read.sum(axis=1).tolist() == [1.0, 1.0]
    # The first row was exact; the second is divided by its sum, 1.0004, known in float32.
    np.testing.assert_allclose(read, [[0.25, 0.75], [0.50020, 0.49980]], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int32", "uint8"])
def test_values_of_every_kind_of_number_are_read_as_float64(path: Path, dtype: str) -> None:
    np.save(path, np.array([3, 0, 100], dtype=dtype))
    read = read_predictions(path, n_rows=3, n_classes=None)
    assert (read.tolist(), read.dtype) == ([3.0, 0.0, 100.0], np.float64)


WRONG_VALUES = {
    "too few rows": (np.zeros(2), r"shape \(2,\); needed is \(3,\)"),
    "a column too many": (np.zeros((3, 1)), r"shape \(3, 1\); needed is \(3,\)"),
    "a single number": (np.float64(1), r"shape \(\); needed is \(3,\)"),
    "NaN": (np.array([1, np.nan, 2]), "not all finite"),
    "infinite": (np.array([1, np.inf, 2]), "not all finite"),
    "beyond float64": (
        np.array([1, 2, 3], np.longdouble) * np.longdouble(2) ** 2000,
        "not all fin",
    ),
    "texts": (np.array(["a", "b", "c"]), "not numbers but <U1"),
    "complex": (np.ones(3, dtype=complex), "not numbers but complex128"),
    "true and false": (np.ones(3, dtype=bool), "not numbers but bool"),
    "times": (np.zeros(3, dtype="datetime64[s]"), "not numbers but datetime64"),
    "records": (np.zeros(3, dtype=[("a", "f8")]), "not numbers but"),
}


@pytest.mark.parametrize(("values", "message"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_wrong_values_are_refused(path: Path, values: Any, message: str) -> None:
    np.save(path, values)
    with pytest.raises(SandboxError, match=message):
        read_predictions(path, n_rows=3, n_classes=None)


WRONG_PROBABILITIES = {
    "a sum of 0.9": [[0.5, 0.4]],
    "a sum of 1.01": [[0.5, 0.51]],
    "nothing but zeros": [[0.0, 0.0]],
    "a negative one": [[-0.5, 1.5]],
    "logits": [[3.0, -1.0]],
}


@pytest.mark.parametrize("rows", WRONG_PROBABILITIES.values(), ids=WRONG_PROBABILITIES)
def test_rows_that_are_no_probabilities_are_refused(path: Path, rows: list[list[float]]) -> None:
    np.save(path, np.array([[0.5, 0.5], *rows]))
    with pytest.raises(SandboxError, match="not probabilities"):
        read_predictions(path, n_rows=2, n_classes=2)


class Bomb:
    """Unpickling it makes a folder."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["AUTOML_AGENT_HOME"] + "/exploded",)


def save_bomb(path: Path) -> None:
    np.save(path, np.array([Bomb()], dtype=object), allow_pickle=True)


def save_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, predictions=np.zeros(1))


def save_bytes(content: bytes) -> Any:
    return lambda path: path.write_bytes(content)


def forge_header(header: str) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


NO_PREDICTIONS = {
    "objects": save_bomb,
    "an archive": save_archive,
    "a broken archive": save_bytes(b"PK\x03\x04 and no more"),
    "a pickle": save_bytes(b"\x80\x04K\x01."),
    "nothing": save_bytes(b""),
    "a header without numbers": save_bytes(
        forge_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}")
    ),
    "more numbers than any memory": save_bytes(
        forge_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}")
    ),
    "a negative shape": save_bytes(
        forge_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}")
    ),
    "a header that is no dictionary": save_bytes(forge_header("[1, 2")),
    "a header of an odd type": save_bytes(
        forge_header("{'descr': '((', 'fortran_order': False, 'shape': (1,)}")
    ),
    "a file of holes": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 2**40),
}


@pytest.mark.parametrize("save", NO_PREDICTIONS.values(), ids=NO_PREDICTIONS)
def test_what_is_no_array_of_numbers_is_refused_unopened(path: Path, home: Path, save: Any) -> None:
    save(path)
    with pytest.raises(SandboxError, match="no predictions that can be read"):
        read_predictions(path, n_rows=1, n_classes=None)
    assert not (home / "exploded").exists()


@given(st.data())
def test_no_change_of_a_file_makes_anything_but_a_refusal(
    scratch: Path, data: st.DataObject
) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([0.25, 0.5, 0.125]))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 80))] = data.draw(st.integers(0, 255))
    path = scratch / "predictions.npy"
    path.write_bytes(content)
    try:
        read = read_predictions(path, n_rows=3, n_classes=None)
    except SandboxError:
        return
    assert read.shape == (3,)
    assert np.isfinite(read).all()
