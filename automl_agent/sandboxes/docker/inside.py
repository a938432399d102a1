"""What a script sees from inside a container, judged against what was asked for.

The facts come out of a container, so that each is taken for what it is: text that may be wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from automl_agent.sandboxes.docker.capabilities import Observation

Document = Mapping[str, Any]
# What a container must not share with its host; the user namespace it shares, unless the engine
# runs rootless or remaps users.
_NAMESPACES = ("ipc", "net", "pid", "uts")
# A limit is rounded to whole pages; some kernels have large ones.
_PAGE_BYTES = 65_536
# Of the devices that an engine gives every container.
_DEVICES = {
    *("core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm"),
    *("stderr", "stdin", "stdout", "tty", "urandom", "zero", "console"),
}
# What the runner and the engine add.
_ADDED_VARIABLES = {"AUTOML_IN", "AUTOML_OUT", "AUTOML_JOB", "HOSTNAME", "LC_CTYPE"}
_UNLIMITED = 2**60


def observe_inside(
    asked: Document, facts: Document, host_namespaces: Mapping[str, str]
) -> Iterator[Observation]:
    """What the probe saw; asked: the request's body; facts: what sandbox/probe.py wrote."""
    for name, check in _CHECKS.items():
        seen = check(asked, facts)
        if seen is not None:
            yield Observation(name, "inside", *seen)
    for name, spaces in (("host-access", _NAMESPACES), ("cgroup-namespace", ("cgroup",))):
        shared = [s for s in spaces if facts["namespaces"].get(s) == host_namespaces.get(s)]
        devices = sorted(set(facts["devices"]) - _DEVICES) if name == "host-access" else []
        text = ", ".join([*(f"shares {s}" for s in shared), *devices])
        is_met = not shared and (not devices or bool(asked["HostConfig"].get("DeviceRequests")))
        yield Observation(name, "inside", is_met, text or "shares nothing")


def read_namespaces() -> dict[str, str]:
    """This process's own namespaces; empty where there are none."""
    folder = Path("/proc/self/ns")
    names = (*_NAMESPACES, "cgroup") if folder.is_dir() else ()
    return {name: str((folder / name).readlink()) for name in names}


_Seen = tuple[bool, str] | None


def _check_user(asked: Document, facts: Document) -> _Seen:
    user, group = (int(part) for part in asked["User"].split(":"))
    ids = {*facts["user_ids"], *facts["group_ids"], *facts["groups"]}
    is_met = set(facts["user_ids"]) == {user} and ids <= {user, group} and 0 not in ids
    return is_met, f"uid {facts['user_ids'][0]}, gid {facts['group_ids'][0]}"


def _check_capabilities(_asked: Document, facts: Document) -> _Seen:
    held = [k for k, v in facts["status"].items() if k.startswith("Cap") and int(v, 16)]
    return not held, "none" if not held else ", ".join(held)


def _check_privileges(_asked: Document, facts: Document) -> _Seen:
    value = facts["status"].get("NoNewPrivs")
    return value == "1", f"NoNewPrivs {value}"


def _check_seccomp(_asked: Document, facts: Document) -> _Seen:
    open_ways = [*facts["allowed_calls"], *facts["allowed_families"]]
    mode = facts["status"].get("Seccomp")
    text = f"allowed: {', '.join(open_ways)}" if open_ways else f"Seccomp {mode}, all refused"
    return mode == "2" and not open_ways, text


def _check_network(_asked: Document, facts: Document) -> _Seen:
    return facts["interfaces"] in ([], ["lo"]), f"interfaces: {', '.join(facts['interfaces'])}"


def _check_shared_memory(asked: Document, facts: Document) -> _Seen:
    options = _read_mount(facts, "/dev/shm")
    size = _read_size(options.get("size", "0"))
    is_met = size == asked["HostConfig"]["ShmSize"] and "noexec" in options
    return is_met, f"{size >> 20} MiB"


def _check_read_only(_asked: Document, facts: Document) -> _Seen:
    writable = [place for place in ("/", "/usr", "/etc") if facts["writable"][place]]
    is_met = "ro" in _read_mount(facts, "/") and not writable
    return is_met, f"writable: {', '.join(writable)}" if writable else "nothing can be written"


def _check_tmpfs(asked: Document, facts: Document) -> _Seen:
    wrong = []
    for place, text in asked["HostConfig"]["Tmpfs"].items():
        options, wanted = _read_mount(facts, place), _parse_options(text.split(","))
        sizes = (_read_size(d.get("size", "0")) for d in (options, wanted))
        flags = {"nosuid", "nodev", "noexec"} & set(wanted)
        same_inodes = options.get("nr_inodes") in (wanted["nr_inodes"], None)
        if len(set(sizes)) > 1 or not flags <= set(options) or not same_inodes:
            wrong.append(place)
        if place == "/tmp" and "noexec" in wanted and facts["runs_from_tmp"]:
            wrong.append("programs start from /tmp")
    return not wrong, f"differs: {', '.join(wrong)}" if wrong else "as asked, no programs start"


def _check_place(place: str) -> Callable[[Document, Document], _Seen]:
    def check(_asked: Document, facts: Document) -> _Seen:
        is_met = "ro" in _read_mount(facts, place) and not facts["writable"][place]
        return is_met, "read-only" if is_met else "writable"

    return check


def _check_output(_asked: Document, facts: Document) -> _Seen:
    places = sorted(p for p, is_writable in facts["writable"].items() if is_writable)
    is_met = [p.split("/")[1] for p in places] == ["out", "tmp"]
    return is_met, f"writable: {', '.join(places)}"


def _check_memory(asked: Document, facts: Document) -> _Seen:
    return _compare_bytes(facts["cgroup"]["memory"], asked["HostConfig"]["Memory"])


def _check_swap(asked: Document, facts: Document) -> _Seen:
    value = facts["cgroup"]["swap"]
    # In cgroup v2 this is the swap alone, in v1 the sum of memory and swap.
    if value == "0":
        return True, "0 MiB of swap"
    seen = _compare_bytes(value, asked["HostConfig"]["MemorySwap"])
    return seen and (seen[0], f"{seen[1]} with swap")


def _check_cpu(asked: Document, facts: Document) -> _Seen:
    quota, period = facts["cgroup"]["cpu"], facts["cgroup"]["cpu_period"]
    if quota is None or period is None:
        return None
    parts = quota.split() if " " in quota else [quota, period]
    if not parts[0].isdigit():
        return False, "no limit"
    cpus = int(parts[0]) / int(parts[1])
    return cpus * 10**9 == asked["HostConfig"]["NanoCpus"], f"{cpus:g} processors"


def _check_pids(asked: Document, facts: Document) -> _Seen:
    value = facts["cgroup"]["pids"]
    return None if value is None else (value == str(asked["HostConfig"]["PidsLimit"]), value)


def _check_ulimits(asked: Document, facts: Document) -> _Seen:
    wanted = {u["Name"]: u["Hard"] for u in asked["HostConfig"]["Ulimits"]}
    got = facts["limits"]
    is_met = all(wanted.get(name) == value for name, value in got.items())
    return is_met, ", ".join(f"{name} {value}" for name, value in got.items())


def _check_oom_score(asked: Document, facts: Document) -> _Seen:
    value = facts["oom_score_adj"]
    return value == asked["HostConfig"]["OomScoreAdj"], str(value)


def _check_first_process(asked: Document, facts: Document) -> _Seen:
    command, is_closed = facts["first_process"], facts["first_process_is_closed"]
    text = f"{command[0]}, {'closed to scripts' if is_closed else 'its memory can be read'}"
    return command == asked["Entrypoint"] and is_closed, text


def _check_environment(asked: Document, facts: Document) -> _Seen:
    wanted = dict(entry.split("=", 1) for entry in asked["Env"])
    got = {k: v for k, v in facts["environment"].items() if k not in _ADDED_VARIABLES}
    strange = sorted(k for k in wanted.keys() | got.keys() if wanted.get(k) != got.get(k))
    return not strange, f"differs: {', '.join(strange)}" if strange else f"{len(got)} variables"


def _check_hidden_labels(_asked: Document, facts: Document) -> _Seen:
    entries = facts["entries"]
    return entries == ["jobs", "runner.json"], f"/in holds {', '.join(entries)}"


def _compare_bytes(value: str | None, wanted: int) -> _Seen:
    if value is None:
        return None
    if not value.isdigit() or int(value) > _UNLIMITED:
        return False, "no limit"
    return 0 <= wanted - int(value) < _PAGE_BYTES, f"{int(value) >> 20} MiB"


def _read_mount(facts: Document, place: str) -> dict[str, str]:
    return _parse_options(facts["mounts"].get(place, ()))


def _parse_options(options: object) -> dict[str, str]:
    listed = options if isinstance(options, list) else []
    return {key: value for key, _, value in (str(option).partition("=") for option in listed)}


def _read_size(text: str) -> int:
    """Bytes, from a size as mount options write it: 64k, 512m, 1073741824."""
    shift = {"k": 10, "m": 20, "g": 30}.get(text[-1:].lower(), 0)
    digits = text.rstrip("kmgKMG")
    return int(digits) << shift if digits.isdigit() else 0


_CHECKS: Mapping[str, Callable[[Document, Document], _Seen]] = {
    "user": _check_user,
    "capabilities": _check_capabilities,
    "no-new-privileges": _check_privileges,
    "seccomp": _check_seccomp,
    "network": _check_network,
    "shared-memory": _check_shared_memory,
    "read-only": _check_read_only,
    "tmpfs": _check_tmpfs,
    "input": _check_place("/in"),
    "code": _check_place("/code"),
    "output": _check_output,
    "memory": _check_memory,
    "swap": _check_swap,
    "cpu": _check_cpu,
    "pids": _check_pids,
    "ulimits": _check_ulimits,
    "oom-score": _check_oom_score,
    "first-process": _check_first_process,
    "environment": _check_environment,
    "labels-hidden": _check_hidden_labels,
}
