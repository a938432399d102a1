"""Print for ever."""

import os

from probing import check

check("control: a line can be printed", os.write(1, b"hello\n") == 6, "6 bytes")
block = b"y\n" * 2**19
while True:
    os.write(1, block)
