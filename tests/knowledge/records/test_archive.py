"""Files of knowledge: what is written is read, and nothing else is."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.archive import (
    MAX_BYTES,
    VERSION,
    make_manifest,
    read_archive,
    write_archive,
)
from automl_agent.knowledge.records.record import CurvePoint, Record

from ..making import MANIFEST, make_known, make_record, rewrite, sort_records, write_lines

HEART, LUNG = make_known("heart"), make_known("lung")
numbers = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, 1e12)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
setting_values = names | numbers | st.integers(-(10**12), 10**12) | st.booleans()
curves = st.lists(st.builds(CurvePoint, st.integers(0, 2**53), numbers, positive), max_size=30)
records = st.builds(
    Record,
    card_id=st.sampled_from([HEART.card_id, LUNG.card_id]),
    expert=names,
    settings=st.dictionaries(names, setting_values, max_size=4),
    metric=st.just("log_loss"),
    scores=st.dictionaries(names, numbers, max_size=3).map(lambda more: {"log_loss": 0.5, **more}),
    curve=curves.map(tuple),
    n_steps=st.none() | st.integers(0, 2**53),
    seconds=positive,
    memory_mib=positive,
    n_splits=st.integers(1, 9),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two cards and three records."""
    found = tmp_path / "knowledge.jsonl.gz"
    kept = [make_record(HEART), make_record(LUNG), make_record(HEART, expert="linear", curve=())]
    write_archive(found, [HEART, LUNG], kept, MANIFEST)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(records, max_size=8))
def test_what_is_written_is_read(written: list[Record]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "knowledge.jsonl.gz"
        write_archive(file, [HEART, LUNG], written, MANIFEST)
        archive = read_archive(file)
    assert (archive.manifest, list(archive.cards.values())) == (MANIFEST, [HEART, LUNG])
    read = archive.records()
    assert sort_records(read) == sort_records(written)
    # 1, 1.0 and True are equal to Python and different settings.
    assert sorted(map(repr, read)) == sorted(map(repr, written))


def test_records_are_selected_and_counted(path: Path) -> None:
    archive = read_archive(path)
    assert archive.n_records == 3
    assert archive.records(expert="linear") == [make_record(HEART, expert="linear", curve=())]
    assert archive.records(card_ids=[LUNG.card_id]) == [make_record(LUNG)]
    assert archive.records(expert="linear", card_ids=[LUNG.card_id]) == []
    assert archive.count_records(HEART.card_id) == {"xgboost": 1, "linear": 1}
    assert archive.count_records() == {"xgboost": 2, "linear": 1}


def test_the_same_knowledge_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    archive = read_archive(path)
    again = tmp_path / "again.jsonl.gz"
    write_archive(again, archive.cards.values(), archive.records(), archive.manifest)
    assert again.read_bytes() == path.read_bytes()
    assert set(tmp_path.iterdir()) == {again, path}


def change_line(number: int, **changes: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda lines: lines[number].update(changes)


WRONG: list[Any] = [
    pytest.param(change_line(0, format=VERSION + 1), "upgrade it", id="a later format"),
    pytest.param(change_line(0, name="../x"), "its manifest is wrong", id="name"),
    pytest.param(change_line(0, created="soon"), "no date and time", id="created"),
    pytest.param(change_line(0, more=1), "its manifest is wrong", id="more in the manifest"),
    pytest.param(change_line(0, n_records=4), "tells of 2 cards and 4 records", id="records"),
    pytest.param(change_line(0, n_cards=3), "line 5 must have a card", id="cards"),
    pytest.param(change_line(1, settings=[{"a": [1]}]), "at /settings/0", id="settings"),
    pytest.param(lambda lines: lines[2]["card"].update(more=1), "'more' is unknown", id="card"),
    pytest.param(lambda lines: lines[2]["card"].pop("task"), "'task' is missing", id="no task"),
    pytest.param(change_line(2, origin=3), "its origin and family", id="origin"),
    pytest.param(change_line(3, card=HEART.card.to_json()), "which is missing", id="twice"),
    pytest.param(change_line(4, seconds=[float("nan")]), "NaN is no number", id="NaN"),
    pytest.param(change_line(4, values=[float("inf"), 1]), "Infinity is no number", id="inf"),
    pytest.param(change_line(4, seconds=[-1]), "line 5 .*at /seconds", id="negative"),
    pytest.param(change_line(4, seconds=[True]), "at /seconds: true", id="boolean"),
    pytest.param(change_line(4, seconds=[10**400]), "at /seconds", id="huge"),
    pytest.param(change_line(4, seconds=[1, 2]), "different length", id="one too many"),
    pytest.param(change_line(4, seconds=3), "is no block", id="no list"),
    pytest.param(change_line(4, settings=[9]), "is no block", id="no such settings"),
    pytest.param(change_line(4, settings=[-1]), "is no block", id="settings from the end"),
    pytest.param(change_line(4, n_points=[-1]), "is no block", id="fewer than no points"),
    pytest.param(change_line(4, n_splits=[0]), "at /n_splits", id="no splits"),
    pytest.param(change_line(4, scores={}), "at /scores", id="no scores"),
    pytest.param(change_line(4, metric="rmse"), "at /metric: must be one of", id="metric"),
    pytest.param(change_line(4, code="import os"), "unknown", id="unknown field"),
    pytest.param(change_line(4, card_id="0" * 16), "which is missing", id="card of a record"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_line_that_does_not_fit_is_named(
    change: Callable[[list[dict[str, Any]]], object], message: str, path: Path
) -> None:
    rewrite(path, change)
    with pytest.raises(KnowledgeError, match=message) as caught:
        read_archive(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param('{"settings":[{"a":1e999}]}', "at /settings/0", id="beyond a float"),
        pytest.param('{"settings":[],"settings":[]}', "a field is there twice", id="twice"),
        pytest.param('{"settings":[{"a":"\\ud800"}]}', "not strict JSON", id="half a character"),
        pytest.param("[" * 100_000, "not strict JSON", id="deep"),
        pytest.param("[]", "is no object", id="list"),
        pytest.param('{"settings":[{"a":' + "9" * 5000 + "}]}", "not strict JSON", id="digits"),
    ],
)
def test_json_that_only_python_would_take_is_refused(line: str, message: str, path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[:-1]
    write_lines(path, [lines[0], line, *lines[2:]])
    with pytest.raises(KnowledgeError, match=message):
        read_archive(path)


def test_a_changed_byte_is_noticed(path: Path) -> None:
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content.replace(b'"n_splits":[1', b'"n_splits":[2', 1)))
    with pytest.raises(KnowledgeError, match=r"its checksum is not .* get the file again"):
        read_archive(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"id,target\n1,2\n", id="a table"),
        pytest.param(gzip.compress(b"id,target\n1,2\n"), id="a gzipped table"),
        pytest.param(gzip.compress(b""), id="gzipped nothing"),
        pytest.param(gzip.compress(os.urandom(5000))[:-900], id="half of a file"),
    ],
)
def test_what_is_no_knowledge_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "knowledge.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(KnowledgeError, match="get the file again"):
        read_archive(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"nowhere\.gz: cannot be read \(No such file"):
        read_archive(tmp_path / "nowhere.gz")


READ_SMALL = """
import sys
from pathlib import Path
from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.archive import read_archive

try:
    read_archive(Path(sys.argv[1]))
except KnowledgeError as exc:
    print(exc)
# Not ru_maxrss, in which the size of the process that started this one counts too.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)
"""


def test_a_bomb_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=9) as stream:
        for _ in range(1024):
            stream.write(bytes(2**20))
    assert path.stat().st_size < 2 * 2**20
    command = [sys.executable, "-c", READ_SMALL, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    message, peak_mib = done.stdout.strip().split("\n")
    assert f"holds more than {MAX_BYTES // 2**20} MiB" in message
    # Python and its imports take 60 MiB, the part that was read 64 MiB, once or twice.
    assert int(peak_mib) < 300


def test_a_record_that_does_not_fit_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "knowledge.jsonl.gz"
    with pytest.raises(KnowledgeError, match="at /seconds: NaN must be a number"):
        write_archive(path, [HEART], [make_record(HEART, seconds=float("nan"))], MANIFEST)
    with pytest.raises(KnowledgeError, match=f"the card {LUNG.card_id}, which is missing"):
        write_archive(path, [HEART], [make_record(LUNG)], MANIFEST)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_has_a_name_that_a_package_can_have() -> None:
    assert make_manifest("my-tables", "mine").created > MANIFEST.created
    with pytest.raises(KnowledgeError, match="'My Tables' is not small letters"):
        make_manifest("My Tables", "mine")


def test_ten_thousand_records_are_read_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "knowledge.jsonl.gz"
    known = [make_known(f"table {number}") for number in range(40)]
    curve = tuple(CurvePoint(step, 1 / (step + 3), step / 7) for step in range(1, 18))
    written = [
        replace(make_record(card, curve=curve), seconds=float(number))
        for card in known
        for number in range(250)
    ]
    write_archive(path, known, written, MANIFEST)
    times_s = []
    for _ in range(3):
        started = time.process_time()
        archive = read_archive(path)
        times_s.append(time.process_time() - started)
    assert archive.n_records == 10_000
    # 0.3 s on a machine of its own; other programs in the same core make it slower.
    assert min(times_s) < 1.0
    assert json.dumps(archive.records()[-1].to_json()) == json.dumps(written[-1].to_json())
