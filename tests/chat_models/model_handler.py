"""How the model server of tests handles one request."""

import json
import socket
import struct
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .model_server import Cut, ModelServer, Request, Stall, Step, Trickle, failure


def open_server(owner: ModelServer) -> "_Server":
    """A server on a free port of loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.model_server = owner
    return server


class _Server(ThreadingHTTPServer):
    model_server: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients leave in the middle on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        owner = self.server.model_server
        text = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request(self.path, headers, json.loads(text)))
        answer = owner.script.pop(0) if owner.script else failure(418, "The script is over.")
        self.close_connection = True
        if answer.has_head:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.send_header("connection", "close")
            self.end_headers()
        try:
            for step in answer.steps:
                time.sleep(owner.pause_s)
                self._perform(step)
            self.wfile.write(b"0\r\n\r\n")
        finally:
            owner.is_done.set()

    def do_CONNECT(self) -> None:
        """A proxy that is asked for a tunnel, and answers with a status only."""
        self.send_response(self.server.model_server.script.pop(0).status)
        self.send_header("content-length", "0")
        self.end_headers()
        self.close_connection = True

    def _perform(self, step: Step) -> None:
        match step:
            case bytes():
                self._send(step)
            case Cut():
                # Closed with this option and unread bytes, a socket resets its connection.
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.connection.close()
                raise ConnectionAbortedError
            case Stall():
                self._stall()
            case Trickle():
                while not self.server.model_server.is_over.is_set():
                    self._send(step.piece)
                    time.sleep(step.interval_s)

    def _stall(self) -> None:
        """Wait until the client has left, or the server's time is over."""
        self.connection.settimeout(0.05)
        while not self.server.model_server.is_over.is_set():
            with suppress(TimeoutError):
                if self.connection.recv(1) == b"":
                    break
        raise ConnectionAbortedError

    def _send(self, piece: bytes) -> None:
        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
