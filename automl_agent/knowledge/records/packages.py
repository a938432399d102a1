"""Knowledge that comes with packages; none of them is imported for it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path

from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.archive import FILE_NAME, Archive, read_archive

GROUP = "automl_agent_cards"
# The distribution of what the package itself carries.
BUILTIN = "automl-agent"
_BASE = Path(__file__).parents[1] / "base" / FILE_NAME


@dataclass(frozen=True)
class KnowledgeSource:
    """Knowledge of an installed distribution, found and not yet read."""

    distribution: str
    version: str
    path: Path

    def read(self) -> Archive:
        """Its knowledge; the origin of its cards names the distribution.

        Raises: KnowledgeError that names the distribution and the remedy.
        """
        try:
            archive = read_archive(self.path, is_own=self.path == _BASE)
        except KnowledgeError as exc:
            raise self.refuse(str(exc)) from exc
        label = f"{self.distribution} {self.version}"
        cards = {
            card_id: replace(known, origin=f"{known.origin} ({label})")
            for card_id, known in archive.cards.items()
        }
        return replace(archive, cards=cards)

    def refuse(self, reason: str) -> KnowledgeError:
        """The error for knowledge that cannot be read."""
        return KnowledgeError(
            f"The knowledge of {self.distribution} {self.version} is left out: {reason} Install "
            f"it again: pip install --force-reinstall {self.distribution}"
        )


def find_base(version: str) -> list[KnowledgeSource]:
    """What the package itself carries; nothing if it was built without it."""
    return [KnowledgeSource(BUILTIN, version, _BASE)] if _BASE.is_file() else []


def find_packages(warnings: list[str]) -> Iterator[KnowledgeSource]:
    """The knowledge of installed distributions, by their names.

    warnings: gets a sentence for each distribution whose knowledge cannot be found.
    """
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        try:
            # The first on sys.path is the one that Python imports.
            if distribution.entry_points.select(group=GROUP):
                found.setdefault(distribution.name.lower(), distribution)
        except Exception:  # noqa: BLE001 - what a broken uninstall left behind must hide no other
            continue
    for name in sorted(found):
        for entry_point in found[name].entry_points.select(group=GROUP):
            # The top-level package only: to find one inside of it, Python would import it.
            package = re.split(r"[.:\[]", entry_point.value, maxsplit=1)[0].strip()
            path = _find_file(package)
            source = KnowledgeSource(found[name].name, found[name].version or "", path or Path())
            if path is None:
                warnings.append(str(source.refuse(f"its {package}/{FILE_NAME} cannot be found.")))
            else:
                yield source


def _find_file(package: str) -> Path | None:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    folders = (spec.submodule_search_locations if spec else None) or ()
    paths = (Path(folder) / FILE_NAME for folder in folders)
    return next((path for path in paths if path.is_file()), None)
