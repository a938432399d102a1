"""Write where nothing may be written."""

import os
from pathlib import Path

from probing import OUT, allowed, check, denied

REFUSALS = ("EROFS", "EACCES", "EPERM")
for folder in ("/tmp", str(OUT)):
    allowed(f"write to {folder}", lambda f=folder: Path(f, "written").write_text("x"))
for folder in ("/in", "/in/jobs", "/code", "/usr/bin", "/etc", "/opt/venv", "/", "/var", "/sys"):
    denied(f"write to {folder}", lambda f=folder: Path(f, "written").write_text("x"), *REFUSALS)
for path in ("/in/runner.json", "/code/main.py", "/etc/passwd", "/opt/venv/pyvenv.cfg"):
    before = Path(path).read_bytes()
    denied(f"change {path}", lambda p=path: os.open(p, os.O_WRONLY), *REFUSALS)
    denied(f"remove {path}", lambda p=path: os.unlink(p), *REFUSALS, "EBUSY")
    denied(f"open up {path}", lambda p=path: os.chmod(p, 0o777), *REFUSALS)
    check(f"{path} is as it was", Path(path).read_bytes() == before, f"{len(before)} bytes")
