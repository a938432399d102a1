"""Reading what a training script wrote: its log and its predictions, neither of them trusted."""

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.errors import SandboxError
from automl_agent.sandboxes.untrusted import read_untrusted

if TYPE_CHECKING:
    from numpy import ndarray as Array

MAX_LOG_BYTES = 64 * 2**20
# Read at a time, so that a long log is never in memory as a whole. No record is so long.
_PORTION_BYTES = 2**20
# Beyond it a float is no longer exact.
MAX_STEP = 2**53
# float128 is the widest; the rest is for the header, and to say what is wrong with a wrong shape.
_BYTES_PER_NUMBER = 64
_MORE_BYTES = 2**20


@dataclass(frozen=True)
class LogRecord:
    """The metrics after a step; time_s: seconds since the training began."""

    step: int
    split: str
    metrics: Mapping[str, float]
    time_s: float


class LogTail:
    """The records of a log that is still being written, each once.

    A log that is missing, too large or no regular file has none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def read_new(self) -> list[LogRecord]:
        """The records whose lines were ended since the last call, or the first of many."""
        content = self._read()
        return self._take(content[: _find_end(content)])

    def read_rest(self) -> Iterator[LogRecord]:
        """All that came since the last call, for when nobody writes any more."""
        while content := self._read():
            yield from self._take(content[: _find_end(content) or len(content)])

    def _read(self) -> bytes:
        try:
            return read_untrusted(
                self._path, max_bytes=MAX_LOG_BYTES, start=self._position, n_bytes=_PORTION_BYTES
            )
        except OSError:
            return b""

    def _take(self, content: bytes) -> list[LogRecord]:
        self._position += len(content)
        return list(parse_records(content))


def read_log(path: Path) -> list[LogRecord]:
    """All records of a log that is no longer written; none if there is no log."""
    return list(iterate_log(path))


def iterate_log(path: Path) -> Iterator[LogRecord]:
    """As `read_log`, without holding all of them: a script may log half a million."""
    return LogTail(path).read_rest()


def parse_records(content: bytes) -> Iterator[LogRecord]:
    """The records in JSON lines; a line that does not fit schemas/training_log is left out."""
    for line in content.splitlines():
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_record(document):
            yield LogRecord(
                int(document["step"]), document["split"], document["metrics"], document["time_s"]
            )


def best_step(records: Iterable[LogRecord], metric: str, *, greater_is_better: bool) -> int | None:
    """The step with the best validation metric, or None if the log does not have it."""
    scored = (
        (r.metrics[metric], r.step) for r in records if r.split == "valid" and metric in r.metrics
    )
    choose = max if greater_is_better else min
    best = choose(scored, key=lambda s: s[0], default=None)
    return None if best is None else best[1]


def _find_end(content: bytes) -> int:
    """Where the last line ends; a portion that is all one line is passed over."""
    end = content.rfind(b"\n") + 1
    return len(content) if not end and len(content) == _PORTION_BYTES else end


def read_predictions(path: Path, *, n_rows: int, n_classes: int | None) -> "Array":
    """The predictions in a .npy file: (n_rows, n_classes) probabilities or (n_rows,) values.

    Raises: SandboxError if the file is missing, too large, has objects, another shape or numbers
        that are not finite, or rows of probabilities that do not sum to 1.
    """
    import numpy as np

    shape = (n_rows,) if n_classes is None else (n_rows, n_classes)
    try:
        content = read_untrusted(
            path, max_bytes=_MORE_BYTES + _BYTES_PER_NUMBER * n_rows * (n_classes or 1)
        )
        found = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as exc:  # a forged header makes NumPy raise almost anything
        raise SandboxError(f"The script left no predictions that can be read ({exc}).") from exc
    if found.shape != shape:
        raise SandboxError(f"The predictions have the shape {found.shape}; needed is {shape}.")
    if found.dtype.kind not in "fiu":
        raise SandboxError(f"The predictions are not numbers but {found.dtype}.")
    with np.errstate(over="ignore"):  # becomes infinite and is refused
        predictions = found.astype("float64")
    if not np.isfinite(predictions).all():
        raise SandboxError("The predictions are not all finite numbers.")
    if n_classes is not None:
        _check_probabilities(predictions)
        predictions /= predictions.sum(axis=1, keepdims=True)
    return predictions


def _check_probabilities(predictions: "Array") -> None:
    import numpy as np

    sums = predictions.sum(axis=1)
    if (predictions < 0).any() or not np.allclose(sums, 1, atol=1e-3):
        raise SandboxError(
            "The predictions are not probabilities: a row is negative or does not sum to 1."
        )


def _is_record(document: object) -> bool:
    # Checked by hand: a log has thousands of lines, and jsonschema takes 100 µs for each.
    return (
        isinstance(document, dict)
        and set(document) == {"step", "epoch", "split", "metrics", "time_s"}
        and _is_number(document["step"])
        and 0 <= document["step"] <= MAX_STEP
        and document["step"] == int(document["step"])  # 3.0 is a whole number of JSON
        and (document["epoch"] is None or _is_number(document["epoch"]))
        and document["split"] in ("train", "valid")
        and _is_number(document["time_s"])
        and document["time_s"] >= 0
        and isinstance(document["metrics"], dict)
        and bool(document["metrics"])
        and all(_is_number(value) for value in document["metrics"].values())
    )


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False
