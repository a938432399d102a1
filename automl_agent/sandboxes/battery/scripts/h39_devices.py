"""Make and open devices."""

import os
import stat

from probing import FACTS, allowed, check, denied

allowed("/dev/null", lambda: os.close(os.open("/dev/null", os.O_RDWR)))
for name, kind, device in (("mem", stat.S_IFCHR, (1, 1)), ("sda", stat.S_IFBLK, (8, 0))):
    denied(
        f"mknod {name}",
        lambda k=kind, d=device: os.mknod("/tmp/device", k | 0o666, os.makedev(*d)),
        "EPERM",
        "ENOSYS",
    )
for name in ("mem", "kmsg", "port", "sda", "vda", "fuse", "kvm", "net/tun", "nvidia0", "loop0"):
    denied(
        f"/dev/{name}",
        lambda n=name: os.open(f"/dev/{n}", os.O_RDONLY | os.O_NONBLOCK),
        "ENOENT",
        "EPERM",
        "EACCES",
        "ENXIO",
    )
others = sorted(set(os.listdir("/dev")) - set(FACTS["devices"]))
check("no other device", others == [], others)
