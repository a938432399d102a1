"""Addresses of endpoints: what a base URL says about where messages go."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether what is sent to the URL stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_unencrypted(url: str) -> bool:
    """Whether what is sent to the URL can be read and changed on its way."""
    return urlsplit(url).scheme == "http" and not is_loopback(url)


def is_base_url(url: str) -> bool:
    """Whether the URL is one that messages can be sent to, without a password in it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_http and "@" not in parts.netloc and url.isprintable() and " " not in url
