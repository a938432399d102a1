"""`automl-agent sandbox build` on the real engine, and where there is none."""

import time
from collections.abc import Callable
from typing import Any

import pytest

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
def test_an_image_that_is_there_is_not_built_again(program: Program, image: str) -> None:
    started = time.monotonic()
    outcome = program("sandbox", "build", "--output-format", "json")
    assert time.monotonic() - started < 20  # a build takes half a minute and more
    assert outcome.code == 0
    assert outcome.document["name"] == image
    assert outcome.document["built"] is False
    assert "was there already" in program("sandbox", "build").out
