"""One container: the calls that the engine is asked for, each with a deadline and a remedy."""

import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from automl_agent.sandboxes.docker.engine import EngineError, explaining_errors

if TYPE_CHECKING:
    from docker import APIClient
    from docker.types import CancellableStream


# The streams of a container, as the engine numbers them.
STDOUT, STDERR = 1, 2
_PIECE_BYTES = 2**16


class ContainerGoneError(EngineError):
    """The container is not there any more, and it was not us."""


class NameTakenError(EngineError):
    """There is a container of that name."""


class Container:
    """A container of an engine, made or found."""

    def __init__(self, client: "APIClient", container_id: str) -> None:
        self._client = client
        self.container_id = container_id
        self._is_followed = True
        self._stream: CancellableStream | None = None

    def start(self) -> None:
        """Start it."""
        with explaining_errors("start the container"):
            self._client.start(self.container_id)

    def inspect(self) -> dict[str, Any]:
        """Everything that the engine knows about it.

        Raises: ContainerGoneError.
        """
        from docker.errors import NotFound

        with explaining_errors("look at the container"):
            try:
                found: dict[str, Any] = self._client.inspect_container(self.container_id)
            except NotFound as exc:
                message = "Somebody else removed the container; start the step again."
                raise ContainerGoneError(message) from exc
            return found

    def stop(self, grace_s: int) -> None:
        """SIGTERM and, after a grace, SIGKILL; harmless if it has ended."""
        with explaining_errors("stop the container"):
            self._client.stop(self.container_id, timeout=grace_s)

    def kill(self) -> None:
        """SIGKILL to all of it; harmless if it has ended."""
        from docker.errors import APIError

        with explaining_errors("kill the container"):
            try:
                self._client.kill(self.container_id)
            except APIError as exc:
                if exc.status_code not in (404, 409):  # gone, or ended by itself
                    raise

    def remove(self) -> None:
        """Take it away, whatever it does; harmless if it is gone or going."""
        from docker.errors import APIError

        with explaining_errors("remove the container"):
            try:
                self._client.remove_container(self.container_id, v=True, force=True)
            except APIError as exc:
                if exc.status_code not in (404, 409):
                    raise

    def follow_output(self, client: "APIClient") -> Iterator[tuple[int, bytes]]:
        """What it prints from its start to its end, as it comes, with STDOUT or STDERR.

        client: a connection of its own, as this one is in use by another thread.
        """
        with explaining_errors("read the container's output"):
            stream = client.attach(self.container_id, stream=True, logs=True)
            self._stream = stream
            # docker-py reads from the socket itself, and so loses what came together with the
            # answer's headers: that is in their reader's buffer.
            reader = stream._response.raw._fp.fp
            client._disable_socket_timeout(client._get_raw_response_socket(stream._response))
            # docker-py's own close() leaves the socket to the garbage collector.
            with closing(stream._response):
                if self._is_followed:
                    yield from read_frames(reader)

    def stop_following(self) -> None:
        """End `follow_output`, from another thread; an engine that hangs never ends it."""
        self._is_followed = False
        if self._stream is not None:
            with suppress(OSError, AttributeError):  # it has ended, or is about to
                self._stream.close()


def read_frames(reader: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The pieces of both of a container's streams, as the engine sends them in one connection.

    Each frame begins with 8 bytes: the stream, three zeros, the size, big-endian.
    """
    while len(header := reader.read(8)) == 8:
        stream, n_bytes = struct.unpack(">BxxxL", header)
        while n_bytes and (piece := reader.read(min(n_bytes, _PIECE_BYTES))):
            n_bytes -= len(piece)
            yield stream, piece


def create_container(client: "APIClient", body: Mapping[str, Any], name: str) -> Container:
    """A new container.

    Raises: NameTakenError; EngineError.
    """
    from docker.errors import APIError

    with explaining_errors("create the container"):
        try:
            created = client.create_container_from_config(dict(body), name)
        except APIError as exc:
            if exc.status_code != 409:
                raise
            raise NameTakenError(
                f"There is a container {name} already, and it is no step of this run; remove it: "
                f"docker rm -f {name}"
            ) from exc
        return Container(client, created["Id"])


def find_container(client: "APIClient", name: str) -> tuple[Container, dict[str, Any]]:
    """The container of that name, and what the engine knows about it.

    Raises: ContainerGoneError.
    """
    found = Container(client, name).inspect()
    return Container(client, found["Id"]), found
