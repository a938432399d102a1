"""Knowledge as an ordinary pip package, and reading one that is not installed."""

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.archive import (
    FILE_NAME,
    MAX_BYTES,
    Archive,
    Manifest,
    parse_archive,
    read_archive,
    write_archive,
)
from automl_agent.knowledge.records.packages import GROUP
from automl_agent.knowledge.records.record import KnownCard, Record

T = TypeVar("T", str, Path)
_PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{distribution}"
version = "{version}"
description = "Knowledge for automl-agent: {n_records} trainings on {n_cards} data sets"
readme = "README.md"

[project.entry-points.{group}]
{name} = "{package}"

[tool.setuptools]
packages = ["{package}"]

[tool.setuptools.package-data]
"{package}" = ["*.gz"]
"""
_README = """\
# {distribution}

Knowledge for automl-agent: {n_records} trainings on {n_cards} data sets, collected until {created}.
Once this package is installed, automl-agent begins with what worked on similar data sets.

Where it comes from: {provenance}

It has no rows of data. It has the data cards: names and descriptions of data sets, names of columns
and classes, and statistics.

| data set | task | rows | trainings |
|---|---|---|---|
{rows}
"""


def write_package(
    folder: Path, manifest: Manifest, known_cards: Sequence[KnownCard], records: Sequence[Record]
) -> Path:
    """The folder of a source package, which pip builds and installs.

    folder: where the package's own folder is made.
    Raises: KnowledgeError if it is there already, or cannot be written.
    """
    distribution = f"automl-agent-cards-{manifest.name}"
    package = distribution.replace("-", "_")
    project = folder / distribution
    fields = {
        "distribution": distribution,
        "package": package,
        "group": GROUP,
        "name": manifest.name,
        "version": _name_version(manifest),
        "n_cards": len(known_cards),
        "n_records": len(records),
        "created": manifest.created,
        "provenance": manifest.provenance,
        "rows": "\n".join(_describe_card(known, records) for known in known_cards),
    }
    try:
        (project / package).mkdir(parents=True)
        sent = [_send_away(known) for known in known_cards]
        write_archive(project / package / FILE_NAME, sent, records, manifest)
        for name, text in (
            ("pyproject.toml", _PROJECT.format(**fields)),
            ("README.md", _README.format(**fields)),
            (f"{package}/__init__.py", '"""Knowledge for automl-agent; it has no code."""\n'),
        ):
            (project / name).write_text(text, encoding="utf-8")
    except FileExistsError as exc:
        raise KnowledgeError(f"{project} is there already; give another --output.") from exc
    except OSError as exc:
        raise KnowledgeError(f"{project} cannot be written ({exc.strerror or exc}).") from exc
    return project


def read_package(path: Path) -> Archive:
    """The knowledge in a file, or in a folder or wheel of a package that is not installed.

    Raises: KnowledgeError if there is none, more than one, or it cannot be read.
    """
    if path.is_dir():
        places = (path, *(inner for inner in sorted(path.iterdir()) if inner.is_dir()))
        found = [place / FILE_NAME for place in places if (place / FILE_NAME).is_file()]
        return read_archive(_take_one(found, path))
    if path.suffix == ".whl":
        return _read_wheel(path)
    return read_archive(path)


def _read_wheel(path: Path) -> Archive:
    try:
        with zipfile.ZipFile(path) as wheel:
            found = [name for name in wheel.namelist() if name.split("/")[1:] == [FILE_NAME]]
            name = _take_one(found, path)
            with wheel.open(name) as member:
                content = member.read(MAX_BYTES + 1)
    # The last two: a compression that zipfile does not know, and a password.
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as exc:
        raise KnowledgeError(f"{path}: cannot be read as a wheel ({exc}).") from exc
    if len(content) > MAX_BYTES:
        raise KnowledgeError(f"{path}: is larger than any knowledge; do not use it.")
    return parse_archive(io.BytesIO(content), source=f"{path}: {name}")


def _take_one(found: Sequence[T], path: Path) -> T:
    if len(found) != 1:
        what = f"{len(found)} files" if found else "no file"
        raise KnowledgeError(
            f"{path}: has {what} {FILE_NAME}; give the file, or the folder or wheel of one package "
            "automl-agent-cards-NAME."
        )
    return found[0]


def _send_away(known: KnownCard) -> KnownCard:
    """As another machine is to know it: what is trained here is no run of its own."""
    return replace(known, origin="a run on another machine") if known.is_own else known


def _name_version(manifest: Manifest) -> str:
    """A later export of the same name is a later version."""
    numbers = [int(part) for part in re.findall(r"\d+", manifest.created)[:5]]
    numbers += [0] * (5 - len(numbers))
    year, month, day, hour, minute = numbers
    return f"{year}.{month}.{day}.{hour * 60 + minute}"


def _describe_card(known: KnownCard, records: Sequence[Record]) -> str:
    card, card_id = known.card, known.card_id
    name = re.sub(r"[^\w .,()/-]", "_", card.name)[:80]  # no marks of Markdown
    n_records = sum(record.card_id == card_id for record in records)
    return f"| {name} | {card.task.replace('_', ' ')} | {card.n_rows or ''} | {n_records} |"
