"""Imports between the rooms point one way, as CONTRIBUTING.md draws them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "automl_agent"
# Each room, and the rooms whose modules it may import.
MAY_IMPORT = {
    "errors": set(),
    "assets": set(),
    "environment": set(),
    "cards": {"errors", "assets"},
    "experts": {"errors", "cards"},
    "configuration": {"errors", "environment", "cards"},
    "chat_models": {"errors", "cards", "configuration"},
    "hookspecs": {"errors", "cards", "experts"},
    "plugins": {"errors", "cards", "experts", "hookspecs"},
    "plugin_check": {"errors", "environment", "cards", "experts", "hookspecs", "plugins"},
    "sandboxes": {"errors", "assets", "environment", "cards", "experts"},
    "installed_requirements": {"errors", "cards", "plugins", "sandboxes"},
    "runs": {"errors", "cards", "experts"},
    "training": {"errors", "cards", "experts", "sandboxes", "runs"},
    "knowledge": {"errors", "cards", "experts", "training"},
    "controllers": {
        "errors", "cards", "experts", "configuration", "chat_models", "plugins", "sandboxes",
        "knowledge", "runs", "training",
    },
    "builtin_plugin": {
        "errors", "cards", "hookspecs", "chat_models", "sandboxes", "installed_requirements",
        "knowledge", "training", "controllers",
    },
    "result": {"errors", "cards", "experts", "sandboxes", "runs", "training", "controllers"},
    "agent": {
        "errors", "cards", "experts", "configuration", "chat_models", "plugins", "sandboxes",
        "runs", "training", "knowledge", "controllers", "builtin_plugin", "result",
    },
    "testing": {
        "errors", "environment", "cards", "experts", "chat_models", "sandboxes", "training",
        "controllers",
    },
}  # fmt: skip
# The program sits on everything; only it knows click and rich.
MAY_IMPORT["ui"] = set(MAY_IMPORT) | {"ui"}


def find_modules() -> list[Path]:
    faces = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")
    return sorted(path for path in PACKAGE.rglob("*.py") if path not in faces)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def find_imports(tree: ast.AST) -> Iterator[str]:
    """The modules that are imported when the program runs, not those for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        is_for_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if is_for_checkers:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        yield from find_imports(node)


def find_rooms(path: Path) -> set[str]:
    names = find_imports(ast.parse(path.read_text(encoding="utf-8")))
    parts = [name.split(".") for name in names if name.startswith("automl_agent.")]
    return {part[1] for part in parts} - {"__version__"}


@pytest.mark.parametrize("path", find_modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_below_its_own(path: Path) -> None:
    room = room_of(path)
    assert find_rooms(path) <= MAY_IMPORT[room] | {room}


def test_no_room_is_below_itself() -> None:
    order = list(MAY_IMPORT)
    for room, allowed in MAY_IMPORT.items():
        assert allowed - {room} <= set(order[: order.index(room)])


@pytest.mark.parametrize(
    "path",
    sorted((PACKAGE.parent / "plugins").glob("*/src/*/__init__.py")),
    ids=lambda p: p.parent.name,
)
def test_a_plugin_imports_only_public_names(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = [name for name in find_imports(tree) if name.startswith("automl_agent.")]
    assert ours
    # "automl_agent.X" with one dot is a public name of the package.
    assert [name for name in ours if name.count(".") > 1] == []


@pytest.mark.parametrize(
    "path", sorted((PACKAGE.parent / "sandbox").glob("*.py")), ids=lambda p: p.name
)
def test_what_runs_in_a_sandbox_imports_only_the_standard_library(path: Path) -> None:
    names = find_imports(ast.parse(path.read_text(encoding="utf-8")))
    known = {"confinement"} | sys.stdlib_module_names
    assert {name.partition(".")[0] for name in names} <= known
