"""Files: trees that are hard to remove, other runs, labels, and disks that hide."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from automl_agent.sandboxes.docker.disk import measure_folder
from automl_agent.sandboxes.docker.policy import Policy, default_policy
from automl_agent.sandboxes.docker.specification import build_specification
from automl_agent.sandboxes.folders import remove_tree

from .conftest import Arena

if TYPE_CHECKING:
    from automl_agent.sandboxes.step import Step

pytestmark = [pytest.mark.hostile, pytest.mark.docker]

DEEP = """\
import os, time
os.chdir(os.environ["AUTOML_OUT"])
for _ in range(5000):
    os.mkdir("d" * 255)
    os.chdir("d" * 255)
os.chmod(".", 0)
time.sleep(60)
"""


def test_5000_nested_folders_end_the_step_and_can_be_removed(arena: Arena) -> None:
    step = arena.start({"attack.py": DEEP})
    end = arena.run(step, "attack.py", time_limit_s=10)
    step.close()
    assert end.status == "disk"
    remove_tree(end.folder)
    assert not end.folder.exists()


def test_what_is_written_stays_below_the_limit_and_what_a_second_brings(arena: Arena) -> None:
    script = """\
import os
block = os.urandom(2**20)
for n in range(10**6):
    with open(f"{os.environ['AUTOML_OUT']}/{n}", "wb") as file: file.write(block)
"""
    started = time.monotonic()
    step = arena.start({"attack.py": script}, max_out_bytes=64 * 2**20)
    end = arena.run(step, "attack.py", time_limit_s=20)
    step.close()
    assert end.status == "disk"
    assert time.monotonic() - started < 18
    found = measure_folder(end.folder, max_files=10**6, max_depth=9)
    # Three seconds at 1 GiB/s.
    assert 64 * 2**20 < found.n_bytes < 3 * 2**30


def test_a_step_sees_nothing_of_another(arena: Arena) -> None:
    secret = "import os\nopen(os.environ['AUTOML_OUT'] + '/marker-of-one', 'w').write('x')"
    search = """\
import os
found = [os.path.join(f, n) for f, _, names in os.walk("/") for n in names if "marker-of" in n]
print(found)
raise SystemExit(len(found))
"""
    first = arena.start({"attack.py": secret})
    second = arena.start({"attack.py": search, "mark.py": secret})
    marked = arena.run(first, "attack.py")
    path = marked.folder / "marker-of-one"
    assert path.exists()
    probe = f"import os\nraise SystemExit(int(os.path.exists({str(path)!r})))"
    assert arena.run(second, "attack.py").exit_code == 0
    # The search finds what is there.
    assert arena.run(second, "mark.py").status == "ok"
    assert arena.run(second, "attack.py").exit_code == 1
    third = arena.start({"attack.py": probe})
    assert arena.run(third, "attack.py").exit_code == 0


def test_what_a_step_left_is_not_there_in_the_next(arena: Arena) -> None:
    plant = """\
import os
for path in ("/tmp/evil.py", "/tmp/.bashrc", "/dev/shm/evil"): open(path, "w").write("x")
os.mkdir("/tmp/hidden", 0)
"""
    look = """\
import os
raise SystemExit(len(os.listdir("/tmp")) + len(os.listdir("/dev/shm")))
"""
    assert arena.attack(plant).status == "ok"
    end = arena.attack(look)
    assert (end.status, end.exit_code) == ("ok", 0)


def test_only_what_was_put_there_is_below_in(arena: Arena) -> None:
    script = """\
import os
found = sorted(os.path.join(f, n) for f, _, names in os.walk("/in") for n in names)
print(found)
raise SystemExit(found != ["/in/jobs/0001.json", "/in/runner.json"])
"""
    end = arena.attack(script)
    assert end.status == "ok", end.message


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_folders_that_hide_what_is_in_them_are_counted(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents):
        if len(parent.parts) > 2:
            parent.chmod(0o711)
    out = tmp_path / "out"
    (out / "hidden").mkdir(parents=True)
    (out / "hidden" / "large").write_bytes(b"x" * 2**20)
    os.chown(out, 65534, 65534)
    os.chown(out / "hidden", 65534, 65534)
    (out / "hidden").chmod(0)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            hidden = measure_folder(out, max_files=10, max_depth=5).n_unreadable == 1
            out.chmod(0)
            locked = measure_folder(out, max_files=10, max_depth=5).n_unreadable == 1
            code = 0 if hidden and locked else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_no_policy_is_for_root_and_none_has_words_for_more() -> None:
    for user_id, group_id in ((0, 0), (0, 1), (1, 0)):
        with pytest.raises(ValueError, match="never runs as root"):
            Policy(user_id, group_id)
    with pytest.raises(ValueError, match="never runs as root"):
        replace(default_policy(), user_id=0)
    more = {"privileged", "devices", "mounts", "volumes", "network", "cap_add", "pid_mode", "ports"}
    assert not more & set(Policy.__dataclass_fields__)


def test_no_field_of_a_step_reaches_the_containers_settings_as_more_than_a_text(
    arena: Arena,
) -> None:
    step: Step = arena.start({})
    step.close()
    (found,) = arena.find_containers()
    names = set(build_specification.__kwdefaults__)
    assert not {"privileged", "mounts", "network"} & names
    assert found["HostConfig"] == {"NetworkMode": "none"}
    assert {(m["Destination"], m["RW"]) for m in found["Mounts"]} >= {
        ("/in", False),
        ("/out", True),
    }
