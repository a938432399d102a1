"""Write one file beyond the limit of a file."""

import os

from probing import FACTS, OUT, allowed, denied

limit = FACTS["max_file_mib"] * 2**20
path = OUT / "large.bin"
with path.open("wb") as file:
    allowed("a file up to the limit", lambda: os.truncate(file.fileno(), limit))
    denied("a byte beyond the limit", lambda: os.pwrite(file.fileno(), b"x", limit), "EFBIG")
path.unlink()
