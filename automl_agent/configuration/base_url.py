"""The address of an endpoint, in the one way of writing that keys are bound to."""

import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalise_base_url(text: str) -> str:
    """The URL with small letters where case is nothing, and without what means nothing.

    Raises: ValueError with what is wrong; the text, which may hold a password, is not in it.
    """
    if not re.fullmatch(r"[!-~]+", text) or "\\" in text:
        raise ValueError("it must be ASCII characters without spaces")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise ValueError("its host or port cannot be read") from exc
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise ValueError("it must hold no user name or password; keys have a place of their own")
    if "?" in text or "#" in text:
        raise ValueError("it must end without a query or a fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = port is None or port == _DEFAULT_PORTS[parts.scheme]
    place = host if is_default else f"{host}:{port}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
