"""What a container prints: all of it is read, its beginning and its end are kept."""

from collections import deque

HEAD_BYTES = 64 * 2**10
TAIL_BYTES = 192 * 2**10


class Stream:
    """One of a container's two streams, in bounded memory."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._n_tail_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Take what came."""
        self.n_bytes += len(chunk)
        room = HEAD_BYTES - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:][-TAIL_BYTES:]
        if rest:
            self._tail.append(rest)
            self._n_tail_bytes += len(rest)
        while self._tail and self._n_tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
            self._n_tail_bytes -= len(self._tail.popleft())

    def text(self) -> str:
        """The beginning and the end, with a mark where bytes were dropped."""
        tail = b"".join(self._tail)[-TAIL_BYTES:]
        n_dropped = self.n_bytes - len(self._head) - len(tail)
        mark = f"\n[... {n_dropped} bytes dropped ...]\n" if n_dropped else ""
        return _decode(bytes(self._head)) + mark + _decode(tail)


class Output:
    """Both streams of a container."""

    def __init__(self) -> None:
        self.stdout = Stream()
        self.stderr = Stream()

    @property
    def n_bytes(self) -> int:
        """All that came, kept or not."""
        return self.stdout.n_bytes + self.stderr.n_bytes

    def tail(self, n_characters: int) -> str:
        """The last of what was printed, errors last."""
        return (self.stdout.text() + self.stderr.text())[-n_characters:]


def _decode(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")
