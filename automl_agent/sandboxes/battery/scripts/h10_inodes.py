"""Make empty files in /tmp until the kernel says no."""

import os
from pathlib import Path

from probing import FACTS, check

folder = Path("/tmp/many")
folder.mkdir()
n_files = 0
failure = "none"
try:
    while n_files <= FACTS["tmp_inodes"]:
        os.close(os.open(folder / str(n_files), os.O_CREAT | os.O_WRONLY))
        n_files += 1
except OSError as exc:
    failure = os.strerror(exc.errno or 0)
check("control: a hundred files can be made", n_files >= 100, n_files)
check("the number of files is limited", failure == "No space left on device", failure)
