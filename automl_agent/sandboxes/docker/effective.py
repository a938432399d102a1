"""What the engine made of a container's request, row by row.

An engine whose kernel lacks a limit drops it from the request with no more than a warning.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from automl_agent.sandboxes.docker.capabilities import Observation, read_swap_mib

Document = Mapping[str, Any]
_Check = Callable[[Document, Document], tuple[bool, str]]


def observe_container(asked: Document, found: Document) -> Iterator[Observation]:
    """What `inspect` says of a container; asked: the request's body."""
    for name, check in _CHECKS.items():
        is_met, text = check(asked, found)
        yield Observation(name, "inspect", is_met, text)


def _same(*keys: str) -> _Check:
    """Whether the named settings of the host configuration are what was asked for."""

    def check(asked: Document, found: Document) -> tuple[bool, str]:
        wanted, got = ({key: d["HostConfig"].get(key) for key in keys} for d in (asked, found))
        shown = ", ".join(f"{key} {_shorten(value)}" for key, value in got.items())
        return wanted == got, shown if wanted == got else f"{shown}, not {_shorten(wanted)}"

    return check


def _same_config(*keys: str) -> _Check:
    """Whether the named settings of the container's own configuration are."""

    def check(asked: Document, found: Document) -> tuple[bool, str]:
        wanted = {key: asked[key] for key in keys}
        got = {key: found["Config"].get(key) for key in keys}
        return wanted == got, ", ".join(f"{key} {_shorten(value)}" for key, value in got.items())

    return check


def _check_image(asked: Document, found: Document) -> tuple[bool, str]:
    return asked["Image"] == found["Image"], str(found["Image"])[:19]


def _check_user(asked: Document, found: Document) -> tuple[bool, str]:
    user = str(found["Config"]["User"])
    return user == asked["User"] and "0" not in user.split(":"), user


def _check_capabilities(_asked: Document, found: Document) -> tuple[bool, str]:
    dropped = found["HostConfig"].get("CapDrop") or []
    added = found["HostConfig"].get("CapAdd") or []
    is_met = dropped == ["ALL"] and not added
    return is_met, f"dropped {_shorten(dropped)}, added {_shorten(added)}"


def _check_privileges(_asked: Document, found: Document) -> tuple[bool, str]:
    is_set = "no-new-privileges:true" in _security_options(found)
    return is_set, "set" if is_set else "not set"


def _check_seccomp(asked: Document, found: Document) -> tuple[bool, str]:
    wanted, got = (_read_profile(document) for document in (asked, found))
    # A profile that allows what it does not name is none.
    is_met = wanted == got and got.get("defaultAction") not in (None, "SCMP_ACT_ALLOW")
    n_names = sum(len(rule.get("names", ())) for rule in got.get("syscalls", ()))
    return is_met, f"{n_names} names, else {got.get('defaultAction', 'no profile')}"


def _check_apparmor(_asked: Document, found: Document) -> tuple[bool, str]:
    profile = str(found.get("AppArmorProfile") or "")
    return profile not in ("", "unconfined"), profile or "no profile"


def _check_host_access(_asked: Document, found: Document) -> tuple[bool, str]:
    host = found["HostConfig"]
    modes = [key for key in _MODES if str(host.get(key)).startswith(("host", "container:"))]
    present = [*(key for key in _NEVER if host.get(key)), *modes]
    return not present, "none" if not present else ", ".join(present)


def _check_network(_asked: Document, found: Document) -> tuple[bool, str]:
    host = found["HostConfig"]
    networks = set(found["NetworkSettings"].get("Networks") or ()) - {"none"}
    ways = [*networks, *(key for key in ("PortBindings", "Dns", "ExtraHosts") if host.get(key))]
    text = ", ".join([f"mode {host['NetworkMode']}", *ways])
    return host["NetworkMode"] == "none" and not ways, text


def _check_mounts(target: str) -> _Check:
    def check(asked: Document, found: Document) -> tuple[bool, str]:
        (wanted,) = (m for m in asked["HostConfig"]["Mounts"] if m["Target"] == target)
        for mount in found["Mounts"]:
            if mount["Destination"] == target:
                got = (mount["Source"], mount["RW"], mount["Propagation"])
                text = f"{'writable' if mount['RW'] else 'read-only'}, {mount['Propagation']}"
                return got == (wanted["Source"], not wanted["ReadOnly"], "rprivate"), text
        return False, "not mounted"

    return check


def _check_hidden_labels(_asked: Document, found: Document) -> tuple[bool, str]:
    targets = sorted(mount["Destination"] for mount in found["Mounts"])
    return targets == ["/code", "/in", "/out"], f"mounts {' '.join(targets)}"


def _check_swap(asked: Document, found: Document) -> tuple[bool, str]:
    wanted, got = (document["HostConfig"].get("MemorySwap") for document in (asked, found))
    # An engine that cannot limit swap says -1; where there is none, nothing is missing.
    is_met = wanted == got or read_swap_mib() == 0
    return is_met, f"MemorySwap {got}" if wanted == got else "no limit on swap"


def _check_ulimits(asked: Document, found: Document) -> tuple[bool, str]:
    wanted, got = (
        {u["Name"]: (u["Soft"], u["Hard"]) for u in document["HostConfig"].get("Ulimits") or ()}
        for document in (asked, found)
    )
    return wanted == got, ", ".join(f"{name} {hard}" for name, (_, hard) in got.items()) or "none"


def _check_first_process(asked: Document, found: Document) -> tuple[bool, str]:
    entry = list(found["Config"]["Entrypoint"] or ())
    is_met = entry == asked["Entrypoint"] and not found["HostConfig"].get("Init")
    return is_met, " ".join(entry[:4]) or "none"


def _check_deadline(asked: Document, found: Document) -> tuple[bool, str]:
    entry = list(found["Config"]["Entrypoint"] or ())
    is_met = entry[:4] == asked["Entrypoint"][:4]
    return is_met, f"after {entry[3]} s" if is_met else "none"


def _check_evidence(_asked: Document, found: Document) -> tuple[bool, str]:
    is_removed = bool(found["HostConfig"].get("AutoRemove"))
    return not is_removed, "the engine removes it" if is_removed else "kept"


def _check_labels(asked: Document, found: Document) -> tuple[bool, str]:
    got = found["Config"].get("Labels") or {}
    # The deadline counts from when the request was made.
    wanted = {k: v for k, v in asked["Labels"].items() if not k.endswith(".deadline_unix")}
    missing = [key for key, value in wanted.items() if got.get(key) != value]
    return not missing, f"missing {', '.join(missing)}" if missing else f"{len(asked['Labels'])}"


def _check_restart(_asked: Document, found: Document) -> tuple[bool, str]:
    policy = found["HostConfig"].get("RestartPolicy") or {}
    name = str(policy.get("Name") or "no")
    return name == "no", name


def _check_log(asked: Document, found: Document) -> tuple[bool, str]:
    wanted, got = (document["HostConfig"]["LogConfig"] for document in (asked, found))
    return wanted == got, f"{got.get('Type')} {_shorten(got.get('Config'))}"


def _check_environment(asked: Document, found: Document) -> tuple[bool, str]:
    wanted, got = set(asked["Env"]), set(found["Config"].get("Env") or ())
    strange = sorted(entry.partition("=")[0] for entry in got ^ wanted)
    return not strange, f"differs: {', '.join(strange)}" if strange else f"{len(got)} variables"


def _security_options(found: Document) -> list[str]:
    return [str(option) for option in found["HostConfig"].get("SecurityOpt") or ()]


def _read_profile(document: Document) -> dict[str, Any]:
    for option in _security_options(document):
        if option.startswith("seccomp="):
            try:
                profile = json.loads(option.removeprefix("seccomp="))
            except ValueError:
                return {}
            return profile if isinstance(profile, dict) else {}
    return {}


def _shorten(value: object) -> str:
    return str(value)[:60]


_NEVER = ("Privileged", "Devices", "VolumesFrom", "Links", "GroupAdd", "Binds", "PublishAllPorts")
_MODES = ("PidMode", "UTSMode", "UsernsMode", "IpcMode", "NetworkMode")
_CHECKS: Mapping[str, _Check] = {
    "image": _check_image,
    "user": _check_user,
    "capabilities": _check_capabilities,
    "no-new-privileges": _check_privileges,
    "apparmor": _check_apparmor,
    "seccomp": _check_seccomp,
    "host-access": _check_host_access,
    "network": _check_network,
    "shared-memory": _same("IpcMode", "ShmSize"),
    "cgroup-namespace": _same("CgroupnsMode"),
    "read-only": _same("ReadonlyRootfs"),
    "tmpfs": _same("Tmpfs"),
    "input": _check_mounts("/in"),
    "code": _check_mounts("/code"),
    "output": _check_mounts("/out"),
    "memory": _same("Memory"),
    "swap": _check_swap,
    "cpu": _same("NanoCpus", "CpuShares"),
    "pids": _same("PidsLimit"),
    "ulimits": _check_ulimits,
    "oom-score": _same("OomScoreAdj"),
    "first-process": _check_first_process,
    "deadline": _check_deadline,
    "stop": _same_config("StopSignal", "StopTimeout"),
    "evidence": _check_evidence,
    "labels": _check_labels,
    "restart": _check_restart,
    "log": _check_log,
    "environment": _check_environment,
    "labels-hidden": _check_hidden_labels,
}
