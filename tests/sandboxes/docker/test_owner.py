"""The owner of a container: when it is known to be gone, and when nobody can know."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from automl_agent.sandboxes.docker.owner import Owner, current_owner


def test_this_process_lives() -> None:
    assert not current_owner().is_dead()
    assert current_owner().pid == os.getpid()


def test_it_is_the_same_after_a_label_was_written_and_read() -> None:
    assert Owner.from_json(current_owner().to_json()) == current_owner()


def test_a_process_that_has_ended_is_dead_and_another_lives() -> None:
    code = (
        "from automl_agent.sandboxes.docker.owner import current_owner; import json\n"
        "print(json.dumps(current_owner().to_json()), flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    owner = Owner.from_json(json.loads(process.stdout.readline()))
    assert not owner.is_dead()
    process.kill()
    # Ended and not yet waited for: a zombie is dead, too.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owner.is_dead()
    process.communicate()
    assert owner.is_dead()


@pytest.mark.parametrize(
    ("changes", "is_dead"),
    [
        pytest.param({"start_ticks": "1"}, True, id="another process has its id now"),
        pytest.param({"boot_id": "another"}, True, id="the machine was started again"),
        pytest.param({"pid": 2**22 + 1}, True, id="no process has its id"),
        pytest.param({"host_id": "other", "pid": 2**22 + 1}, False, id="of another machine"),
        pytest.param({"boot_id": "", "start_ticks": "1"}, False, id="from a system without /proc"),
        pytest.param({"start_ticks": ""}, False, id="without a start"),
        pytest.param({"uuid": "other"}, False, id="another name for the same process"),
    ],
)
def test_an_owner_is_dead_only_if_that_is_certain(
    changes: dict[str, object], is_dead: bool
) -> None:
    assert replace(current_owner(), **changes).is_dead() is is_dead  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["uuid", "pid", "start_ticks", "boot_id", "host_id"])
def test_an_incomplete_label_is_no_owner(missing: str) -> None:
    fields = current_owner().to_json()
    del fields[missing]
    with pytest.raises(KeyError):
        Owner.from_json(fields)


def test_a_process_id_that_is_no_number_is_no_owner() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Owner.from_json({**current_owner().to_json(), "pid": "1; rm"})
