"""`automl-agent sandbox build` on the real engine, and where there is none."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from automl_agent.errors import SandboxError
from automl_agent.installed_requirements import installed_requirements
from automl_agent.sandboxes.docker.engine import open_engine
from automl_agent.sandboxes.image.build import find_image, image_name

Program = Callable[..., Any]


def test_without_an_engine_one_sentence_says_what_to_do(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    outcome = program("sandbox", "build")
    assert outcome.code == 7
    assert outcome.err.startswith("Error: Cannot reach the Docker engine: ")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


@pytest.mark.docker
def test_an_image_that_is_there_is_not_built_again(program: Program) -> None:
    name = image_name(installed_requirements())
    if not _has_image(name):
        message = f"the image {name} is missing"
        if os.environ.get("AUTOML_AGENT_REQUIRE_DOCKER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    started = time.monotonic()
    outcome = program("sandbox", "build", "--output-format", "json")
    assert time.monotonic() - started < 10  # a build takes half a minute and more
    assert outcome.code == 0
    assert outcome.document["name"] == name
    assert outcome.document["built"] is False
    assert "was there already" in program("sandbox", "build").out


def _has_image(name: str) -> bool:
    try:
        with closing(open_engine()) as client:
            return find_image(client, name) is not None
    except SandboxError:
        return False
