"""The machine's GPUs, seen from outside and inside; nvidia-smi is a program that a test writes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.assets import asset_path
from automl_agent.errors import SetupError
from automl_agent.sandboxes import gpus as module
from automl_agent.sandboxes.gpus import (
    Gpu,
    lease_gpus,
    list_gpus,
    parse_gpus,
    parse_parts,
    sort_by_room,
)

from .conftest import PARTED, A, B, C, WriteDriver, wait_until

LISTING = f"GPU 0: NVIDIA H100 (UUID: {A})\nGPU 1: NVIDIA H100 (UUID: {B})\n"

names = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" ,"), min_size=1
).map(str.strip)
ids = st.uuids().map(lambda uuid: f"GPU-{uuid}")
memory = st.none() | st.integers(0, 2**20)
machines = st.lists(
    st.builds(Gpu, ids, names.filter(bool), memory, memory), unique_by=lambda gpu: gpu.device_id
)


def print_memory(mib: int | None) -> str:
    return "[N/A]" if mib is None else str(mib)


@given(machines)
def test_what_the_driver_prints_is_read_whatever_the_names_are(found: list[Gpu]) -> None:
    lines = [
        f"{g.device_id}, {g.name}, {print_memory(g.memory_mib)}, {print_memory(g.used_mib)}"
        for g in found
    ]
    assert parse_gpus("\n".join(lines)) == found


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    parse_gpus(text)
    parse_parts(text)


@given(machines)
def test_the_emptiest_comes_first_and_none_is_lost(found: list[Gpu]) -> None:
    ordered = sort_by_room(found)
    assert sorted(map(repr, ordered)) == sorted(map(repr, found))
    used = [gpu.used_mib or 0 for gpu in ordered]
    assert used == sorted(used)


def test_parts_are_read_in_the_spelling_of_old_and_new_drivers() -> None:
    new, old = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", f"MIG-{A}/2/0"
    assert parse_parts(PARTED) == {A: [("3g.20gb", new), ("1c.2g.10gb", old)], B: []}


def test_of_a_divided_gpu_the_parts_are_the_devices(write_driver: WriteDriver) -> None:
    write_driver(f"{A}, NVIDIA A100, 40960, [N/A]\n{B}, NVIDIA A100, 40960, 3\n", PARTED)
    found = [(gpu.device_id[:7], gpu.name, gpu.used_mib) for gpu in list_gpus()]
    assert found == [
        ("MIG-c6d", "NVIDIA A100 3g.20gb", None),
        ("MIG-GPU", "NVIDIA A100 1c.2g.10gb", None),
        ("GPU-bbb", "NVIDIA A100", 3),
    ]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("exit 0", "shows no GPU", id="none"),
        pytest.param("echo No devices were found; exit 6", "'No devices were found'", id="error"),
        pytest.param("exit 9", "'exit code 9'", id="silent error"),
        pytest.param(
            "echo NVIDIA-SMI has failed because it could not communicate. >&2; exit 9",
            "could not communicate'; check the NVIDIA driver",
            id="no driver",
        ),
        pytest.param("printf '\\377\\0'; exit 1", "check the NVIDIA driver", id="no text"),
    ],
)
def test_a_driver_that_has_nothing_is_a_clear_error(
    write_driver: WriteDriver, table: Path, script: str, message: str
) -> None:
    write_driver(script=script)
    with pytest.raises(SetupError, match=message):
        lease_gpus(1, table)


def test_without_nvidia_smi_the_message_names_the_driver(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError) as caught:
        lease_gpus(1, table)
    assert str(caught.value) == (
        "There is no GPU: nvidia-smi cannot be started (No such file or directory); install the "
        "NVIDIA driver, or leave --gpus out."
    )


def test_a_driver_that_hangs_is_given_up_and_killed_with_its_children(
    write_driver: WriteDriver, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "pid"
    write_driver(script=f"sleep 600 &\necho $! > {pid_file}\nwait")
    monkeypatch.setattr(module, "NVIDIA_SMI_LIMIT_S", 0.5)
    started = time.monotonic()
    with pytest.raises(SetupError, match=r"hangs: nvidia-smi did not answer in 0\.5 s; restart"):
        lease_gpus(1, table)
    assert time.monotonic() - started < 30
    wait_until(lambda: not _is_alive(int(pid_file.read_text())))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# The same as the container's side sees it.
INSIDE = "import sys, confinement; confinement.check_gpus(sys.argv[1:])"
NEW, OLD = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", f"MIG-{A}/2/0"


def check_inside(*leased: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(asset_path("sandbox", "runner.py").parent)}
    command = [sys.executable, "-c", INSIDE, *leased]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("listing", "leased", "is_right"),
    [
        pytest.param(LISTING, (A, B), True, id="all"),
        pytest.param(LISTING, (B, A), True, id="in another order"),
        pytest.param(LISTING, (A,), False, id="one too many"),
        pytest.param(LISTING, (A, B, C), False, id="one missing"),
        pytest.param(LISTING, (A, C), False, id="another one"),
        pytest.param("", (A,), False, id="none"),
        pytest.param(PARTED, (NEW, OLD, B), True, id="parts and a whole"),
        pytest.param(PARTED, (NEW, OLD), False, id="parts, and a whole too many"),
        pytest.param(PARTED, (A, B), False, id="the whole of a divided one"),
        pytest.param("".join(PARTED.splitlines(True)[:2]), (NEW,), True, id="one part"),
    ],
)
def test_inside_the_leased_devices_must_be_visible_and_no_others(
    write_driver: WriteDriver, listing: str, leased: tuple[str, ...], is_right: bool
) -> None:
    write_driver(listing=listing)
    ran = check_inside(*leased)
    assert ran.returncode == (0 if is_right else 90)
    assert ran.stderr == ("" if is_right else f"Leased: {list(leased)}; visible: {listing}\n")


def test_inside_a_driver_that_does_not_answer_means_that_the_gpus_are_missing(
    write_driver: WriteDriver,
) -> None:
    write_driver(script="exit 9")
    ran = check_inside(A)
    assert ran.returncode == 90
    assert ran.stderr.startswith("nvidia-smi does not answer: ")


def test_inside_without_a_lease_no_driver_is_asked(write_driver: WriteDriver) -> None:
    write_driver(script="exit 9")
    assert check_inside().returncode == 0
