"""Where schemas/ and sandbox/ lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).parent


def asset_path(room: Literal["schemas", "sandbox"], name: str) -> Path:
    """The file NAME of a room, as shipped."""
    in_wheel = _PACKAGE / "_assets" / room
    folder = in_wheel if in_wheel.is_dir() else _PACKAGE.parent / room
    return folder / name
