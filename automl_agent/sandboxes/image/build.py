"""The sandbox image: its name, and how it is built."""

import hashlib
import json
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

from automl_agent.cards.model_card import Requirement
from automl_agent.errors import SandboxError
from automl_agent.sandboxes.docker.engine import EngineError, explaining_errors, open_engine
from automl_agent.sandboxes.image.build_context import (
    merge_requirements,
    read_dockerfile,
    read_lock_text,
    resolve_requirements,
    write_context,
)
from automl_agent.sandboxes.image.check import check_image
from automl_agent.sandboxes.image.site_settings import SiteSettings

if TYPE_CHECKING:
    from docker import APIClient

Variant = Literal["cpu", "gpu"]
REPOSITORY = "automl-agent-sandbox"
DEFAULT_BASE = "python:3.11-slim"
# What the image may take on disk before a person is warned: the experts that ship with the package
# need 800 MiB, half of it XGBoost and Arrow; torch for GPUs and its libraries take gigabytes.
MAX_SIZE_MIB: Mapping[Variant, int] = {"cpu": 1024, "gpu": 8192}
# A build is never silent that long: pip and apt say what they fetch.
SILENCE_LIMIT_S = 600.0
# Every image that a build leaves besides the finished one has this label, with the build's id.
BUILD_LABEL = "automl-agent.build"
_CLEANING_LIMIT_S = 15.0
# The engine shows what commands write to standard error in red.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class BuiltImage:
    """An image that the engine has; seconds: what the build took, 0 if it was there."""

    name: str
    image_id: str
    size_bytes: int
    seconds: float


def image_name(requirements: Sequence[Requirement], variant: Variant = "cpu") -> str:
    """The name of the image for these requirements: the same whenever the same is to be in it."""
    content = {
        "dockerfile": read_dockerfile(),
        "lock": read_lock_text(),
        "variant": variant,
        "requirements": merge_requirements(requirements),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{REPOSITORY}:{variant}-{digest[:12]}"


def find_image(client: "APIClient", name: str) -> BuiltImage | None:
    """The image of that name, or None if the engine does not have it."""
    from docker.errors import ImageNotFound

    with explaining_errors(f"look for the image {name}"):
        try:
            found = client.inspect_image(name)
        except ImageNotFound:
            return None
    return BuiltImage(name, found["Id"], found["Size"], 0.0)


def build_image(
    requirements: Sequence[Requirement],
    variant: Variant = "cpu",
    *,
    base: str = DEFAULT_BASE,
    on_line: Callable[[str], None],
    settings: SiteSettings | None = None,
) -> BuiltImage:
    """Build the image for these requirements; it gets its name when it has passed the check.

    base: an image with Python 3.11 and its venv module, fetched if the engine does not have it.
    on_line: is given what the build says, line by line.
    Raises: SandboxError that says what is wrong; InputError if a requirement is none.
    """
    started = time.monotonic()
    settings = settings or SiteSettings()
    name = image_name(requirements, variant)
    resolution = resolve_requirements(requirements)
    for note in (*settings.notes, *resolution.notes):
        on_line(note)
    labels = {
        "automl-agent.image": "1",
        "automl-agent.variant": variant,
        "automl-agent.base": base,
        "automl-agent.requirements": " ".join(resolution.requirements),
    }
    arguments = {"BASE": base, "VARIANT": variant, **dict(settings.proxies)}
    with closing(open_engine(SILENCE_LIMIT_S)) as client, tempfile.TemporaryFile() as context:
        _fetch_base(client, base, on_line)
        for path in write_context(context, resolution, settings):
            on_line(f"Taking {path}")
        context.seek(0)
        build = _Build(client, uuid.uuid4().hex[:12], on_line)
        try:
            build.run(context, arguments, labels)
            build.check()
            name_image(client, build.draft, name)
        finally:
            build.clean()
        found = find_image(client, name)
    if found is None:
        raise SandboxError(f"The image {name} was removed while it was built; build it again.")
    return replace(found, seconds=time.monotonic() - started)


def name_image(client: "APIClient", image: str, name: str) -> None:
    """Give an image its name; one that had the name before is removed where nothing uses it."""
    from docker.errors import APIError

    earlier = find_image(client, name)
    repository, _, tag = name.partition(":")
    with explaining_errors(f"name the image {name}"):
        client.tag(image, repository, tag)
        if earlier and earlier.image_id != client.inspect_image(name)["Id"]:
            # An image that a container uses, or that has another name, stays.
            with suppress(APIError):
                client.remove_image(earlier.image_id)


class _Build:
    """One build, from its context to an image that has no lasting name yet."""

    def __init__(self, client: "APIClient", build_id: str, on_line: Callable[[str], None]) -> None:
        self.draft = f"{REPOSITORY}:draft-{build_id}"
        self._client = client
        self._id = build_id
        self._on_line = on_line

    def run(self, context: Any, arguments: Mapping[str, str], labels: Mapping[str, str]) -> None:
        """Build the draft.

        Raises: SandboxError with the line that says why it failed, and the remedy.
        """
        said: list[str] = []
        with explaining_errors("build the sandbox image"):
            answers = self._client.build(
                fileobj=context,
                custom_context=True,
                tag=self.draft,
                buildargs={**arguments, "BUILD": self._id},
                labels=dict(labels),
                network_mode="host",
                rm=True,
                forcerm=True,
                decode=True,
                timeout=SILENCE_LIMIT_S,
            )
            with closing(answers):
                for line in _read_answers(answers):
                    said.append(line.text)
                    if line.is_error:
                        raise SandboxError(explain_build(said))
                    self._on_line(line.text)

    def check(self) -> None:
        """Raises: SandboxError if the draft holds what a sandbox must not have."""
        problems = check_image(self._client, self.draft)
        if problems:
            raise SandboxError(f"The image is refused: {'; '.join(problems)}. Use another --base.")

    def clean(self) -> None:
        """Remove all but the finished image: what is left of the first stage knows addresses."""
        from docker.errors import DockerException

        filters = {"label": f"{BUILD_LABEL}={self._id}"}
        deadline = time.monotonic() + _CLEANING_LIMIT_S
        with suppress(DockerException, OSError):
            with suppress(DockerException):
                self._client.remove_image(self.draft)
            while time.monotonic() < deadline:
                # An interrupted build goes on until its command has ended.
                for container in self._client.containers(all=True, filters=filters):
                    with suppress(DockerException):
                        self._client.remove_container(container["Id"], force=True, v=True)
                left = self._client.images(filters=filters)
                for image in left:
                    with suppress(DockerException):
                        self._client.remove_image(image["Id"], force=True)
                if not left:
                    return
                time.sleep(0.2)


@dataclass(frozen=True)
class _Line:
    text: str
    is_error: bool = False


def _read_answers(answers: Iterator[Mapping[str, Any]]) -> Iterator[_Line]:
    """What the engine says while it builds or fetches, in lines that a person wants to see."""
    for answer in answers:
        if "error" in answer:
            yield _Line(str(answer["error"]), is_error=True)
        text = str(answer.get("stream", ""))
        if "status" in answer and "progress" not in answer:
            text = ": ".join(filter(None, (answer.get("id"), str(answer["status"]))))
        for line in _COLOURS.sub("", text).splitlines():
            if line.strip() and not line.startswith(("Removing intermediate", " --->")):
                yield _Line(line.rstrip())


def _fetch_base(client: "APIClient", base: str, on_line: Callable[[str], None]) -> None:
    if find_image(client, base):
        return
    on_line(f"Fetching {base}")
    try:
        with explaining_errors(f"fetch the base {base}"):
            # Without a tag, all tags of the repository would be fetched.
            tagged = base if ":" in base.rpartition("/")[2] or "@" in base else f"{base}:latest"
            with closing(client.pull(tagged, stream=True, decode=True)) as answers:
                for line in _read_answers(answers):
                    if line.is_error:
                        raise SandboxError(
                            f"Cannot fetch the base {base}: {line.text.rstrip('.')}."
                        )
                    on_line(line.text)
    except SandboxError as exc:
        raise EngineError(
            f"{exc} Where no registry can be reached, try --base rootfs, which needs none."
        ) from exc


def explain_build(said: Sequence[str]) -> str:
    """What went wrong in a build, from what it said."""
    text = "\n".join(said).lower()
    errors = [line.strip() for line in said if line.strip().startswith(_ERROR_MARKS)]
    # pip ends with a line that only refers to the one before.
    telling = [line for line in errors if "ResolutionImpossible" not in line]
    # The engine ends with the whole command that failed.
    reason = (telling or errors or [shorten(said[-1], 300, placeholder=" …")])[-1].rstrip(".")
    for fragment, remedy in _REMEDIES:
        if fragment in text:
            return f"The image cannot be built: {reason}. {remedy}"
    return f"The image cannot be built: {reason}. The lines above say more."


_ERROR_MARKS = ("ERROR:", "E: ")
# What pip, apt and engines say, and what to do about it.
_REMEDIES = (
    ("no space left on device", "Free space where Docker keeps its data: docker system prune"),
    ("certificate_verify_failed", "Give your site's certificates: --ca FILE"),
    ("certificate verification failed", "Give your site's certificates: --ca FILE"),
    ("proxyerror", "Set HTTPS_PROXY and NO_PROXY to what your site uses."),
    (
        "resolutionimpossible",
        "Experts ask for versions that do not go together, or that no index has: uninstall one, "
        "or give an index or folder that has them: --index URL, or --wheels DIR",
    ),
    ("newconnectionerror", "Give an index that this machine reaches: --index URL, or --wheels DIR"),
    (
        "no matching distribution",
        "Give an index or folder that has it: --index URL, or --wheels DIR",
    ),
    ("no module named", "The base needs Python 3.11 with its modules venv and ensurepip."),
    ("python3: not found", "The base needs Python 3.11 with its modules venv and ensurepip."),
)
