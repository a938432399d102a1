"""What a script leaves as its results: links, pipes, forgeries, bombs. Nothing of it is trusted."""

import json
from pathlib import Path

import pytest

from automl_agent.errors import SandboxError
from automl_agent.sandboxes.step import Step
from automl_agent.training.training_log import iterate_log, read_log, read_predictions

from .conftest import Arena

pytestmark = [pytest.mark.hostile, pytest.mark.docker]

START = """\
import json, os, pathlib, socket, struct
out = pathlib.Path(os.environ["AUTOML_OUT"])
model = out / "model"
model.mkdir()
(model / "good.json").write_text("{}")
"""
REFUSED = {
    "a link to a file": "(model / 'model.json').symlink_to('/etc/passwd')",
    "a link to the environment": "(model / 'model.json').symlink_to('/proc/self/environ')",
    "a link upwards": "(model / 'up').symlink_to('..')",
    "a dangling link": "(model / 'model.json').symlink_to('nowhere')",
    "a hard link": "os.link(model / 'good.json', model / 'again.json')",
    "a socket": "socket.socket(socket.AF_UNIX).bind(str(model / 'model.json'))",
    "a sparse file": "os.truncate(model / 'good.json', 400 * 2**20)",
    "too many files": "[(model / f'{n}.json').touch() for n in range(1100)]",
    "too deep": "(model / 'a/b/c/d/e/f').mkdir(parents=True)",
    "a pickle": "(model / 'model.pkl').write_bytes(b'cos\\nsystem\\n(S\"touch /tmp/x\"\\ntR.')",
    "an archive": "(model / 'model.zip').write_bytes(b'PK')",
    "a tar": "(model / 'model.tar.gz').write_bytes(b'')",
    "a program": "(model / 'model').write_bytes(b'\\x7fELF')",
    "a script": "(model / 'model.py').write_text('')",
    "the folder is a link": "model.rename(out / 'real'); model.symlink_to('real')",
    "its parent is a link": "out.rename('/out/real'); out.symlink_to('real')",
    "the folder is a file": "(model / 'good.json').unlink(); model.rmdir(); model.touch()",
    "a forbidden name": "(model / '\\x1b]0;x\\x07.exe').touch()",
}


def collect(step: Step, arena: Arena, job_id: str) -> Path:
    destination = arena.folder / f"collected-{job_id}"
    step.collect(job_id, destination)
    return destination


@pytest.mark.parametrize("deed", REFUSED.values(), ids=list(REFUSED))
def test_a_model_that_is_more_than_files_is_refused(arena: Arena, deed: str) -> None:
    step = arena.start({"good.py": START, "attack.py": START + deed})
    good = arena.run(step, "good.py")
    end = arena.run(step, "attack.py")
    step.close()
    assert end.status in ("ok", "error")
    with pytest.raises(SandboxError) as caught:
        collect(step, arena, end.job_id)
    assert str(caught.value).isprintable()
    assert not (arena.folder / f"collected-{end.job_id}").exists()
    assert not (arena.folder / f"collected-{end.job_id}.partial").exists()
    assert [p.name for p in collect(step, arena, good.job_id).iterdir()] == ["good.json"]


def test_files_are_copied_byte_for_byte_and_none_is_parsed(arena: Arena) -> None:
    bombs = (
        START
        + """\
(model / "header.safetensors").write_bytes(struct.pack("<Q", 2**63 - 1) + b"{}")
(model / "deep.json").write_bytes(b"[" * 10**6)
(model / "long.ubj").write_bytes(b"[$d#L" + struct.pack(">q", 2**62))
(model / "gadget.skops").write_bytes(b"PK\\x03\\x04" + b"x" * 100)
"""
    )
    step = arena.start({"attack.py": bombs})
    end = arena.run(step, "attack.py")
    step.close()
    copied = collect(step, arena, end.job_id)
    originals = {path.name: path.read_bytes() for path in (end.folder / "model").iterdir()}
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == originals
    assert len(originals) == 5
    assert not [path for path in copied.iterdir() if path.stat().st_mode & 0o111]


def test_nothing_is_collected_while_the_container_runs(arena: Arena) -> None:
    swap = (
        START
        + """\
import threading
def swap():
    while True:
        os.rename(model, out / "away")
        os.symlink("/etc", model)
        os.unlink(model)
        os.rename(out / "away", model)
threading.Thread(target=swap, daemon=True).start()
import time
time.sleep(0.5)
os._exit(0)
"""
    )
    step = arena.start({"attack.py": swap})
    end = arena.run(step, "attack.py")
    with pytest.raises(SandboxError, match="after its end"):
        collect(step, arena, end.job_id)


OBJECTS = """\
import io, os, pathlib, struct
out = pathlib.Path(os.environ["AUTOML_OUT"])
def npy(descr, shape, body=b""):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\\n"
    return b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(header)) + header + body
pickle = b"cposix\\nsystem\\n(S'touch CANARY'\\ntR."
"""
BAD_PREDICTIONS = {
    "objects": "npy('|O', '(3,)', pickle)",
    "a bare pickle": "pickle",
    "a huge shape": "npy('<f8', '(10**15,)'.replace('10**15', str(10**15)))",
    "an overflowing shape": "npy('<f8', f'({2**62}, {2**62})')",
    "a negative shape": "npy('<f8', '(-3,)', bytes(24))",
    "code for a shape": "npy('<f8', '(__import__(\"os\").system(\"touch CANARY\"),)')",
    "infinite": "npy('<f8', '(3,)', struct.pack('<3d', 1.0, float('inf'), 2.0))",
    "texts": "npy('<U4', '(3,)', bytes(48))",
    "an endless header": "b'\\x93NUMPY\\x02\\x00' + struct.pack('<I', 2**32 - 1) + b'{' * 10**6",
    "a deep header": "b'\\x93NUMPY\\x02\\x00' + struct.pack('<I', 10**5) + b'(' * 10**5",
    "100 MiB": "npy('<f8', '(3,)', bytes(100 * 2**20))",
}


@pytest.mark.filterwarnings("ignore:Reading .npy:UserWarning")
@pytest.mark.parametrize("content", BAD_PREDICTIONS.values(), ids=list(BAD_PREDICTIONS))
def test_predictions_that_are_no_numbers_are_refused_and_run_nothing(
    arena: Arena, content: str
) -> None:
    canary = arena.folder / "unpickled"
    script = OBJECTS.replace("CANARY", str(canary))
    content = content.replace("CANARY", str(canary))
    good = script + "(out / 'predictions.npy').write_bytes(npy('<f8', '(3,)', bytes(24)))"
    step = arena.start(
        {"good.py": good, "attack.py": script + f"(out / 'predictions.npy').write_bytes({content})"}
    )
    good_end, end = arena.run(step, "good.py"), arena.run(step, "attack.py")
    step.close()
    assert end.status == "ok"
    with pytest.raises(SandboxError):
        read_predictions(end.folder / "predictions.npy", n_rows=3, n_classes=None)
    assert not canary.exists()
    values = read_predictions(good_end.folder / "predictions.npy", n_rows=3, n_classes=None)
    assert values.tolist() == [0, 0, 0]


@pytest.mark.parametrize("target", ["/etc/passwd", "/proc/self/environ", "/dev/zero"])
def test_predictions_and_logs_that_are_links_are_not_read(arena: Arena, target: str) -> None:
    end = arena.attack(
        "import os\n"
        f"os.symlink({target!r}, os.environ['AUTOML_OUT'] + '/predictions.npy')\n"
        f"os.symlink({target!r}, os.environ['AUTOML_OUT'] + '/training_log.jsonl')\n"
    )
    with pytest.raises(SandboxError):
        read_predictions(end.folder / "predictions.npy", n_rows=3, n_classes=None)
    assert list(read_log(end.folder / "training_log.jsonl")) == []


def test_no_pipe_can_be_made_at_which_a_reader_would_wait(arena: Arena) -> None:
    end = arena.attack("import os\nos.mkfifo(os.environ['AUTOML_OUT'] + '/predictions.npy')")
    assert "PermissionError" in end.message


FORGED = {"exit_code": 0, "seconds": 1, "max_rss_mib": 1, "start_delay_s": 0, "evidence": {}}
FORGERIES = {
    "no JSON": b"not json",
    "a number for an object": b"3",
    "doubled keys": b'{"status": "ok", "status": "ok"}',
    "an unknown status": json.dumps({**FORGED, "status": "perfect"}).encode(),
    "not a number": json.dumps({**FORGED, "status": "ok", "seconds": float("nan")}).encode(),
    "a huge number": b'{"status": "ok", "seconds": ' + b"9" * 5000 + b"}",
    "depth": b"[" * 100_000,
    "no UTF-8": b"\xff\xfe",
    "2 MiB": b" " * 2**21,
    "evidence as text": json.dumps({**FORGED, "status": "ok", "evidence": "x"}).encode(),
    "escape codes": json.dumps(
        {**FORGED, "status": "ok", "evidence": {"\x1b]52;c;eA==\x07": 1}}
    ).encode(),
}


@pytest.mark.parametrize("content", FORGERIES.values(), ids=list(FORGERIES))
def test_a_forged_end_of_a_job_is_refused(arena: Arena, content: bytes) -> None:
    script = f"""\
import os, time
with open("/out/forged", "wb") as file: file.write({content!r})
os.rename("/out/forged", "/out/0001.result.json")
time.sleep(60)
"""
    step = arena.start({"attack.py": script})
    with pytest.raises(SandboxError, match="cannot be read") as caught:
        arena.run(step, "attack.py")
    assert len(str(caught.value)) < 20_000
    assert str(caught.value).isprintable()


def test_an_end_that_was_forged_for_a_later_job_is_noticed(arena: Arena) -> None:
    forged = json.dumps({**FORGED, "status": "ok"})
    script = f"open('/out/0002.result.json', 'w').write({forged!r})"
    step = arena.start({"attack.py": script})
    assert arena.run(step, "attack.py").status == "ok"
    with pytest.raises(SandboxError, match="earlier job"):
        arena.run(step, "harmless.py")


@pytest.mark.parametrize("kind", ["os.symlink('/dev/zero', '{}')", "os.mkdir('{}')"])
def test_an_end_that_is_no_file_is_refused(arena: Arena, kind: str) -> None:
    deed = kind.format("/out/0001.result.json")
    step = arena.start({"attack.py": f"import os, time\n{deed}\ntime.sleep(60)"})
    with pytest.raises(SandboxError):
        arena.run(step, "attack.py")


def test_a_score_that_is_printed_counts_for_nothing(arena: Arena) -> None:
    end = arena.attack(
        'print(\'@@RESULT {"accuracy": 1.0}\')\nprint(\'{"status": "ok", "score": 1.0}\')'
    )
    assert end.status == "ok"
    assert end.message == ""
    assert not hasattr(end, "score")
    with pytest.raises(SandboxError):
        read_predictions(end.folder / "predictions.npy", n_rows=3, n_classes=None)


def test_modes_keep_the_agent_from_nothing(arena: Arena) -> None:
    script = (
        START
        + """\
os.chmod(model / "good.json", 0)
os.chmod(model, 0)
os.chmod(out, 0)
"""
    )
    step = arena.start({"attack.py": script})
    assert arena.run(step, "attack.py").status == "ok"
    assert arena.run(step, "harmless.py").status == "ok"


def test_a_log_of_64_mib_leaves_the_agent_small(arena: Arena) -> None:
    line = json.dumps(
        {"step": 1, "epoch": None, "split": "valid", "metrics": {"a": 0.5}, "time_s": 1.0}
    )
    script = f"""\
import os
block = ({line!r} + "\\n") * 10_000
with open(os.environ["AUTOML_OUT"] + "/training_log.jsonl", "w") as file:
    while file.tell() < 60 * 2**20: file.write(block)
"""
    end = arena.attack(script)
    assert end.status == "ok"
    assert sum(1 for _ in iterate_log(end.folder / "training_log.jsonl")) > 500_000
