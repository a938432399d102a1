"""The check of an image finds what a sandbox must not have."""

import io
import tarfile
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from automl_agent.sandboxes.docker.engine import EngineError
from automl_agent.sandboxes.image.check import check_image

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.docker
BAD_DOCKERFILE = """
FROM {image}
USER 0:0
RUN cp /bin/true /usr/local/bin/gcc && cp /bin/true /usr/local/bin/up && \
    chmod 4755 /usr/local/bin/up && chmod 0755 /usr/local/libexec/automl-timeout && \
    mknod /usr/local/disk b 7 0 && rm /usr/local/bin/tini /usr/bin/tini
ENV LD_PRELOAD= NVIDIA_VISIBLE_DEVICES=all
VOLUME /keep
"""


def test_the_built_image_has_nothing_that_it_must_not_have(engine: "APIClient", image: str) -> None:
    before = {container["Id"] for container in engine.containers(all=True)}
    assert check_image(engine, image) == []
    made = [c for c in engine.containers(all=True) if c["Id"] not in before]
    assert [c for c in made if "echo setid" in c["Command"]] == []


def test_each_thing_that_must_not_be_there_is_named(engine: "APIClient", bad_image: str) -> None:
    assert sorted(check_image(engine, bad_image)) == [
        "/usr/local/bin/gcc is a compiler or a part of one",
        "/usr/local/bin/up has a setuid or setgid bit",
        "/usr/local/disk is a device node",
        "/usr/local/libexec/automl-timeout is not there with mode 0711 and owner root",
        "it has the volume /keep",
        "it sets LD_PRELOAD",
        "it sets NVIDIA_VISIBLE_DEVICES",
        "its user is 0:0, not 65534:65534",
        "tini is not there",
    ]


def test_an_image_that_is_missing_leads_to_the_build_command(engine: "APIClient") -> None:
    with pytest.raises(EngineError, match="automl-agent sandbox build"):
        check_image(engine, "automl-agent-sandbox:cpu-000000000000")


@pytest.fixture
def bad_image(engine: "APIClient", image: str) -> Iterator[str]:
    """An image with all that must not be there."""
    text = BAD_DOCKERFILE.format(image=image).encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    context.seek(0)
    name = f"automl-agent-test:{uuid.uuid4().hex}"
    for _ in engine.build(fileobj=context, custom_context=True, tag=name, rm=True, forcerm=True):
        pass
    yield name
    engine.remove_image(name)
