"""Use the kernel's keyrings, which no namespace separates."""

from probing import allowed, denied, number_of, system_call

REFUSALS = ("EPERM", "ENOSYS", "EACCES")
SESSION_KEYRING, KEYCTL_SEARCH, KEYCTL_JOIN = -3, 10, 1
add_key, request_key, keyctl = number_of(248, 217), number_of(249, 218), number_of(250, 219)

allowed("a system call by number", lambda: system_call(number_of(39, 172)))
denied("add_key", lambda: system_call(add_key, "user", "probe", "x", 1, SESSION_KEYRING), *REFUSALS)
denied("request_key", lambda: system_call(request_key, "user", "probe", 0, 0), *REFUSALS)
denied("keyctl join", lambda: system_call(keyctl, KEYCTL_JOIN, "mine"), *REFUSALS)
denied(
    "keyctl search",
    lambda: system_call(keyctl, KEYCTL_SEARCH, SESSION_KEYRING, "user", "probe", 0),
    *REFUSALS,
)
