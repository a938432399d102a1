"""Print what is no text, then fail, so that the end of it is the message."""

import os
import sys

from probing import check

check("control: bytes can be printed", os.write(1, b"a\xff\xfe\xed\xa0\x80b\0c\n") > 0, "9 bytes")
sys.exit(3)
