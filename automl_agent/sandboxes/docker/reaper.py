"""The reaper: removes containers of ours that nobody owns any more, and no others."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.sandboxes.docker.container import Container
from automl_agent.sandboxes.docker.engine import explaining_errors
from automl_agent.sandboxes.docker.owner import Owner
from automl_agent.sandboxes.docker.specification import LABEL, SCHEMA

if TYPE_CHECKING:
    from docker import APIClient

# A container ends itself at its deadline; one that is there so long after it has failed to.
OVERDUE_S = 300.0
# Beside in/, code/ and out/: who owns the step now, if it is not who made its container.
OWNER_FILE = "owner.json"


@dataclass(frozen=True)
class Reaped:
    """A container that was removed, and why."""

    name: str
    reason: str


def reap(
    client: "APIClient", *, kept_run: str | None = None, now: float | None = None
) -> list[Reaped]:
    """Remove what is ours and orphaned.

    kept_run: a run whose containers stay, because its steps adopt what a dead process left.
    Raises: EngineError.
    """
    with explaining_errors("list the containers"):
        filters = {"label": f"{LABEL}.schema={SCHEMA}"}
        found = client.containers(all=True, filters=filters)
    reaped = []
    for container in found:
        labels = container["Labels"]
        reason = find_reason(labels, now=time.time() if now is None else now)
        if reason and (kept_run is None or labels.get(f"{LABEL}.run") != kept_run):
            Container(client, container["Id"]).remove()
            reaped.append(Reaped(container["Names"][0].lstrip("/"), reason))
    return reaped


def find_reason(labels: Mapping[str, str], *, now: float) -> str | None:
    """Why a container with these labels must go; None if it is somebody's."""
    fields = {
        key.removeprefix(f"{LABEL}."): value
        for key, value in labels.items()
        if key.startswith(f"{LABEL}.")
    }
    try:
        deadline = int(fields["deadline_unix"])
        made_by = Owner.from_json(
            {key.removeprefix("owner_"): v for key, v in fields.items() if key.startswith("owner_")}
        )
    except (KeyError, ValueError):
        return None  # what we cannot read is not ours to remove
    if now > deadline + OVERDUE_S:
        return "its deadline has passed"
    owner = read_owner(Path(fields.get("folder", "/nowhere"))) or made_by
    return "its owner is gone" if owner.is_dead() else None


def write_owner(folder: Path, owner: Owner) -> None:
    """Record who owns the step of a folder now."""
    partial = folder / f"{OWNER_FILE}.{owner.pid}"
    partial.write_text(json.dumps(owner.to_json()))
    partial.rename(folder / OWNER_FILE)


def read_owner(folder: Path) -> Owner | None:
    """Who owns the step of a folder; None if nobody says."""
    try:
        return Owner.from_json(json.loads((folder / OWNER_FILE).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
