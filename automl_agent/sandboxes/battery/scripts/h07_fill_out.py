"""Fill /out with files of 1 MiB."""

import time

from probing import FACTS, OUT, check

block = b"x" * 2**20
(OUT / "first").write_bytes(block)
check("control: /out can be written to", (OUT / "first").stat().st_size == 2**20, "1 MiB")
for n_files in range(4 * FACTS["out_mib"]):
    (OUT / f"{n_files}.bin").write_bytes(block)
time.sleep(60)
