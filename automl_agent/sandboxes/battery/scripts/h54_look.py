"""Look for what an earlier script left."""

import os
from pathlib import Path

from probing import allowed, check

for folder in ("/tmp", "/dev/shm"):
    found = os.listdir(folder)
    check(f"{folder} is empty", found == [], found)
    allowed(f"{folder} can be written to", lambda f=folder: Path(f, "own").write_text("x"))
