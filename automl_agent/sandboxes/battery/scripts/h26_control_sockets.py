"""Look for sockets by which a program outside could be told what to do."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from probing import check

KNOWN = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/dbus/system_bus_socket",
    "/tmp/.X11-unix",
    "/run/user",
    "/var/run/secrets",
)


def find_sockets() -> Iterator[str]:
    for folder, _, names in os.walk("/"):
        if folder.startswith(("/proc", "/sys")):
            continue
        for name in names:
            path = Path(folder) / name
            try:
                if stat.S_ISSOCK(path.lstat().st_mode):
                    yield str(path)
            except OSError:
                continue


present = [path for path in KNOWN if Path(path).exists()]
check("no known socket", present == [], present)
with socket.socket(socket.AF_UNIX) as own:
    own.bind("/tmp/own.sock")
    found = set(find_sockets())
check("control: the search finds a socket", "/tmp/own.sock" in found, sorted(found))
check("no other socket", found <= {"/tmp/own.sock"}, sorted(found))
variables = [name for name in os.environ if name.endswith(("_SOCK", "_HOST", "_ADDRESS"))]
check("no variable names one", variables == [], variables)
