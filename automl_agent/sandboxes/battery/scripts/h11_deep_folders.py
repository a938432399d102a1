"""Nest folders with the longest names, far deeper than a path can say."""

import os
import time

from probing import FACTS, OUT, check

os.chdir(OUT)
n_folders = 0
for _ in range(FACTS["n_deep"]):
    os.mkdir("d" * 255)
    os.chdir("d" * 255)
    n_folders += 1
check("control: folders can be nested", n_folders > 1, n_folders)
time.sleep(60)
