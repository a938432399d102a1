"""Reading what a training script wrote: its log and its predictions, neither of them trusted."""

import io
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from automl_agent.errors import SandboxError

if TYPE_CHECKING:
    from numpy import ndarray as Array

MAX_LOG_BYTES = 64 * 2**20
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
        """The records whose lines were ended since the last call."""
        content = self._read()
        return self._take(content[: content.rfind(b"\n") + 1])

    def read_rest(self) -> list[LogRecord]:
        """All that came since the last call, for when nobody writes any more."""
        return self._take(self._read())

    def _read(self) -> bytes:
        try:
            return read_untrusted(self._path, max_bytes=MAX_LOG_BYTES, start=self._position)
        except OSError:
            return b""

    def _take(self, content: bytes) -> list[LogRecord]:
        self._position += len(content)
        return list(parse_records(content))


def read_log(path: Path) -> list[LogRecord]:
    """All records of a log that is no longer written; none if there is no log."""
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


def best_step(records: list[LogRecord], metric: str, *, greater_is_better: bool) -> int | None:
    """The step with the best validation metric, or None if the log does not have it."""
    scored = [
        (r.metrics[metric], r.step) for r in records if r.split == "valid" and metric in r.metrics
    ]
    if not scored:
        return None
    best = max(scored, key=lambda s: s[0]) if greater_is_better else min(scored, key=lambda s: s[0])
    return best[1]


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


def read_untrusted(path: Path, *, max_bytes: int, start: int = 0) -> bytes:
    """The bytes of a regular file from `start`; a link, device, pipe or larger file is refused.

    Raises: OSError, FileNotFoundError.
    """
    with _open_untrusted(path) as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise OSError(f"{path.name} is larger than {max_bytes} bytes")
        file.seek(start)
        return file.read(max_bytes - start)


def read_tail(path: Path, *, n_bytes: int = 4096) -> str:
    """The end of what a script printed, as text; empty if there is nothing to read."""
    try:
        with _open_untrusted(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - n_bytes))
            return file.read(n_bytes).decode("utf-8", "backslashreplace").strip()
    except OSError:
        return ""


def _open_untrusted(path: Path) -> BinaryIO:
    # The folder was the script's to replace, too.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path.name, flags, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")


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
