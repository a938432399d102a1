"""The files of the configuration: where they lie, reading and writing them."""

import os
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from automl_agent.errors import InputError

CONFIG_VARIABLE = "AUTOML_AGENT_CONFIG"
PROJECT_NAME = "automl-agent.toml"
# More than a person writes; a project's file comes from strangers.
_MAX_BYTES = 1_000_000


def user_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where the user's own file lies, or would lie.

    Raises: InputError if the environment names a folder of a user who does not exist.
    """
    chosen = (os.environ if environ is None else environ).get(CONFIG_VARIABLE)
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as exc:
            raise InputError(f"{CONFIG_VARIABLE}: {chosen} has no such user; give a path.") from exc
    import platformdirs

    return Path(platformdirs.user_config_dir("automl-agent")) / "config.toml"


def key_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where keys lie that no keyring took: beside the user's own file."""
    return user_path(environ).with_name("keys.json")


def find_project_file(directory: Path | None = None) -> Path | None:
    """The nearest automl-agent.toml at or above a folder, the current one by default."""
    try:
        folder = (directory or Path.cwd()).absolute()
    except FileNotFoundError:  # the current folder was removed
        return None
    paths = (searched / PROJECT_NAME for searched in _searched_folders(folder))
    return next((path for path in paths if os.path.lexists(path)), None)


def read_user_document(environ: Mapping[str, str] | None = None) -> dict[str, object] | None:
    """What the user's own file says, None if there is none.

    Raises: InputError if it cannot be read, or is not there although the environment names it.
    """
    path = user_path(environ)
    document = read_toml(path)
    if document is None and (os.environ if environ is None else environ).get(CONFIG_VARIABLE):
        raise InputError(f"{CONFIG_VARIABLE}: there is no file {path}; make it, or unset that.")
    return document


def read_toml(path: Path) -> dict[str, object] | None:
    """The document in a file, None if there is no file.

    Raises: InputError if it cannot be read.
    """
    text = read_text(path)
    return None if text is None else parse_toml(text, path)


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """The document. path: where it is from, for the message.

    Raises: InputError if the text is not TOML.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise InputError(f"{path}: is not TOML, because it is nested too deeply.") from exc
    except ValueError as exc:
        reason = str(exc).replace("\n", " ").rstrip(".")
        raise InputError(f"{path}: is not TOML: {reason}; correct it there.") from exc


def read_text(path: Path, *, is_secret: bool = False) -> str | None:
    """The text of a file, None if there is no file.

    is_secret: whether nobody else may be able to read it.
    Raises: InputError if it cannot be read, or others can.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: is a folder or device where a file must be.")
        if status.st_size > _MAX_BYTES:
            raise InputError(f"{path}: is too large for a configuration ({status.st_size} bytes).")
        # Windows keeps who may read a file elsewhere.
        if is_secret and os.name == "posix" and status.st_mode & 0o077:
            raise InputError(f"{path}: others may read your keys; run: chmod 600 '{path}'")
        return path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise InputError(f"{path}: cannot be read ({exc.strerror or exc}).") from exc
    except UnicodeDecodeError as exc:
        text = f"{path}: cannot be read, because it is not UTF-8 text; save it as UTF-8."
        raise InputError(text) from exc


def write_text(path: Path, text: str) -> None:
    """The file with that text, whole or not at all. Nobody else may read it if it is new.

    Raises: InputError if it cannot be written.
    """
    path = path.resolve()  # a link stays one
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                if path.exists():
                    Path(draft).chmod(stat.S_IMODE(path.stat().st_mode))
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(draft).unlink()
            raise
    except OSError as exc:
        raise InputError(f"{path}: cannot be written ({exc.strerror or exc}).") from exc


def _searched_folders(folder: Path) -> Iterator[Path]:
    """The folder and those above it that are the same person's, up to a repository's root."""
    try:
        owner = folder.stat().st_uid
        for searched in (folder, *folder.parents):
            status = searched.stat()
            # In a folder such as /tmp anybody can leave a file for those who work below it.
            is_shared = status.st_uid != owner or status.st_mode & stat.S_IWOTH
            if is_shared and searched != folder:
                return
            yield searched
            if os.path.lexists(searched / ".git") or str(searched) == os.path.expanduser("~"):  # noqa: PTH111 - never fails
                return
    except OSError:
        return
