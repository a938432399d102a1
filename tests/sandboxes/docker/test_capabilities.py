"""What engines say about themselves, as recorded from `docker info`, and what follows."""

from typing import Any

import pytest

from automl_agent.errors import InputError
from automl_agent.sandboxes.docker.capabilities import (
    ROWS,
    Capability,
    check_allowed_names,
    find_missing_limits,
    gather,
    observe_engine,
)
from automl_agent.sandboxes.sandbox import SandboxOptions

# Docker 20.10 on Debian 12 with cgroup v1, root.
NORMAL: dict[str, Any] = {
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "MemoryLimit": True,
    "SwapLimit": True,
    "CpuCfsPeriod": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "1",
    "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}},
    "DefaultRuntime": "runc",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Warnings": None,
}
# Docker 27 on Ubuntu 24.04 with cgroup v2, systemd and AppArmor.
CGROUP_V2 = NORMAL | {
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
    "Warnings": [],
}
# Rootless Docker 20.10 on a machine with cgroup v1: every limit is ignored.
ROOTLESS_V1 = NORMAL | {
    "CgroupDriver": "none",
    "MemoryLimit": False,
    "SwapLimit": False,
    "CpuCfsQuota": False,
    "PidsLimit": False,
    "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
    "Warnings": [
        "WARNING: Running in rootless-mode without cgroups. To enable cgroups in rootless-mode, "
        "you need to boot the system in cgroup v2 mode."
    ],
}
# Ubuntu's kernel without swapaccount=1.
NO_SWAP_ACCOUNT = NORMAL | {"SwapLimit": False, "Warnings": ["WARNING: No swap limit support"]}
NO_SECCOMP = NORMAL | {"SecurityOptions": []}
# The fields say yes, and the warnings say what happens.
WARNED = CGROUP_V2 | {
    "Warnings": ["WARNING: No memory limit support", "WARNING: No cpu cfs quota support"]
}
ENGINES = {
    "cgroup v1": (NORMAL, 2048, ["apparmor", "swappiness", "disk", "runtime"]),
    "cgroup v1, no swap": (NORMAL, 0, ["apparmor", "disk", "runtime"]),
    "cgroup v2": (CGROUP_V2, 2048, ["disk", "runtime"]),
    "rootless on cgroup v1": (
        ROOTLESS_V1,
        2048,
        ["apparmor", "memory", "swap", "swappiness", "cpu", "pids", "disk", "runtime"],
    ),
    "no account of swap": (
        NO_SWAP_ACCOUNT,
        2048,
        ["apparmor", "swap", "swappiness", "disk", "runtime"],
    ),
    "no account of swap, and none": (NO_SWAP_ACCOUNT, 0, ["apparmor", "disk", "runtime"]),
    "no seccomp": (NO_SECCOMP, 0, ["apparmor", "seccomp", "disk", "runtime"]),
    "warned": (WARNED, 0, ["memory", "cpu", "disk", "runtime"]),
    "an engine that says nothing": (
        {},
        None,
        [
            *("apparmor", "seccomp", "memory", "swap", "swappiness", "cpu", "pids", "disk"),
            "runtime",
        ],
    ),
}


def list_unmet(about: dict[str, Any], swap_mib: int | None) -> list[str]:
    found = gather(observe_engine(about, swap_mib=swap_mib))
    return [capability.row.name for capability in found if not capability.is_met]


@pytest.mark.parametrize(("about", "swap_mib", "unmet"), ENGINES.values(), ids=ENGINES)
def test_what_an_engine_cannot_enforce(
    about: dict[str, Any], swap_mib: int | None, unmet: list[str]
) -> None:
    assert list_unmet(about, swap_mib) == unmet


@pytest.mark.parametrize("about", [NORMAL, CGROUP_V2], ids=["cgroup v1", "cgroup v2"])
def test_nothing_stands_in_the_way_of_a_normal_engine(about: dict[str, Any]) -> None:
    assert find_missing_limits(about, SandboxOptions(), swap_mib=2048) is None


def test_each_missing_limit_is_named_with_the_remedy_and_the_way_around() -> None:
    text = find_missing_limits(ROOTLESS_V1, SandboxOptions(), swap_mib=2048)
    assert text == (
        "The engine does not enforce memory (limit on memory): not enforced, cgroup v1, none "
        "(engine); swap (no swap beyond it): not enforced, cgroup v1, none (engine); pids (limit "
        "on processes and threads): not enforced, cgroup v1, none (engine). To have it, boot with "
        "cgroup v2 (systemd.unified_cgroup_hierarchy=1); a rootless engine needs its controllers "
        "delegated by systemd. To do without it: --allow-degraded memory --allow-degraded swap "
        "--allow-degraded pids"
    )


def test_what_the_person_allows_to_be_missing_does_not_stop_a_run() -> None:
    allowed = SandboxOptions(allow_degraded=("memory", "swap"))
    text = find_missing_limits(ROOTLESS_V1, allowed, swap_mib=2048)
    assert text is not None and "--allow-degraded pids" in text and "memory" not in text
    allowed = SandboxOptions(allow_degraded=("memory", "swap", "pids"))
    assert find_missing_limits(ROOTLESS_V1, allowed, swap_mib=2048) is None


def test_a_name_that_is_no_limit_is_an_error_that_lists_them() -> None:
    check_allowed_names(["memory", "seccomp"])
    with pytest.raises(InputError, match=r"--allow-degraded memroy: .* memory, swap, pids, "):
        check_allowed_names(["memory", "memroy"])


def test_what_a_step_can_do_without_need_not_be_allowed() -> None:
    with pytest.raises(InputError, match="no such limit that is needed"):
        check_allowed_names(["apparmor"])


def test_the_mandatory_rows_are_those_of_the_specification() -> None:
    mandatory = {3, 4, 5, 6, 7, 8, 11, 16, 18, 22, 23, 24, 25, 26, 27, 30, 32, 37, 39}
    assert {row.number for row in ROWS if row.is_mandatory} == mandatory
    assert [row.number for row in ROWS] == sorted(row.number for row in ROWS)
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_a_runtime_with_a_kernel_of_its_own_holds_the_row() -> None:
    (capability,) = [
        c for c in gather(observe_engine(NORMAL, runtime="runsc")) if c.row.name == "runtime"
    ]
    assert (capability.state, capability.remedy) == ("ok", "")


def test_a_row_shows_what_speaks_against_it() -> None:
    rows: dict[str, Capability] = {c.row.name: c for c in gather(observe_engine(NORMAL))}
    assert rows["disk"].state == "degraded"
    assert rows["disk"].found == "overlay2 on extfs, no quota (engine)"
    assert "measures /out each second" in rows["disk"].remedy
    assert rows["memory"].to_json() == {
        "row": 16,
        "name": "memory",
        "what": "limit on memory",
        "is_mandatory": True,
        "state": "ok",
        "found": {"engine": {"is_met": True, "text": "cgroup v1, cgroupfs"}},
        "remedy": "",
    }
