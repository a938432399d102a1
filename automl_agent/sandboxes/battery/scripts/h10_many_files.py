"""Make files in /out for ever."""

import os
import time

from probing import FACTS, OUT, check

for n_files in range(4 * FACTS["out_files"]):
    os.close(os.open(OUT / str(n_files), os.O_CREAT | os.O_WRONLY))
    if n_files == 100:
        check("control: a hundred files can be made", True, n_files)
time.sleep(60)
