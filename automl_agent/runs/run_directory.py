"""Where a run's files lie."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl_agent.errors import InputError, SetupError, UnknownNameError

HOME_VARIABLE = "AUTOML_AGENT_HOME"


def home_folder() -> Path:
    """The folder of the state: AUTOML_AGENT_HOME, else the user's data folder of this platform."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_data_dir("automl-agent"))


def journal_path(home: Path) -> Path:
    """Where the journal lies."""
    return home / "journal.sqlite"


def gpu_folder(home: Path) -> Path:
    """Where the table of GPU leases lies."""
    return home / "gpus"


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run.

    Held-out labels are in none of its files; steps/<step>/ holds in/, code/ and out/ of a sandbox;
    model/ holds what `predict` needs, and nothing else does.
    """

    root: Path

    @property
    def run_id(self) -> str:
        """The run's id, also the folder's name."""
        return self.root.name

    @property
    def home(self) -> Path:
        """The folder of the state that the run belongs to."""
        return self.root.parent.parent

    @property
    def data_card(self) -> Path:
        """The data card as JSON."""
        return self.root / "data_card.json"

    @property
    def data(self) -> Path:
        """The tables that sandboxes are given, without held-out labels."""
        return self.root / "data"

    @property
    def model(self) -> Path:
        """The delivered model."""
        return self.root / "model"

    @property
    def result(self) -> Path:
        """The result as JSON."""
        return self.root / "result.json"

    def step(self, plan_id: str) -> Path:
        """The folder of a plan's sandbox step."""
        return self.root / "steps" / plan_id

    def paragraph(self, plan_id: str) -> Path:
        """A plan's prompt paragraph."""
        return self.root / f"paragraph-{plan_id}.txt"


def create_run_directory(home: Path) -> RunDirectory:
    """A fresh folder for a run, readable by its owner only.

    Raises: SetupError if the state's folder cannot be written.
    """
    directory = RunDirectory(home / "runs" / name_run(time.time()))
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (directory.root, directory.data):
            folder.mkdir(parents=True, mode=0o700)
    except OSError as exc:
        raise SetupError(
            f"{home} cannot be written ({exc.strerror}); check its permissions, or set "
            f"{HOME_VARIABLE} to a folder of yours."
        ) from exc
    return directory


def find_run_directory(home: Path, name: str) -> RunDirectory:
    """The folder of a run: its id, the beginning of it, or "last".

    Raises: UnknownNameError; InputError if several runs begin so.
    """
    folder = home / "runs"
    known = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return RunDirectory(folder / choose_run(known, name))


def choose_run(known: Sequence[str], name: str) -> str:
    """The run of that id, or of its beginning, or the "last" of those known, oldest first.

    Raises: UnknownNameError; InputError if several runs begin so.
    """
    matching = known[-1:] if name == "last" else [n for n in known if name and n.startswith(name)]
    if not matching:
        raise UnknownNameError("run", name, known)
    if len(matching) > 1:
        raise InputError(f"{len(matching)} runs begin with {name!r}: {', '.join(matching[-5:])}.")
    return matching[0]


def name_run(now: float) -> str:
    """The id of a run or a conversation: local time and the part of the second that is over.

    Ids sort by time.
    """
    part = int(now % 1 * 0x10000)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{part:04x}"
