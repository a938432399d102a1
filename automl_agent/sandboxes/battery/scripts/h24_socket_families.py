"""Open sockets of families that reach beyond the container."""

import socket
from pathlib import Path

from probing import FACTS, allowed, check, denied

REFUSALS = ("EPERM", "EACCES", "EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT")
FAMILIES = {"AF_PACKET": 17, "AF_ALG": 38, "AF_VSOCK": 40, "AF_BLUETOOTH": 31, "AF_KEY": 15}


def open_socket(family: int, kind: int, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


def exchange() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        ours.sendall(b"x")
        theirs.recv(1)


def list_links() -> None:
    """A dump of the network devices; one that works may show the loopback only."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.bind((0, 0))
        netlink.settimeout(2)
        netlink.send(b"\x20\0\0\0\x12\0\x01\x03" + b"\0" * 8 + b"\x11" + b"\0" * 15)
        answer = netlink.recv(65536)
    check("netlink shows no device of the host", b"eth0" not in answer, f"{len(answer)} bytes")


allowed("a pair of unix sockets", exchange)
for name, family in FAMILIES.items():
    kind = socket.SOCK_SEQPACKET if name == "AF_ALG" else socket.SOCK_RAW
    kind = socket.SOCK_STREAM if name == "AF_VSOCK" else kind
    denied(name, lambda f=family, k=kind: open_socket(f, k), *REFUSALS)
try:
    list_links()
except OSError as exc:
    check("netlink shows no device of the host", True, exc)
with socket.socket(socket.AF_UNIX) as client:
    address = "\0" + FACTS["abstract_name"]
    denied("the host's abstract unix socket", lambda: client.connect(address), "ECONNREFUSED")
listed = Path("/proc/net/unix").read_text()
check("the host's unix sockets are not listed", FACTS["abstract_name"] not in listed, len(listed))
