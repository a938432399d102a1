"""What a sandbox image must not have: ways to more rights, devices, compilers."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from automl_agent.sandboxes.docker.engine import EngineError, explaining_errors

if TYPE_CHECKING:
    from docker import APIClient

IMAGE_USER = "65534:65534"
TIMEOUT_PATH = "/usr/local/libexec/automl-timeout"
_COMPILERS = "gcc cc g++ c++ clang tcc cpp make ld gold as rustc go"
# Reads every folder of a file system of some ten thousand files.
_SEARCH_LIMIT_S = 120.0
# One finding per line, "KIND PATH"; the last line shows that the search came to its end.
_SEARCH = f"""
find / -xdev \\( -type b -o -type c \\) -exec echo device {{}} \\;
find / -xdev ! -type l -perm /6000 -exec echo setid {{}} \\;
for tool in {_COMPILERS}; do
    path=$(command -v $tool) && echo compiler $path
done
[ "$(stat -c '%a %u %g' {TIMEOUT_PATH} 2>/dev/null)" = "711 0 0" ] || echo timeout {TIMEOUT_PATH}
command -v tini >/dev/null || echo missing tini
[ -x /opt/venv/bin/python ] || echo missing /opt/venv/bin/python
echo done
"""
_MEANINGS = {
    "device": "is a device node",
    "setid": "has a setuid or setgid bit",
    "compiler": "is a compiler or a part of one",
    "timeout": "is not there with mode 0711 and owner root",
    "missing": "is not there",
}


def check_image(client: "APIClient", image: str) -> list[str]:
    """What is wrong with an image, one phrase each; looks into it in a container without network.

    Raises: EngineError if the container cannot be run.
    """
    with explaining_errors(f"look into the image {image}"):
        config = client.inspect_image(image)["Config"]
        return [*_check_config(config), *_read_findings(_search(client, image))]


def _check_config(config: Mapping[str, Any]) -> Iterator[str]:
    for entry in config.get("Env") or ():
        name = entry.partition("=")[0]
        if name.startswith(("LD_", "NVIDIA_")):
            yield f"it sets {name}"
    for volume in config.get("Volumes") or ():
        yield f"it has the volume {volume}"
    if config.get("User") != IMAGE_USER:
        yield f"its user is {config.get('User') or 'root'}, not {IMAGE_USER}"


def _search(client: "APIClient", image: str) -> str:
    limits = client.create_host_config(
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        # So that no folder is closed to the search.
        cap_add=["DAC_READ_SEARCH"],
        security_opt=["no-new-privileges"],
        mem_limit="256m",
        pids_limit=64,
    )
    container = client.create_container(
        image,
        entrypoint=["/bin/sh", "-c", _SEARCH],
        command=[],
        user="0:0",
        labels={"automl-agent.schema": "1"},
        host_config=limits,
    )["Id"]
    try:
        client.start(container)
        client.wait(container, timeout=_SEARCH_LIMIT_S)
        output: bytes = client.logs(container, stderr=False)
        return output.decode("utf-8", "replace")
    finally:
        from docker.errors import NotFound

        with suppress(NotFound):
            client.remove_container(container, force=True, v=True)


def _read_findings(output: str) -> Iterator[str]:
    *findings, end = output.splitlines() or [""]
    if end != "done":
        raise EngineError("Cannot look into the image: the search in it did not come to its end.")
    for finding in findings:
        kind, _, path = finding.partition(" ")
        yield f"{path} {_MEANINGS.get(kind, kind)}"
