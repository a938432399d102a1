"""Hold the interpreter's lock in native code for ever."""

import ctypes

from probing import check

check("control: native code can be called", ctypes.PyDLL(None).abs(-3) == 3, "abs(-3)")
ctypes.PyDLL(None).sleep(3600)
