"""Leases of GPUs: never shared, and free after every end; nvidia-smi is written by a test."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from automl_agent.errors import SetupError
from automl_agent.sandboxes.gpus import BUSY_MIB, GpuLease, hold_gpus, lease_gpus, no_gpus
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions

from .conftest import PARTED, A, B, C, WriteDriver


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
