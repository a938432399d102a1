"""The matrix on a live engine: what was asked for, what was made of it, what is seen inside."""

import copy
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from automl_agent.errors import SandboxError
from automl_agent.sandboxes.docker.capabilities import ROWS, Capability, gather
from automl_agent.sandboxes.docker.docker_sandbox import DockerSandbox
from automl_agent.sandboxes.docker.effective import observe_container
from automl_agent.sandboxes.docker.inside import observe_inside, read_namespaces
from automl_agent.sandboxes.docker.matrix import Probe, measure_capabilities, run_probe
from automl_agent.sandboxes.sandbox import SandboxOptions

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.docker

# Rows that depend on the host and that no request of ours can bring about.
OF_THE_HOST = {"apparmor", "swappiness", "disk", "runtime"}
Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def probe(engine: "APIClient", image: str, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """What one step that looked around brought back."""
    folder = tmp_path_factory.mktemp("probe")
    return run_probe(engine, DockerSandbox(lambda _variant: image), folder)


@pytest.fixture(scope="module")
def matrix(image: str, tmp_path_factory: pytest.TempPathFactory) -> list[Capability]:
    """The whole matrix."""
    folder = tmp_path_factory.mktemp("matrix")
    return measure_capabilities(DockerSandbox(lambda _variant: image), folder)


def test_every_row_is_measured(matrix: list[Capability]) -> None:
    assert [capability.row for capability in matrix] == list(ROWS)


def test_every_row_that_is_ours_to_bring_about_holds(matrix: list[Capability]) -> None:
    unmet = {c.row.name: c.found for c in matrix if not c.is_met}
    assert {name: text for name, text in unmet.items() if name not in OF_THE_HOST} == {}


def test_the_engine_made_of_the_request_what_it_says(probe: Probe) -> None:
    asked, found = probe.request["HostConfig"], probe.container["HostConfig"]
    wanted = copy.deepcopy(asked)
    for mount in wanted["Mounts"]:
        if not mount["ReadOnly"]:
            del mount["ReadOnly"]  # the engine does not mention it
    wanted["RestartPolicy"]["MaximumRetryCount"] = 0
    assert {key: found[key] for key in wanted} == wanted
    for key in ("User", "Env", "Entrypoint", "WorkingDir", "StopSignal", "StopTimeout", "Hostname"):
        assert probe.container["Config"][key] == probe.request[key]


def test_nothing_else_was_switched_on(probe: Probe) -> None:
    found = probe.container["HostConfig"]
    # Fields that an engine fills by itself, and that are no way out.
    filled = {"ConsoleSize", "MaskedPaths", "ReadonlyPaths", "Runtime"}
    extra = {
        key: value
        for key, value in found.items()
        if value and key not in probe.request["HostConfig"] and key not in filled
    }
    assert extra == {}
    assert "/proc/kcore" in found["MaskedPaths"]
    assert "/proc/sys" in found["ReadonlyPaths"]


def set_host(key: str, value: object) -> Change:
    def change(container: Any) -> None:
        container["HostConfig"][key] = value

    return change


def set_config(key: str, value: object) -> Change:
    def change(container: Any) -> None:
        container["Config"][key] = value

    return change


def set_mount(target: str, **fields: object) -> Change:
    def change(container: Any) -> None:
        (mount,) = (m for m in container["Mounts"] if m["Destination"] == target)
        mount.update(fields)

    return change


def drop_option(beginning: str) -> Change:
    def change(container: Any) -> None:
        options = container["HostConfig"]["SecurityOpt"]
        container["HostConfig"]["SecurityOpt"] = [
            option for option in options if not option.startswith(beginning)
        ]

    return change


def add_mount(container: Any) -> None:
    container["Mounts"].append({**container["Mounts"][0], "Destination": "/labels"})


def empty_labels(container: Any) -> None:
    container["Config"]["Labels"].pop("automl-agent.owner_pid")


def join_network(container: Any) -> None:
    container["NetworkSettings"]["Networks"] = {"bridge": {}}


# What an engine could make of a request, and the row that must notice.
WEAKENED = {
    "another image": (lambda c: c.update(Image="sha256:0"), "image"),
    "root": (set_config("User", "0:0"), "user"),
    "the image's user": (set_config("User", ""), "user"),
    "all capabilities": (set_host("CapDrop", None), "capabilities"),
    "one capability": (set_host("CapAdd", ["NET_RAW"]), "capabilities"),
    "new privileges": (drop_option("no-new-privileges"), "no-new-privileges"),
    "no seccomp": (drop_option("seccomp"), "seccomp"),
    "unconfined": (set_host("SecurityOpt", ["seccomp=unconfined"]), "seccomp"),
    "another profile": (
        set_host("SecurityOpt", ['seccomp={"defaultAction": "SCMP_ACT_ALLOW"}']),
        "seccomp",
    ),
    "privileged": (set_host("Privileged", True), "host-access"),
    "a device": (set_host("Devices", [{"PathOnHost": "/dev/sda"}]), "host-access"),
    "the host's processes": (set_host("PidMode", "host"), "host-access"),
    "the host's name": (set_host("UTSMode", "host"), "host-access"),
    "another's network": (set_host("NetworkMode", "container:x"), "host-access"),
    "a network": (set_host("NetworkMode", "bridge"), "network"),
    "a network besides": (join_network, "network"),
    "a port": (set_host("PortBindings", {"80/tcp": [{}]}), "network"),
    "the host's memory": (set_host("IpcMode", "shareable"), "shared-memory"),
    "the host's cgroups": (set_host("CgroupnsMode", "host"), "cgroup-namespace"),
    "a writable root": (set_host("ReadonlyRootfs", False), "read-only"),
    "no tmpfs": (set_host("Tmpfs", None), "tmpfs"),
    "a writable input": (set_mount("/in", RW=True), "input"),
    "writable code": (set_mount("/code", RW=True), "code"),
    "shared mounts": (set_mount("/out", Propagation="rshared"), "output"),
    "another output": (set_mount("/out", Source="/home"), "output"),
    "no memory limit": (set_host("Memory", 0), "memory"),
    "more processors": (set_host("NanoCpus", 0), "cpu"),
    "no limit on processes": (set_host("PidsLimit", 0), "pids"),
    "core dumps": (set_host("Ulimits", []), "ulimits"),
    "the agent first": (set_host("OomScoreAdj", 0), "oom-score"),
    "another first process": (set_config("Entrypoint", ["python"]), "first-process"),
    "docker-init": (set_host("Init", True), "first-process"),
    "no deadline": (set_config("Entrypoint", ["tini"]), "deadline"),
    "another signal": (set_config("StopSignal", "SIGINT"), "stop"),
    "removed at once": (set_host("AutoRemove", True), "evidence"),
    "nobody's": (empty_labels, "labels"),
    "started again": (set_host("RestartPolicy", {"Name": "always"}), "restart"),
    "an endless log": (set_host("LogConfig", {"Type": "json-file", "Config": {}}), "log"),
    "a proxy": (set_config("Env", ["HTTP_PROXY=http://user:word@proxy"]), "environment"),
    "one more mount": (add_mount, "labels-hidden"),
}


@pytest.mark.parametrize(("weaken", "name"), WEAKENED.values(), ids=WEAKENED)
def test_what_the_engine_weakens_is_noticed(weaken: Change, name: str, probe: Probe) -> None:
    container = copy.deepcopy(dict(probe.container))
    assert name not in list_unmet(probe, container)
    weaken(container)
    assert name in list_unmet(probe, container)


def list_unmet(probe: Probe, container: Any) -> list[str]:
    seen = gather(observe_container(probe.request, container))
    return [capability.row.name for capability in seen if not capability.is_met]


# What a probe could see inside, and the row that must notice.
SEEN = {
    "root": ({"user_ids": [0, 0, 0]}, "user"),
    "a group of the host": ({"groups": [65534, 999]}, "user"),
    "a capability": ({"status": {"CapEff": "0000000000000400"}}, "capabilities"),
    "a bounding capability": ({"status": {"CapBnd": "00000000a80425fb"}}, "capabilities"),
    "new privileges": ({"status": {"NoNewPrivs": "0"}}, "no-new-privileges"),
    "no filter": ({"status": {"Seccomp": "0"}}, "seccomp"),
    "a call": ({"allowed_calls": ["io_uring_setup"]}, "seccomp"),
    "a socket": ({"allowed_families": ["AF_VSOCK"]}, "seccomp"),
    "a device": ({"devices": ["null", "sda"]}, "host-access"),
    "an interface": ({"interfaces": ["eth0", "lo"]}, "network"),
    "small shared memory": ({"mounts": {"/dev/shm": ["size=65536k"]}}, "shared-memory"),
    "a writable root": ({"writable": {"/": True}}, "read-only"),
    "programs in /tmp": ({"runs_from_tmp": True}, "tmpfs"),
    "an endless /tmp": ({"mounts": {"/tmp": ["nosuid", "nodev", "noexec"]}}, "tmpfs"),
    "a writable input": ({"writable": {"/in": True}}, "input"),
    "writable code": ({"mounts": {"/code": ["relatime"]}}, "code"),
    "another writable place": ({"writable": {"/usr": True}}, "output"),
    "no memory limit, v1": ({"cgroup": {"memory": "9223372036854771712"}}, "memory"),
    "no memory limit, v2": ({"cgroup": {"memory": "max"}}, "memory"),
    "more memory": ({"cgroup": {"memory": str(2**40)}}, "memory"),
    "swap": ({"cgroup": {"swap": "max"}}, "swap"),
    "no limit on processors, v1": ({"cgroup": {"cpu": "-1"}}, "cpu"),
    "no limit on processors, v2": ({"cgroup": {"cpu": "max 100000"}}, "cpu"),
    "no limit on processes": ({"cgroup": {"pids": "max"}}, "pids"),
    "core dumps": ({"limits": {"core": -1}}, "ulimits"),
    "the agent first": ({"oom_score_adj": 0}, "oom-score"),
    "an open first process": ({"first_process_is_closed": False}, "first-process"),
    "another first process": ({"first_process": ["tini"]}, "first-process"),
    "a secret": ({"environment": {"API_KEY": "x"}}, "environment"),
    "labels": ({"entries": ["holdout.parquet", "jobs", "runner.json"]}, "labels-hidden"),
}


@pytest.mark.parametrize(("changes", "name"), SEEN.values(), ids=SEEN)
def test_what_is_weak_inside_is_noticed(changes: dict[str, Any], name: str, probe: Probe) -> None:
    facts = json.loads(json.dumps(probe.facts))
    assert name not in list_unmet_inside(probe, facts)
    for key, value in changes.items():
        facts[key] = {**facts[key], **value} if isinstance(value, dict) else value
    assert name in list_unmet_inside(probe, facts)


def test_a_namespace_of_the_host_is_noticed(probe: Probe) -> None:
    for name in ("ipc", "net", "pid", "uts", "cgroup"):
        namespaces = read_namespaces() | {name: probe.facts["namespaces"][name]}
        row = "cgroup-namespace" if name == "cgroup" else "host-access"
        assert row in list_unmet_inside(probe, probe.facts, namespaces)


def test_the_limits_of_cgroup_v2_are_read_as_well(probe: Probe) -> None:
    host = probe.request["HostConfig"]
    files = {
        "memory": str(host["Memory"]),
        "swap": "0",
        "pids": str(host["PidsLimit"]),
        "cpu": "100000 100000",
        "cpu_period": "100000 100000",
    }
    facts = {**probe.facts, "cgroup": files}
    assert list_unmet_inside(probe, facts) == []


def list_unmet_inside(
    probe: Probe, facts: Any, namespaces: dict[str, str] | None = None
) -> list[str]:
    seen = observe_inside(probe.request, facts, namespaces or read_namespaces())
    return [observation.name for observation in seen if not observation.is_met]


def test_a_step_whose_limit_was_dropped_is_refused_unless_that_is_allowed(
    image: str, engine: "APIClient", tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An engine that drops a limit keeps the request's other parts; this one drops it beforehand.
    from automl_agent.sandboxes.docker import docker_sandbox

    original = docker_sandbox.create_container

    def drop_pids(client: Any, body: Any, name: str) -> Any:
        host = {key: value for key, value in body["HostConfig"].items() if key != "PidsLimit"}
        return original(client, {**body, "HostConfig": host}, name)

    monkeypatch.setattr(docker_sandbox, "create_container", drop_pids)
    sandbox = DockerSandbox(lambda _variant: image)
    with pytest.raises(SandboxError, match="--allow-degraded pids"):
        run_probe(engine, sandbox, tmp_path, SandboxOptions())
    allowed = run_probe(engine, sandbox, tmp_path, SandboxOptions(allow_degraded=("pids",)))
    assert set(list_unmet(allowed, allowed.container)) - OF_THE_HOST == {"pids"}
    folders = [c["Labels"].get("automl-agent.folder", "") for c in engine.containers(all=True)]
    assert [folder for folder in folders if folder.startswith(str(tmp_path))] == []
