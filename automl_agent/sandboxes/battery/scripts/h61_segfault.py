"""Die of a forbidden address."""

import ctypes

from probing import check

check("control: an allowed address", ctypes.string_at(b"abc", 1) == b"a", "a")
ctypes.string_at(1)
