"""Times as people write them."""

import math
import re

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """The seconds in 90, 90s, 1.5m or 2h.

    Raises: ValueError if it is no time.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else math.inf
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is no time; write for example 90s, 10m or 2h.")
    return seconds


def format_duration(seconds: float) -> str:
    """The time to a thousandth, in the largest unit in which it is whole, as 90s, 10m or 2h."""
    for unit in ("h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
