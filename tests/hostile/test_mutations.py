"""The battery notices when a setting of the container is missing: each is weakened once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from automl_agent.sandboxes.battery.battery import PROBES, Battery, small_policy
from automl_agent.sandboxes.battery.probe import Finding
from automl_agent.sandboxes.docker.capabilities import ROWS
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.specification import build_specification
from automl_agent.sandboxes.folders import remove_tree
from automl_agent.sandboxes.sandbox import SandboxOptions

pytestmark = [pytest.mark.hostile, pytest.mark.docker]

Body = dict[str, Any]
Weaken = Callable[[Body], None]
# The sandbox compares what the engine made of a container with what must be, and would not start.
EVERYTHING_ALLOWED = SandboxOptions(allow_degraded=tuple(sorted({row.name for row in ROWS})))
BY_NAME = {probe.name: probe for probe in PROBES}


def setting(name: str, value: object) -> Weaken:
    """Give a field of HostConfig another value."""

    def weaken(body: Body) -> None:
        assert body["HostConfig"].get(name) != value
        body["HostConfig"][name] = value

    return weaken


def without_option(start: str, instead: str | None = None) -> Weaken:
    def weaken(body: Body) -> None:
        options = body["HostConfig"]["SecurityOpt"]
        kept = [option for option in options if not option.startswith(start)]
        assert len(kept) == len(options) - 1
        body["HostConfig"]["SecurityOpt"] = [*kept, *([instead] if instead else [])]

    return weaken


def writable_mount(target: str) -> Weaken:
    def weaken(body: Body) -> None:
        (mount,) = (m for m in body["HostConfig"]["Mounts"] if m["Target"] == target)
        assert mount["ReadOnly"]
        mount["ReadOnly"] = False

    return weaken


def more_mount(source: str, target: str) -> Weaken:
    def weaken(body: Body) -> None:
        mount = {"Type": "bind", "Source": source, "Target": target, "ReadOnly": True}
        body["HostConfig"]["Mounts"].append(mount)

    return weaken


def tmpfs_option(path: str, old: str, new: str) -> Weaken:
    def weaken(body: Body) -> None:
        options = body["HostConfig"]["Tmpfs"][path].split(",")
        (found,) = (option for option in options if option.partition("=")[0] == old)
        options[options.index(found)] = new
        body["HostConfig"]["Tmpfs"][path] = ",".join(option for option in options if option)

    return weaken


def without_tmpfs(path: str) -> Weaken:
    return lambda body: body["HostConfig"]["Tmpfs"].pop(path)


def high_ulimit(name: str, value: int) -> Weaken:
    def weaken(body: Body) -> None:
        limits = body["HostConfig"]["Ulimits"]
        kept = [limit for limit in limits if limit["Name"] != name]
        assert len(kept) == len(limits) - 1
        # Not without: the engine's own default may be stricter.
        more = {"Name": name, "Soft": value, "Hard": value}
        body["HostConfig"]["Ulimits"] = [*kept, more]

    return weaken


def field(name: str, value: object) -> Weaken:
    return lambda body: body.update({name: value})


def host_network(body: Body) -> None:
    body["NetworkDisabled"] = False
    body["Hostname"] = ""
    body["HostConfig"]["NetworkMode"] = "host"


def new_privileges(body: Body) -> None:
    # With our system calls only, the engine starts nothing that may gain privileges.
    without_option("no-new-privileges")(body)
    without_option("seccomp", "seccomp=unconfined")(body)


def host_name(body: Body) -> None:
    body["Hostname"] = ""
    body["HostConfig"]["UTSMode"] = "host"


def no_memory_limit(body: Body) -> None:
    body["HostConfig"].update(Memory=0, MemorySwap=0)


def no_deadline(body: Body) -> None:
    start = body["Entrypoint"].index("tini")
    body["Entrypoint"] = body["Entrypoint"][start:]


def more_environment(body: Body) -> None:
    body["Env"].append("HTTP_PROXY=http://user:password@proxy:3128")


def all_rights(body: Body) -> None:
    body["HostConfig"].update(Privileged=True, CapDrop=[], SecurityOpt=[])


# What is weakened, how, and the probes of which at least one must say BROKEN.
MUTATIONS: tuple[tuple[str, Weaken, tuple[str, ...]], ...] = (
    ("network-of-the-host", host_network, ("H22-connect",)),
    ("ipc-of-the-host", setting("IpcMode", "host"), ("H40-mounts",)),
    ("processes-of-the-host", setting("PidMode", "host"), ("H28-processes",)),
    ("name-of-the-host", host_name, ("H40-mounts",)),
    ("cgroups-of-the-host", setting("CgroupnsMode", "host"), ("H40-mounts",)),
    ("privileged", all_rights, ("H38-privileges",)),
    ("writable-root", setting("ReadonlyRootfs", False), ("H40-mounts",)),
    ("capabilities", setting("CapDrop", []), ("H38-privileges",)),
    ("more-capabilities", setting("CapAdd", ["NET_RAW"]), ("H38-privileges",)),
    ("new-privileges", new_privileges, ("H38-privileges",)),
    ("no-seccomp", without_option("seccomp", "seccomp=unconfined"), ("H38-privileges",)),
    ("seccomp-of-the-engine", without_option("seccomp"), ("H37-system-calls", "H24-families")),
    ("writable-in", writable_mount("/in"), ("H40-mounts",)),
    ("writable-code", writable_mount("/code"), ("H40-mounts",)),
    ("a-mount-of-the-host", more_mount("/etc", "/host"), ("H40-mounts",)),
    ("docker-socket", more_mount("/var/run/docker.sock", "/docker.sock"), ("H26-control-sockets",)),
    ("programs-in-tmp", tmpfs_option("/tmp", "noexec", "exec"), ("H40-mounts",)),
    ("set-uid-in-tmp", tmpfs_option("/tmp", "nosuid", "suid"), ("H40-mounts",)),
    ("devices-in-tmp", tmpfs_option("/tmp", "nodev", "dev"), ("H40-mounts",)),
    ("endless-tmp", tmpfs_option("/tmp", "size", ""), ("H06-memory-disks",)),
    ("endless-files", tmpfs_option("/tmp", "nr_inodes", ""), ("H10-inodes",)),
    ("no-tmpfs-at-run", without_tmpfs("/run"), ("H40-mounts",)),
    ("larger-shm", setting("ShmSize", 2**30), ("H06-memory-disks", "H40-mounts")),
    ("no-memory-limit", no_memory_limit, ("H40-mounts",)),
    ("swap", setting("MemorySwap", -1), ("H40-mounts",)),
    ("all-processors", setting("NanoCpus", 0), ("H40-mounts",)),
    ("processor-like-the-host", setting("CpuShares", 0), ("H40-mounts",)),
    ("no-limit-on-processes", setting("PidsLimit", 0), ("H01-fork-limit",)),
    ("no-limit-on-threads", setting("PidsLimit", 0), ("H02-thread-limit",)),
    ("agent-dies-first", setting("OomScoreAdj", 0), ("H40-mounts",)),
    ("core-dumps", high_ulimit("core", 2**20), ("H40-mounts",)),
    ("many-open-files", high_ulimit("nofile", 4097), ("H40-mounts",)),
    ("endless-file", high_ulimit("fsize", 2**40), ("H40-mounts",)),
    ("group-of-root", field("User", "65534:0"), ("H38-privileges",)),
    ("group-of-the-host", setting("GroupAdd", ["10"]), ("H38-privileges",)),
    ("no-deadline", no_deadline, ("H28-pid1",)),
    ("init-of-the-engine", setting("Init", True), ("H28-pid1",)),
    ("proxy-in-the-environment", more_environment, ("H29-environment",)),
    (
        "a-device",
        setting(
            "Devices",
            [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "r"}],
        ),
        ("H39-devices",),
    ),
)  # fmt: skip


def attack_weakened(
    image: str, folder: Path, weaken: Weaken, names: Sequence[str]
) -> list[Finding]:
    """What these probes find in containers that are weaker than the policy asks."""

    def build(*arguments: Any, **options: Any) -> Body:
        body = build_specification(*arguments, **options)
        weaken(body)
        return body

    policy = small_policy()
    sandbox = DockerSandbox(lambda _: image, policy=policy, build=build)
    with Battery(sandbox, policy, folder, options=EVERYTHING_ALLOWED) as battery:
        findings = [battery.run(BY_NAME[name]) for name in names]
    remove_tree(folder / "steps")
    return findings


@pytest.mark.parametrize(
    ("weaken", "names"),
    [pytest.param(weaken, names, id=name) for name, weaken, names in MUTATIONS],
)
def test_the_battery_notices_a_weaker_container(
    image: str, tmp_path: Path, weaken: Weaken, names: tuple[str, ...]
) -> None:
    findings = attack_weakened(image, tmp_path, weaken, names)
    broken = [finding for finding in findings if not finding.held]
    assert broken
    # It is the setting that is noticed, and not that nothing starts: a probe has run.
    assert all("the sandbox goes on" not in finding.found for finding in broken)


def test_the_probes_hold_without_a_change(image: str, tmp_path: Path) -> None:
    names = sorted({name for _, _, names in MUTATIONS for name in names})
    policy = small_policy()
    sandbox = DockerSandbox(lambda _: image, policy=policy)
    with Battery(sandbox, policy, tmp_path) as battery:
        findings = [battery.run(BY_NAME[name]) for name in names]
    assert [finding for finding in findings if not finding.held] == []


def test_the_battery_notices_a_container_whose_programs_may_gain_privileges(
    image: str, tmp_path: Path
) -> None:
    (finding,) = attack_weakened(image, tmp_path, new_privileges, ["H38-privileges"])
    assert "1 gains no privileges" in [check.what for check in finding.checks if not check.held]
