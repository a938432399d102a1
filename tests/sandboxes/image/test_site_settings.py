"""What a site sets for pip reaches the build."""

import configparser
from pathlib import Path

import pytest

from automl_agent.errors import InputError
from automl_agent.sandboxes.image.site_settings import (
    SiteSettings,
    list_pip_options,
    parse_pip_options,
    read_site_settings,
    render_pip_conf,
)


def test_the_environment_counts_before_the_section_install_and_that_before_global() -> None:
    lines = [":env:.cert='/a'", "install.cert='/b'", "install.timeout='5'"]
    lines += ["global.cert='/c'", "global.timeout='9'"]
    assert parse_pip_options("\n".join(lines)) == {"cert": "/a", "timeout": "5"}


def test_an_option_for_another_command_and_a_broken_line_do_not_count() -> None:
    assert parse_pip_options("download.cert='/a'\nnonsense\nglobal.proxy=oops\n") == {}


def test_a_python_without_pip_has_no_options(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho No module named pip >&2\nexit 1\n")
    python.chmod(0o755)
    assert list_pip_options(str(python)) == {}


def test_all_settings_of_a_site_are_read(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    options = {
        "index-url": "https://me:secret@pypi.example/simple",
        "extra-index-url": "https://a.example/simple\nhttps://b.example/simple",
        "trusted-host": "a.example b.example",
        "find-links": f"{tmp_path} https://c.example/links /nowhere file://{tmp_path}",
        "cert": str(ca),
        "proxy": "http://proxy.example:3128",
        "timeout": "180",
        "no-index": "true",
    }
    environ = {"HTTPS_PROXY": "http://p:1", "no_proxy": "localhost", "HOME": "/root"}
    assert read_site_settings(options, environ) == SiteSettings(
        index="https://me:secret@pypi.example/simple",
        extra_indexes=("https://a.example/simple", "https://b.example/simple"),
        trusted_hosts=("a.example", "b.example"),
        find_links=("https://c.example/links",),
        wheel_folders=(tmp_path, tmp_path),
        ca=ca,
        pip_proxy="http://proxy.example:3128",
        timeout="180",
        has_index=False,
        proxies=(("HTTPS_PROXY", "http://p:1"), ("no_proxy", "localhost")),
    )


def test_an_index_on_this_machines_disk_is_skipped_with_a_note() -> None:
    options = {"extra-index-url": "file:///opt/pypi/simple https://a.example/simple"}
    settings = read_site_settings(options, {})
    assert settings.extra_indexes == ("https://a.example/simple",)
    assert settings.notes == (
        "The index file:///opt/pypi/simple is skipped: a build cannot see this machine's files.",
    )


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_are_taken_from_the_environment(variable: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    settings = read_site_settings({}, {variable: str(tmp_path / "ca.pem")})
    assert settings.ca == tmp_path / "ca.pem"


def test_certificates_that_are_not_there_are_named() -> None:
    with pytest.raises(InputError, match=r"^/nowhere/ca\.pem: there is no such file"):
        read_site_settings({"cert": "/nowhere/ca.pem"}, {})


def test_pip_reads_the_rendered_settings_as_they_were_meant() -> None:
    settings = SiteSettings(
        index="https://me:p%40ss@pypi.example/simple",
        extra_indexes=("https://a.example/simple", "https://b.example/simple"),
        trusted_hosts=("a.example",),
        find_links=("https://c.example/links",),
        ca=Path("/home/me/ca.pem"),
        pip_proxy="http://proxy.example:3128",
        timeout="180",
        has_index=False,
    )
    parser = configparser.RawConfigParser()  # as pip does
    parser.read_string(render_pip_conf(settings, folder="/build"))
    assert dict(parser["global"]) == {
        "index-url": "https://me:p%40ss@pypi.example/simple",
        "no-index": "true",
        "extra-index-url": "\nhttps://a.example/simple\nhttps://b.example/simple",
        "trusted-host": "\na.example",
        "find-links": "\n/build/wheels\nhttps://c.example/links",
        "cert": "/build/ca.pem",
        "proxy": "http://proxy.example:3128",
        "timeout": "180",
    }


def test_without_settings_only_the_folder_of_wheels_is_named() -> None:
    conf = render_pip_conf(SiteSettings(), folder="/build")
    assert conf == "[global]\nfind-links =\n    /build/wheels\n"
