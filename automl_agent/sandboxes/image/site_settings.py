"""What a site sets for pip and the network: indexes, certificates, proxies, folders of wheels."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from automl_agent.environment import environment_without_keys
from automl_agent.errors import InputError

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
# Of pip's sections the later ones win, as pip reads them.
_SECTIONS = ("global", "install", ":env:")


@dataclass(frozen=True)
class SiteSettings:
    """Where a build finds packages, and how it gets there.

    find_links: pages with links to wheels; folders of wheels are in `wheel_folders`.
    proxies: environment variables with their values.
    notes: what was found and cannot be used, one sentence each.
    """

    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    wheel_folders: tuple[Path, ...] = ()
    ca: Path | None = None
    pip_proxy: str = ""
    timeout: str = ""
    has_index: bool = True
    proxies: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def list_pip_options(python: str = sys.executable) -> dict[str, str]:
    """What `pip config list` says, by option; empty where that Python has no pip."""
    command = [python, "-m", "pip", "config", "list"]
    listed = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment_without_keys()
    )
    return parse_pip_options(listed.stdout) if listed.returncode == 0 else {}


def parse_pip_options(listing: str) -> dict[str, str]:
    """The options that count for an installation, from lines such as global.cert='/etc/ca.pem'."""
    options: dict[tuple[str, str], str] = {}
    for line in listing.splitlines():
        key, _, quoted = line.partition("=")
        section, _, name = key.strip().rpartition(".")
        try:
            options[section, name] = str(ast.literal_eval(quoted))
        except (ValueError, SyntaxError):
            continue
    return {
        name: value
        for wanted in _SECTIONS
        for (section, name), value in options.items()
        if section == wanted
    }


def read_site_settings(options: Mapping[str, str], environ: Mapping[str, str]) -> SiteSettings:
    """The settings in pip's options and in the environment."""
    indexes = [options.get("index-url", ""), *options.get("extra-index-url", "").split()]
    index, *extra_indexes = ("" if _is_local(url) else url for url in indexes)
    links = options.get("find-links", "").split()
    folders = [_read_folder(link) for link in links if _is_local(link) or "://" not in link]
    no_index = options.get("no-index", "").lower() in ("1", "true", "yes", "on")
    skipped = [
        f"The index {url} is skipped: a build cannot see this machine's files."
        for url in indexes
        if _is_local(url)
    ]
    if "client-cert" in options:
        skipped.append("pip's client-cert is skipped: use an index that takes a name and password.")
    return SiteSettings(
        index=index,
        extra_indexes=tuple(filter(None, extra_indexes)),
        trusted_hosts=tuple(options.get("trusted-host", "").split()),
        find_links=tuple(link for link in links if "://" in link and not _is_local(link)),
        wheel_folders=tuple(folder for folder in folders if folder.is_dir()),
        ca=_find_ca(options, environ),
        pip_proxy=options.get("proxy", ""),
        timeout=options.get("timeout", options.get("default-timeout", "")),
        has_index=not no_index,
        proxies=tuple(_find_proxies(environ)),
        notes=tuple(skipped),
    )


def render_pip_conf(settings: SiteSettings, *, folder: str) -> str:
    """Pip's configuration for a build whose context lies in `folder`."""
    lines = ["[global]"]
    lines += [f"index-url = {settings.index}"] if settings.index else []
    lines += [] if settings.has_index else ["no-index = true"]
    lines += _render_list("extra-index-url", settings.extra_indexes)
    lines += _render_list("trusted-host", settings.trusted_hosts)
    lines += _render_list("find-links", (f"{folder}/wheels", *settings.find_links))
    lines += [f"cert = {folder}/ca.pem"] if settings.ca else []
    lines += [f"proxy = {settings.pip_proxy}"] if settings.pip_proxy else []
    lines += [f"timeout = {settings.timeout}"] if settings.timeout else []
    return "\n".join(lines) + "\n"


def _render_list(name: str, values: Iterable[str]) -> list[str]:
    listed = [f"    {value}" for value in values]
    return [f"{name} =", *listed] if listed else []


def _is_local(url: str) -> bool:
    return url.startswith("file:")


def _read_folder(link: str) -> Path:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(link).path)) if _is_local(link) else Path(link).expanduser()


def _find_ca(options: Mapping[str, str], environ: Mapping[str, str]) -> Path | None:
    candidates = [options.get("cert", ""), *(environ.get(name, "") for name in _CA_VARIABLES)]
    named = next(filter(None, candidates), None)
    if named is None:
        return None
    if not Path(named).is_file():
        raise InputError(
            f"{named}: there is no such file of certificates; correct it, or use --ca."
        )
    return Path(named)


def _find_proxies(environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name in _PROXY_VARIABLES:
        for spelling in (name, name.lower()):
            if environ.get(spelling):
                yield spelling, environ[spelling]


def site_settings() -> SiteSettings:
    """The settings of this machine."""
    return read_site_settings(list_pip_options(), os.environ)
