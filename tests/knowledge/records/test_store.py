"""The machine's own knowledge: several writers, kills, damage, full and read-only disks."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_agent.cards.data_card import Column
from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.record import KnownCard
from automl_agent.knowledge.records.store import APPLICATION_ID, OWN, VERSION, KnowledgeStore

from ...conftest import execute
from ..making import make_known, make_record

HEART, LUNG = make_known("heart"), make_known("lung")
PATIENCE_S = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store lies."""
    return tmp_path / "knowledge" / "knowledge.sqlite"


@pytest.fixture
def store(path: Path) -> KnowledgeStore:
    """A store with two cards and three records."""
    made = KnowledgeStore(path)
    made.add(HEART, make_record(HEART))
    made.add(HEART, make_record(HEART, expert="linear"))
    made.add_all([LUNG], [make_record(LUNG)], source="imported clinic")
    return made


def test_what_is_added_is_read_by_another(store: KnowledgeStore, path: Path) -> None:
    other = KnowledgeStore(path)
    assert other.cards() == [HEART, LUNG]
    heart, linear, lung = make_record(HEART), make_record(HEART, expert="linear"), make_record(LUNG)
    assert other.records() == [heart, linear, lung]
    assert other.records([HEART.card_id]) == [heart, linear]
    assert other.records(expert="xgboost") == [heart, lung]
    assert other.records([LUNG.card_id], "linear") == []
    assert other.records([]) == []
    assert (other.records(source=OWN), other.cards(source=OWN)) == ([heart, linear], [HEART])
    assert other.count_records(HEART.card_id) == {"xgboost": 1, "linear": 1}
    assert [(p.source, p.expert, p.n_records) for p in other.summarise()] == [
        ("imported clinic", "xgboost", 1),
        (OWN, "linear", 1),
        (OWN, "xgboost", 1),
    ]
    assert store.warnings == other.warnings == []


def test_the_same_content_is_kept_once(store: KnowledgeStore) -> None:
    assert not store.add(HEART, make_record(HEART))
    assert store.add_all([LUNG], [make_record(LUNG)] * 2, source=OWN) == 0
    assert store.add(HEART, make_record(HEART, seconds=2.6))
    assert len(store.records()) == 4


def test_a_store_that_is_only_read_makes_no_file(path: Path) -> None:
    empty = KnowledgeStore(path)
    assert (empty.cards(), empty.records(), empty.summarise(), empty.count_bytes()) == (
        [],
        [],
        [],
        0,
    )
    assert empty.purge() == (0, 0)
    assert not path.parent.exists()


def test_it_is_marked_as_ours_and_logs_ahead(store: KnowledgeStore, path: Path) -> None:
    assert store.count_bytes() > 0
    assert execute(path, "PRAGMA journal_mode") == [("wal",)]
    assert execute(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert execute(path, "PRAGMA user_version") == [(VERSION,)]
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "known", [pytest.param(LUNG, id="another card"), pytest.param(HEART, id="NaN")]
)
def test_what_does_not_fit_is_not_added(known: KnownCard, path: Path) -> None:
    record = make_record(HEART, seconds=float("nan") if known is HEART else 1.0)
    store = KnowledgeStore(path)
    with pytest.raises(KnowledgeError, match=r"NaN must be a number|which is missing"):
        store.add_all([known], [make_record(known), record], source=OWN)
    assert store.records() == []


def test_text_that_is_no_text_is_refused(path: Path) -> None:
    odd = make_known(columns=(Column("\ud800", "numeric"),))
    with pytest.raises(KnowledgeError, match="text that cannot be kept"):
        KnowledgeStore(path).add(odd, make_record(HEART))


WRITER = """
import sys
from pathlib import Path
from tests.knowledge.making import make_known, make_record
from automl_agent.knowledge.records.store import KnowledgeStore

store, name = KnowledgeStore(Path(sys.argv[1])), sys.argv[2]
known = make_known(name)
for number in range(int(sys.argv[3])):
    store.add(known, make_record(known, seconds=float(number)))
    print(number, flush=True)
"""


def start_writer(path: Path, name: str, n_records: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(n_records)]
    root = Path(__file__).parents[3]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def test_several_programs_write_at_once(path: Path) -> None:
    writers = [start_writer(path, name, 20) for name in ("heart", "lung", "heart")]
    for writer in writers:
        writer.communicate(timeout=PATIENCE_S)
        assert writer.returncode == 0
    store = KnowledgeStore(path)
    assert {known.card.name for known in store.cards()} == {"heart", "lung"}
    # The two that wrote of hearts wrote the same.
    assert store.count_records(HEART.card_id) == {"xgboost": 20}
    assert store.count_records(LUNG.card_id) == {"xgboost": 20}


@pytest.mark.parametrize("n_told", [1, 7])
def test_a_killed_writer_leaves_all_that_it_had_added(path: Path, n_told: int) -> None:
    with start_writer(path, "heart", 1000) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(n_told)]
        os.kill(writer.pid, signal.SIGKILL)
        # `communicate` would pass over what reading lines has read ahead.
        told += map(int, writer.stdout.read().split())
        writer.wait(timeout=PATIENCE_S)
    n_added = told[-1] + 1
    store = KnowledgeStore(path)
    assert len(store.records()) - n_added in (0, 1)
    assert store.add(LUNG, make_record(LUNG))
    assert store.warnings == []


def test_threads_may_share_a_store(store: KnowledgeStore) -> None:
    def add(first: int) -> None:
        for number in range(first, first + 10):
            store.add(HEART, make_record(HEART, seconds=100.0 + number))

    threads = [threading.Thread(target=add, args=(10 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(store.records()) == 33


def fill_with_noise(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_pages(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))


@pytest.mark.parametrize("damage", [fill_with_noise, cut_in_half, spoil_pages])
def test_a_damaged_file_is_put_aside_and_work_goes_on(
    store: KnowledgeStore, path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    spoilt = path.read_bytes()
    reopened = KnowledgeStore(path)
    assert reopened.records() == []
    assert reopened.add(LUNG, make_record(LUNG))
    assert reopened.records() == [make_record(LUNG)]
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == spoilt
    (warning,) = reopened.warnings
    assert f"{path}: It was damaged and is put aside as {aside.name}" in warning
    # Another store that has read before goes on with the new file.
    assert store.records() == [make_record(LUNG)]
    assert store.warnings == []


def test_a_damaged_file_that_is_open_elsewhere_is_put_aside_with_its_log(
    store: KnowledgeStore, path: Path
) -> None:
    # As long as another program has the file open, the log stays.
    holder = sqlite3.connect(path)
    try:
        holder.execute("SELECT count(*) FROM records").fetchone()
        store.add(LUNG, make_record(LUNG, seconds=9.0))
        assert path.with_name(path.name + "-wal").stat().st_size > 0
        fill_with_noise(path)
        reopened = KnowledgeStore(path)
        reopened.add(HEART, make_record(HEART, seconds=5.0))
        assert reopened.records() == [make_record(HEART, seconds=5.0)]
        assert len(list(path.parent.glob("*.damaged-*-wal"))) == 1
    finally:
        holder.close()
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        pytest.param("PRAGMA application_id = 1", "of another program; move it", id="stranger"),
        pytest.param("PRAGMA user_version = 99", "upgrade this one", id="newer"),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(
    store: KnowledgeStore, path: Path, statement: str, message: str
) -> None:
    execute(path, statement)
    before = path.read_bytes()
    with pytest.raises(KnowledgeError, match=message):
        store.records()
    with pytest.raises(KnowledgeError, match=message):
        store.add(LUNG, make_record(LUNG))
    assert path.read_bytes() == before


def test_rows_that_were_tampered_with_are_left_out(store: KnowledgeStore, path: Path) -> None:
    document = {**make_record(HEART).to_json(), "seconds": -1}
    execute(path, f"UPDATE records SET record = '{json.dumps(document)}' WHERE expert = 'linear'")
    execute(path, "UPDATE cards SET card = '{}' WHERE name = 'lung'")
    reopened = KnowledgeStore(path)
    assert reopened.records() == [make_record(HEART), make_record(LUNG)]
    assert reopened.cards() == [HEART]
    assert len(reopened.warnings) == 2
    assert "1 records in it are spoilt" in reopened.warnings[0]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from tests.knowledge.making import make_known, make_record
from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.store import KnowledgeStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
store, known = KnowledgeStore(Path(sys.argv[1])), make_known("heart")
for number in range(1000):
    try:
        store.add(known, make_record(known, seconds=float(number)))
    except KnowledgeError as exc:
        print(number)
        print(exc)
        break
print(len(store.records()))
"""


def test_a_full_disk_is_named_and_loses_nothing(path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    n_added, message, n_read = done.stdout.strip().split("\n")
    assert "cannot be used" in message
    assert "the room on its disk" in message
    assert n_read == n_added
    store = KnowledgeStore(path)
    assert len(store.records()) == int(n_added) > 0
    assert store.warnings == []


READ_ONLY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.knowledge.making import make_known, make_record
from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.store import KnowledgeStore
import jsonschema, referencing  # before rights are given up

store, known = KnowledgeStore(Path(sys.argv[1])), make_known("heart")
make_record(known)
store.cards()
if os.geteuid() == 0:
    os.setuid(65534)
store = KnowledgeStore(Path(sys.argv[1]))
print(len(store.records()), len(store.cards()))
try:
    store.add(known, make_record(known, seconds=77.0))
except KnowledgeError as exc:
    print(exc)
"""


def test_where_nothing_can_be_written_knowledge_can_be_read(
    store: KnowledgeStore, path: Path
) -> None:
    assert len(store.records()) == 3
    path.chmod(0o444)
    path.parent.chmod(0o555)
    # pytest's folders are its user's only; another user has to get through them.
    opened = [p for p in path.parents if p.stat().st_uid == os.geteuid() and p != path.parent]
    modes = {p: p.stat().st_mode for p in opened}
    try:
        for folder, mode in modes.items():
            folder.chmod(mode | 0o111)
        root = Path(__file__).parents[3]
        command = [sys.executable, "-c", READ_ONLY, str(path), str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)
        path.parent.chmod(0o700)
    assert done.stderr == ""
    counts, message = done.stdout.strip().split("\n")
    assert counts == "3 2"
    assert "cannot be used" in message


@pytest.mark.parametrize(
    ("filters", "left", "counts"),
    [
        pytest.param({}, [], (3, 2), id="all"),
        pytest.param({"card": "heart"}, ["xgboost"], (2, 1), id="card"),
        pytest.param({"expert": "xgboost"}, ["linear"], (2, 1), id="expert"),
        pytest.param({"card": "heart", "expert": "linear"}, ["xgboost"] * 2, (1, 0), id="both"),
        pytest.param({"before": 1.0}, ["xgboost", "linear", "xgboost"], (0, 0), id="too early"),
        pytest.param({"before": 1e12}, [], (3, 2), id="later"),
    ],
)
def test_what_is_asked_for_is_removed(
    store: KnowledgeStore,
    filters: dict[str, object],
    left: list[str],
    counts: tuple[int, int],
) -> None:
    assert store.purge(**filters) == counts  # type: ignore[arg-type]
    assert [record.expert for record in store.records()] == left


def test_nothing_of_what_was_removed_is_left_on_the_disk(store: KnowledgeStore, path: Path) -> None:
    assert any(b"unmistakable_column" in file.read_bytes() for file in path.parent.iterdir())
    store.purge()
    assert not any(b"unmistakable_column" in file.read_bytes() for file in path.parent.iterdir())
