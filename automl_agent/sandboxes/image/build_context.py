"""What a build of the sandbox image is given: requirements, constraints, settings, wheels."""

import io
import re
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PipRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from automl_agent.assets import asset_path
from automl_agent.cards.model_card import Requirement
from automl_agent.errors import InputError
from automl_agent.sandboxes.image.site_settings import SiteSettings, render_pip_conf

# Where the Dockerfile puts the context.
CONTEXT_FOLDER = "/build"


@dataclass(frozen=True)
class Resolution:
    """What pip is asked for.

    constraints: one line per package, name==version.
    notes: where a card contradicts the lock, one sentence each.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    notes: tuple[str, ...] = ()


def merge_requirements(requirements: Iterable[Requirement]) -> tuple[str, ...]:
    """One line per package, sorted: what all cards ask of it.

    Raises: InputError if one is no name and version as pip takes them.
    """
    merged: dict[str, set[str]] = {}
    for requirement in requirements:
        parsed = _parse_requirement(requirement)
        # As text: two specifiers that only mean the same are equal, and which of them a set
        # keeps depends on the order.
        merged.setdefault(_render_name(parsed), set()).update(map(str, parsed.specifier))
    return tuple(f"{name}{','.join(sorted(merged[name]))}" for name in sorted(merged))


def resolve_requirements(requirements: Iterable[Requirement]) -> Resolution:
    """What pip is to install, as near to what was tested, then to what this machine has."""
    merged = merge_requirements(requirements)
    wanted = {str(canonicalize_name(parsed.name)): parsed for parsed in map(PipRequirement, merged)}
    lock = read_lock(read_lock_text())
    fitting = {
        name: version
        for name, version in lock.items()
        if name not in wanted or wanted[name].specifier.contains(version, prereleases=True)
    }
    notes = tuple(
        f"{wanted[name]} is asked for; {name} {lock[name]} was tested."
        for name in sorted(lock.keys() - fitting.keys())
    )
    pinned = {**_find_installed(wanted[name] for name in wanted if name not in lock), **fitting}
    constraints = tuple(f"{name}=={pinned[name]}" for name in sorted(pinned))
    return Resolution(merged, constraints, notes)


def read_lock(text: str) -> dict[str, str]:
    """The version of each package, by its canonical name."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {canonicalize_name(name): version for name, version in pairs}


def find_wheels(resolution: Resolution, folders: Iterable[Path]) -> list[Path]:
    """The wheels in these folders that the installation may need.

    Followed are the dependencies that the wheels themselves, or what is installed here, declare.
    """
    available = _read_folders(folders)
    pinned = read_lock("\n".join(resolution.constraints))
    found: dict[str, list[Path]] = {}
    waiting = [PipRequirement(line) for line in resolution.requirements]
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name in found:
            continue
        fitting = [
            path
            for path, version in available.get(name, ())
            if name not in pinned or version.public == pinned[name] or str(version) == pinned[name]
        ]
        found[name] = fitting
        waiting += _read_dependencies(name, fitting)
    return sorted(path for paths in found.values() for path in paths)


def write_context(
    destination: IO[bytes], resolution: Resolution, settings: SiteSettings
) -> list[Path]:
    """Write the context as a tar archive; the wheels in it."""
    wheels = find_wheels(resolution, settings.wheel_folders)
    texts = {
        "Dockerfile": read_dockerfile(),
        "requirements.txt": _join_lines(resolution.requirements),
        "constraints.txt": _join_lines(resolution.constraints),
        "pip.conf": render_pip_conf(settings, folder=CONTEXT_FOLDER),
    }
    if settings.ca:
        texts["ca.pem"] = settings.ca.read_text(encoding="utf-8", errors="surrogateescape")
    with tarfile.open(fileobj=destination, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add_folder(archive, "wheels")
        for name, text in texts.items():
            _add_text(archive, name, text)
        for path in wheels:
            archive.add(path.resolve(), f"wheels/{path.name}", filter=_make_anonymous)
    return wheels


def read_dockerfile() -> str:
    """The text of the Dockerfile."""
    return asset_path("sandbox", "Dockerfile").read_text(encoding="utf-8")


def read_lock_text() -> str:
    """The text of the lock, which holds the versions that were tested."""
    return asset_path("sandbox", "requirements.lock").read_text(encoding="utf-8")


def _parse_requirement(requirement: Requirement) -> PipRequirement:
    text = f"{requirement.package}{requirement.version}"
    try:
        # Apart first: together, "numpy" and "2" would be the name numpy2.
        named, versions = PipRequirement(requirement.package), SpecifierSet(requirement.version)
    except (InvalidRequirement, InvalidSpecifier) as exc:
        raise InputError(
            f"{text!r} is no requirement; write for example 'numpy' and '>=2'."
        ) from exc
    if named.url or named.marker or named.specifier:
        raise InputError(f"{text!r} is not allowed; write a package, and its versions apart.")
    named.specifier = versions
    return named


def _render_name(requirement: PipRequirement) -> str:
    extras = ",".join(sorted(map(canonicalize_name, requirement.extras)))
    return canonicalize_name(requirement.name) + (f"[{extras}]" if extras else "")


def _find_installed(requirements: Iterable[PipRequirement]) -> dict[str, str]:
    """The versions that this machine has, where they are what is asked for."""
    found: dict[str, str] = {}
    for requirement in requirements:
        try:
            version = Version(distribution(requirement.name).version)
        except (PackageNotFoundError, InvalidVersion):
            continue
        if requirement.specifier.contains(version, prereleases=True):
            # Without the local part, such as +cu128: the image may need another build of it.
            found[canonicalize_name(requirement.name)] = version.public
    return found


def _read_folders(folders: Iterable[Path]) -> dict[str, list[tuple[Path, Version]]]:
    available: dict[str, list[tuple[Path, Version]]] = {}
    for path in (path for folder in folders for path in folder.glob("*.whl")):
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if any(tag.platform == "any" or "linux" in tag.platform for tag in tags):
            available.setdefault(name, []).append((path, version))
    return available


def _read_dependencies(name: str, wheels: Sequence[Path]) -> list[PipRequirement]:
    declared: Iterable[str] = ()
    if wheels:
        declared = _read_wheel_dependencies(wheels[0])
    else:
        try:
            declared = distribution(name).requires or ()
        except PackageNotFoundError:
            return []
    parsed = [PipRequirement(re.sub(r"\s+", " ", text)) for text in declared]
    return [need for need in parsed if not need.marker or need.marker.evaluate({"extra": ""})]


def _read_wheel_dependencies(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        message = Parser().parsestr(archive.read(metadata).decode("utf-8", "replace"))
    return message.get_all("Requires-Dist") or []


def _join_lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode("utf-8", "surrogateescape")
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(member)


def _make_anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member
