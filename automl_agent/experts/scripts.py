"""What an expert's scripts must be: the four names, valid Python, only declared packages."""

import ast
import sys
import warnings
from collections.abc import Iterator, Mapping

from automl_agent.cards.model_card import ModelCard
from automl_agent.errors import ToolError

SCRIPT_NAMES = ("data_processing.py", "model.py", "train.py", "predict.py")


def check_scripts(scripts: Mapping[str, str], card: ModelCard) -> None:
    """Nothing, if these are the four scripts, each fit to run.

    Raises: ToolError that names the script and the line.
    """
    if set(scripts) != set(SCRIPT_NAMES):
        raise ToolError(
            f"{card.name} wrote {', '.join(sorted(scripts)) or 'no scripts'}; "
            f"needed are exactly {', '.join(SCRIPT_NAMES)}."
        )
    for name, text in scripts.items():
        check_script(name, text, card)


def check_script(name: str, text: str, card: ModelCard) -> None:
    """Nothing, if the script parses and imports only what its card declares.

    Raises: ToolError.
    """
    tree = _parse_script(name, text)
    declared = {m.partition(".")[0] for need in card.requirements for m in need.imports}
    own = {script.removesuffix(".py") for script in SCRIPT_NAMES}
    allowed = declared | own | sys.stdlib_module_names
    for line, module in _imports(tree):
        if module.startswith("."):
            raise ToolError(
                f"{name}, line {line}: imports {module!r}, but the scripts lie in a folder and not "
                "in a package; import by the name alone."
            )
        if module not in allowed:
            raise ToolError(
                f"{name}, line {line}: imports {module!r}, which the card of {card.name} does not "
                f"declare; allowed beside the standard library: {', '.join(sorted(declared))}."
            )


def read_docstring(text: str) -> str:
    """What a script says at its top that it does; "" if it says nothing or is no Python."""
    try:
        return ast.get_docstring(_parse_script("script", text)) or ""
    except ToolError:
        return ""


def _parse_script(name: str, text: str) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # such as of "\d" in a string
            return ast.parse(text, filename=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        reason = str(exc) or "it is nested too deeply"
        raise ToolError(f"{name} is not valid Python: {reason}.") from exc


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").partition(".")[0]
            yield node.lineno, "." * node.level + module
