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
    from numpy.typing import NDArray

MAX_LOG_BYTES = 64 * 2**20
MAX_PREDICTIONS_BYTES = 4 * 2**30


@dataclass(frozen=True)
class LogRecord:
    """The metrics after a step; time_s: seconds since the training began."""

    step: int
    split: str
    metrics: Mapping[str, float]
    time_s: float


class LogTail:
    """The records of a log that is still being written, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def read_new(self) -> list[LogRecord]:
        """The whole records that came since the last call."""
        try:
            content = read_untrusted(self._path, max_bytes=MAX_LOG_BYTES, start=self._position)
        except FileNotFoundError:
            return []
        end = content.rfind(b"\n") + 1
        self._position += end
        return list(parse_records(content[:end]))


def read_log(path: Path) -> list[LogRecord]:
    """All records of a log; none if there is no log."""
    return LogTail(path).read_new()


def parse_records(content: bytes) -> Iterator[LogRecord]:
    """The records in JSON lines; a line that is no record is left out."""
    for line in content.splitlines():
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_record(document):
            yield LogRecord(
                document["step"], document["split"], document["metrics"], document["time_s"]
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


def read_predictions(path: Path, *, n_rows: int, n_classes: int | None) -> "NDArray":
    """The predictions in a .npy file: (n_rows, n_classes) probabilities or (n_rows,) values.

    Raises: SandboxError if the file is missing, too large, has objects, another shape or numbers
        that are not finite, or rows of probabilities that do not sum to 1.
    """
    import numpy as np

    try:
        content = read_untrusted(path, max_bytes=MAX_PREDICTIONS_BYTES)
        predictions = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise SandboxError(f"The script left no predictions that can be read ({exc}).") from exc
    shape = (n_rows,) if n_classes is None else (n_rows, n_classes)
    if not isinstance(predictions, np.ndarray) or predictions.shape != shape:
        found = getattr(predictions, "shape", type(predictions).__name__)
        raise SandboxError(f"The predictions have the shape {found}; needed is {shape}.")
    if predictions.dtype.kind not in "fiu" or not np.isfinite(predictions).all():
        raise SandboxError("The predictions are not finite numbers.")
    predictions = predictions.astype("float64")
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
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(f"{path.name} is not a regular file")
    return file


def _check_probabilities(predictions: "NDArray") -> None:
    import numpy as np

    sums = predictions.sum(axis=1)
    if (predictions < 0).any() or not np.allclose(sums, 1, atol=1e-3):
        raise SandboxError("The predictions are not probabilities: a row does not sum to 1.")


def _is_record(document: object) -> bool:
    # Checked by hand: a log has thousands of lines, and jsonschema takes 100 µs for each.
    return (
        isinstance(document, dict)
        and set(document) == {"step", "epoch", "split", "metrics", "time_s"}
        and isinstance(document["step"], int)
        and document["split"] in ("train", "valid")
        and _is_finite(document["time_s"])
        and isinstance(document["metrics"], dict)
        and bool(document["metrics"])
        and all(_is_finite(value) for value in document["metrics"].values())
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
