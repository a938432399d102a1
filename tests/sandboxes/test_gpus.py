"""The machine's GPUs and their leases; nvidia-smi is a program that a test writes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.assets import asset_path
from automl_agent.errors import SetupError
from automl_agent.sandboxes import gpus as module
from automl_agent.sandboxes.gpus import (
    BUSY_MIB,
    Gpu,
    GpuLease,
    hold_gpus,
    lease_gpus,
    list_gpus,
    no_gpus,
    parse_gpus,
    parse_parts,
    sort_by_room,
)
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions

from .conftest import WriteDriver, wait_until

A, B, C = "GPU-aaaa", "GPU-bbbb", "GPU-cccc"
TABLE = f"{A}, NVIDIA H100, 81559, 300\n{B}, NVIDIA H100, 81559, 4\n{C}, NVIDIA L4, 23034, 4\n"
LISTING = f"GPU 0: NVIDIA H100 (UUID: {A})\nGPU 1: NVIDIA H100 (UUID: {B})\n"
# As the driver prints them: of today, and of the time before version 470.
PARTED = f"""\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1c.2g.10gb  Device  1: (UUID: MIG-{A}/2/0)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The folder of the lease table."""
    return tmp_path / "gpus"


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


def test_the_emptiest_and_of_those_the_largest_are_leased(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver()
    with lease_gpus(2, table) as lease:
        assert lease.device_ids == (B, C)


def test_a_part_whose_id_has_slashes_can_be_leased(write_driver: WriteDriver, table: Path) -> None:
    write_driver(f"{A}, NVIDIA A100, 40960, 0\n", PARTED)
    with lease_gpus(2, table) as lease:
        assert lease.device_ids[1] == f"MIG-{A}/2/0"
        lease.quarantine("lost")
    with pytest.raises(SetupError, match="quarantine"):
        lease_gpus(1, table)


def test_leases_never_overlap_and_are_free_again_after_their_end(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver()
    with lease_gpus(2, table) as first, lease_gpus(1, table) as second:
        assert set(first.device_ids) | set(second.device_ids) == {A, B, C}
        with pytest.raises(SetupError) as caught:
            lease_gpus(1, table)
    assert str(caught.value) == (
        f"1 GPU is asked for and 0 free (NVIDIA H100 {B} is leased by another run; "
        f"NVIDIA L4 {C} is leased by another run; NVIDIA H100 {A} is leased by another run); "
        "wait for others to end, or leave --gpus out."
    )
    with lease_gpus(3, table) as lease:
        assert len(lease.device_ids) == 3


def test_a_lease_that_is_too_large_holds_nothing(write_driver: WriteDriver, table: Path) -> None:
    write_driver()
    with pytest.raises(SetupError, match=r"4 GPUs are asked for and 3 free; .* ask for --gpus 3\."):
        lease_gpus(4, table)
    with lease_gpus(3, table):
        pass


def test_a_device_that_others_use_is_passed_over_and_named(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver(f"{A}, NVIDIA H100, 81559, {BUSY_MIB + 1}\n{B}, NVIDIA H100, 81559, {BUSY_MIB}\n")
    with lease_gpus(1, table) as lease:
        assert lease.device_ids == (B,)
    with pytest.raises(SetupError, match=rf"{A} has {BUSY_MIB + 1} MiB in use by others"):
        lease_gpus(2, table)


def test_a_device_in_quarantine_is_passed_over_until_a_person_lifts_it(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver(f"{A}, NVIDIA H100, 81559, 0\n")
    with lease_gpus(1, table) as lease:
        lease.quarantine("run 7: The Docker engine did not end the step in time.")
    with pytest.raises(SetupError) as caught:
        lease_gpus(1, table)
    marker = table / f"{A}.quarantine"
    assert (
        f"{A} is in quarantine (run 7: The Docker engine did not end the step in time): if "
        f"nvidia-smi shows it idle, rm {marker})" in str(caught.value)
    )
    marker.unlink()
    with lease_gpus(1, table) as again:
        assert again.device_ids == (A,)


HOLD = """
import sys, time
from pathlib import Path
from automl_agent.sandboxes.gpus import lease_gpus
lease = lease_gpus(2, Path(sys.argv[1]))
print(*lease.device_ids, flush=True)
time.sleep(600)
"""


def test_the_lease_of_a_process_that_was_killed_is_free(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, table], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().split() == [B, C]
        with lease_gpus(1, table) as lease:
            assert lease.device_ids == (A,)
        holder.send_signal(signal.SIGKILL)
    with lease_gpus(3, table) as lease:
        assert len(lease.device_ids) == 3


def test_a_program_that_the_holder_starts_does_not_keep_the_lease(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver()
    lease = lease_gpus(3, table)
    with subprocess.Popen(["sleep", "600"]) as child:
        lease.release()
        with lease_gpus(3, table):
            pass
        child.kill()


LEASE_OFTEN = """
import sys, time
from pathlib import Path
from automl_agent.assets import asset_path
from automl_agent.errors import SetupError
from automl_agent.sandboxes.gpus import lease_gpus
folder, log = map(Path, sys.argv[1:])
n_leases = 0
while n_leases < 10:
    try:
        with lease_gpus(2, folder) as lease:
            n_leases += 1
            for device_id in lease.device_ids:
                # Whoever finds the file there has a device that is somebody else's too.
                (log / device_id).touch(exist_ok=False)
            time.sleep(0.002)
            for device_id in lease.device_ids:
                (log / device_id).unlink()
    except SetupError:
        time.sleep(0.002)
"""


def test_processes_that_lease_all_the_time_never_share_a_device(
    write_driver: WriteDriver, table: Path, tmp_path: Path
) -> None:
    write_driver()
    log = tmp_path / "log"
    log.mkdir()
    command = [sys.executable, "-c", LEASE_OFTEN, str(table), str(log)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]


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
    assert time.monotonic() - started < 5
    wait_until(lambda: not _is_alive(int(pid_file.read_text())))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_table_that_cannot_be_written_is_a_clear_error(
    write_driver: WriteDriver, tmp_path: Path
) -> None:
    write_driver()
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="The table of GPU leases cannot be written"):
        lease_gpus(1, tmp_path / "file" / "gpus")


def test_memory_that_is_not_given_back_is_told(write_driver: WriteDriver, table: Path) -> None:
    write_driver(f"{A}, NVIDIA H100, 81559, 0\n")
    with lease_gpus(1, table) as lease:
        assert lease.find_residue(wait_s=0.1) == []
        write_driver(f"{A}, NVIDIA H100, 81559, 70000\n")
        assert lease.find_residue(wait_s=0.1) == [f"NVIDIA H100 {A} still has 70000 MiB in use"]
    assert lease.find_residue(wait_s=0.1) == []


class Events:
    """What was emitted."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def __call__(self, name: str, fields: Any) -> None:
        self.seen.append((name, fields))


class Container(ProcessSandbox):
    """A sandbox that may be given GPUs."""

    is_container = True


def test_a_run_without_gpus_asks_no_driver(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    events = Events()
    with hold_gpus(SandboxOptions(), Container(), table, events) as lease:
        assert lease.device_ids == ()
    assert events.seen == []
    assert not table.exists()


def test_what_is_leased_is_told_and_released_after_an_error(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver()
    events = Events()
    options = SandboxOptions(n_gpus=3)
    with pytest.raises(KeyboardInterrupt), hold_gpus(options, Container(), table, events):
        raise KeyboardInterrupt
    assert events.seen == [
        ("gpus_leased", {"gpus": [f"NVIDIA H100 {B}", f"NVIDIA L4 {C}", f"NVIDIA H100 {A}"]})
    ]
    with lease_gpus(3, table):
        pass


def test_processors_stand_in_only_where_that_is_allowed(
    write_driver: WriteDriver, table: Path
) -> None:
    write_driver(script="exit 9")
    events = Events()
    with (
        pytest.raises(SetupError, match=r"check the NVIDIA driver, .* Or allow --cpu-fallback\.$"),
        hold_gpus(SandboxOptions(n_gpus=1), Container(), table, events),
    ):
        pass
    assert events.seen == []
    allowed = SandboxOptions(n_gpus=1, cpu_fallback=True)
    with hold_gpus(allowed, Container(), table, events) as lease:
        assert lease.device_ids == ()
    ((name, fields),) = events.seen
    assert name == "gpus_missing"
    assert "check the NVIDIA driver" in fields["reason"]


def test_a_sandbox_that_is_no_container_gets_none(write_driver: WriteDriver, table: Path) -> None:
    write_driver()
    events = Events()
    allowed = SandboxOptions(n_gpus=1, cpu_fallback=True)
    with hold_gpus(allowed, ProcessSandbox(), table, events) as lease:
        assert lease.device_ids == ()
    reason = "The sandbox 'process' gives no GPUs; use --sandbox docker."
    assert events.seen == [("gpus_missing", {"reason": reason})]


def test_a_lease_of_nothing_can_be_released_and_put_into_quarantine() -> None:
    lease: GpuLease = no_gpus()
    lease.quarantine("nothing happens")
    lease.release()
    lease.release()


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
