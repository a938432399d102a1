"""Connect to everything that might answer: the host, its gateway, the metadata service, a name."""

import socket
import threading
from pathlib import Path

from probing import FACTS, allowed, check, denied

UNREACHABLE = ("ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT")


def connect(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        client.connect((host, port))
        client.sendall(b"the sandbox was here")


def send(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"\0" * 12, (host, port))


def use_loopback() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        threading.Thread(target=server.accept, daemon=True).start()
        connect("127.0.0.1", server.getsockname()[1])


allowed("the container's own loopback", use_loopback)
for host, port in FACTS["targets"]:
    # The container has a loopback of its own, on which nobody listens.
    refusals = ("ECONNREFUSED",) if host in ("127.0.0.1", "::1") else ()
    denied(f"TCP to {host}:{port}", lambda h=host, p=port: connect(h, p), *UNREACHABLE, *refusals)
denied("UDP to a name server", lambda: send("9.9.9.9", 53), *UNREACHABLE)
try:
    name = str(socket.getaddrinfo("example.com", 80))
except socket.gaierror as exc:
    check("no name is known", True, exc)
else:
    check("no name is known", False, name)
lines = Path("/proc/net/dev").read_text().splitlines()[2:]
devices = [line.partition(":")[0].strip() for line in lines]
check("only devices that lead nowhere", set(devices) <= set(FACTS["network_devices"]), devices)
routes = Path("/proc/net/route").read_text().splitlines()[1:]
check("no route", routes == [], routes)
