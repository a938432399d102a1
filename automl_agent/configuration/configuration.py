"""The configuration: flag > environment > project's file > user's file > default."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from automl_agent.cards.documents import check_document
from automl_agent.configuration.endpoint import Endpoint
from automl_agent.configuration.endpoints import (
    COMPATIBLE,
    URL_VARIABLE,
    ConfiguredEndpoint,
    Fields,
    configure_endpoints,
)
from automl_agent.configuration.files import (
    find_project_file,
    read_toml,
    read_user_document,
    user_path,
)
from automl_agent.configuration.setting import (
    PERSONAL,
    SETTING_TYPES,
    TIGHTENED,
    Privacy,
    Setting,
    Value,
    is_looser,
    name_flag,
    name_variable,
    read_setting,
)
from automl_agent.errors import InputError, UnknownNameError

DEFAULT = "default"


@dataclass(frozen=True)
class Configuration:
    """All settings and endpoints, each with what set it.

    user_file: where the user's own file lies, or would lie. project_file: None if there is none.
    """

    values: Mapping[str, Setting]
    configured_endpoints: Mapping[str, ConfiguredEndpoint]
    user_file: Path
    project_file: Path | None = None

    def __getitem__(self, name: str) -> Value:
        return self.values[name].value

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """All endpoints; the base URL of `compatible` is empty as long as none is configured."""
        return {name: found.endpoint for name, found in self.configured_endpoints.items()}

    @property
    def controller(self) -> str:
        """NAME or NAME:MODEL."""
        return cast(str, self["controller"])

    @property
    def privacy(self) -> Privacy:
        """What a chat model may see."""
        return cast(Privacy, self["privacy"])

    @property
    def budget_usd(self) -> float | None:
        """What a run may cost, None for no limit."""
        return cast(float | None, self["budget_usd"])

    @property
    def budget_tokens(self) -> int | None:
        """The tokens that a run may take, None for no limit."""
        return cast(int | None, self["budget_tokens"])

    @property
    def time_s(self) -> float:
        """The seconds that a run may take."""
        return cast(float, self["time"])

    @property
    def trials(self) -> int:
        """The trials that a run may make."""
        return cast(int, self["trials"])

    @property
    def sandbox(self) -> str:
        """The name of the sandbox, or auto."""
        return cast(str, self["sandbox"])

    @property
    def encoder(self) -> str:
        """The name of what compares the texts of data cards, a folder or hub name, or none."""
        return cast(str, self["knowledge.encoder"])

    @property
    def remembers(self) -> bool:
        """Whether finished trials are kept for later runs."""
        return cast(bool, self["knowledge.remember"])

    @property
    def transfers(self) -> bool:
        """Whether runs begin with what earlier trainings say, and are predicted from them."""
        return cast(bool, self["knowledge.transfer"])

    def find_endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name, which has a base URL.

        Raises: UnknownNameError; InputError if it is `compatible` and has no base URL yet.
        """
        if name not in self.endpoints:
            raise UnknownNameError("endpoint", name, self.endpoints)
        endpoint = self.endpoints[name]
        if not endpoint.base_url:
            raise InputError(
                f"The endpoint {name!r} has no address yet: set {URL_VARIABLE}, "
                f"or run: automl-agent config set endpoints.{COMPATIBLE}.base_url URL"
            )
        return endpoint


def load_configuration(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Configuration:
    """What is in force.

    flags: values from the command line by the name of the setting; None is a flag not given.
    directory: where a project's file is searched from, the current folder by default.
    Raises: InputError if a file cannot be read, or anything in it or elsewhere is not allowed.
    """
    environ = os.environ if environ is None else environ
    user_file = user_path(environ)
    project_file = find_project_file(directory)
    if project_file is not None and project_file.resolve() == user_file.resolve():
        project_file = None
    user = read_user_document(environ) or {}
    values = {name: Setting(name, kind.default, DEFAULT) for name, kind in SETTING_TYPES.items()}
    values |= _by_name(_read_document(user, user_file))
    if project_file is not None:
        project = _by_name(_read_project(project_file, user_file))
        _check_no_looser(project, values, user_file)
        values |= project
    values |= _by_name(_read_environment(environ)) | _by_name(_read_flags(flags or {}))
    return Configuration(
        values,
        configure_endpoints(_endpoints_in(user), source=str(user_file), environ=environ),
        user_file,
        project_file,
    )


def check_user_document(document: Mapping[str, Any], path: Path) -> None:
    """Nothing, if the user's own file may say that.

    Raises: InputError if not.
    """
    for _ in _read_document(document, path):
        pass
    configure_endpoints(_endpoints_in(document), source=str(path), environ={})


def _endpoints_in(document: Mapping[str, Any]) -> Mapping[str, Fields]:
    endpoints: Mapping[str, Fields] = document.get("endpoints", {})
    return endpoints


def _read_document(document: Mapping[str, Any], path: Path) -> Iterator[Setting]:
    if document:  # checking takes a while to import
        check_document(document, "configuration", source=str(path))
    for name in SETTING_TYPES:
        *tables, field = name.split(".")
        found = document
        for table in tables:
            found = found.get(table, {})
        if field in found:
            place = f"{path}: at /{name.replace('.', '/')}"
            yield Setting(name, read_setting(name, found[field], place=place), str(path))


def _read_project(path: Path, user_file: Path) -> Iterator[Setting]:
    document = read_toml(path) or {}
    if "endpoints" in document:
        raise InputError(
            f"{path}: a project's file may not set endpoints, which could send your data and keys "
            f"elsewhere; if you want these, put them into {user_file}"
        )
    for setting in _read_document(document, path):
        if setting.name in PERSONAL:
            raise InputError(
                f"{path}: a project's file may not set {setting.name}, which reads or "
                f"downloads a model; if you want that one, put it into {user_file}"
            )
        yield setting


def _check_no_looser(
    project: Mapping[str, Setting], own: Mapping[str, Setting], user_file: Path
) -> None:
    """Nothing, if a file that came with somebody's repository costs and shows no more than agreed.

    Raises: InputError if it does.
    """
    for name in TIGHTENED & project.keys():
        asked, agreed = project[name].value, own[name].value
        if is_looser(name, asked, agreed):
            way = name_variable(name) if "." in name else name_flag(name)
            raise InputError(
                f"{project[name].origin}: a project's file may not loosen {name} from {agreed} to "
                f"{asked}; if you want that, put it into {user_file} or give {way}."
            )


def _by_name(settings: Iterable[Setting]) -> dict[str, Setting]:
    return {setting.name: setting for setting in settings}


def _read_environment(environ: Mapping[str, str]) -> Iterator[Setting]:
    for name in SETTING_TYPES:
        variable = name_variable(name)
        if environ.get(variable):
            yield Setting(name, read_setting(name, environ[variable], place=variable), variable)


def _read_flags(flags: Mapping[str, object]) -> Iterator[Setting]:
    for name, given in flags.items():
        flag = name_flag(name)
        if given is not None:
            yield Setting(name, read_setting(name, given, place=flag), flag)
