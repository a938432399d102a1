"""Send packets that no program of a user may make."""

import socket

from probing import allowed, denied

allowed("a socket of TCP", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close())
for name, protocol in (("ICMP", socket.IPPROTO_ICMP), ("raw", socket.IPPROTO_RAW)):
    denied(
        f"a raw socket of {name}",
        lambda p=protocol: socket.socket(socket.AF_INET, socket.SOCK_RAW, p).close(),
        "EPERM",
        "EACCES",
    )
