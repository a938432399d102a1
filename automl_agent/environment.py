"""The environment for other programs: without the variables that hold keys."""

import os
import re
from collections.abc import Iterator, Mapping

# A configured key must be in a variable of such a name, so no program needs a list of them.
_KEY_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*(KEY|TOKEN|SECRET|PASSWORD)")


def is_key_variable(name: str) -> bool:
    """Whether a variable of that name may hold a key."""
    return _KEY_VARIABLE.fullmatch(name) is not None


def find_key_variables(environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """The names of the variables that may hold a key."""
    return filter(is_key_variable, os.environ if environ is None else environ)


def environment_without_keys(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that another program may see."""
    environ = os.environ if environ is None else environ
    return {name: value for name, value in environ.items() if not is_key_variable(name)}
