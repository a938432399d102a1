"""Leave something for the next script."""

from pathlib import Path

from probing import allowed

for path in ("/tmp/evil.py", "/tmp/.bashrc", "/dev/shm/evil", "/tmp/.config/pip/pip.conf"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    allowed(f"write {path}", lambda p=path: Path(p).write_text("import os"))
