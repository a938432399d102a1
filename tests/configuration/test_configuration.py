"""Which value is in force, what set it, and what is said of a file that cannot be used."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.configuration.configuration import Configuration, load_configuration
from automl_agent.configuration.endpoints import BUILT_IN
from automl_agent.configuration.files import find_project_file
from automl_agent.configuration.setting import name_variable
from automl_agent.errors import InputError, UnknownNameError

PROJECT = "automl-agent.toml"
NAMES = (
    "controller", "privacy", "budget_usd", "budget_tokens", "time", "trials", "sandbox",
    "knowledge.remember", "knowledge.transfer",
)  # fmt: skip
DEFAULTS = ("planner", "schema", None, None, 300.0, 20, "auto", True, True)

texts = st.from_regex(r"[a-z]{1,9}(:[a-z0-9:./-]{1,9})?", fullmatch=True)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "controller": texts,
    "privacy": st.sampled_from(["schema", "sample", "none"]),
    "budget_usd": st.floats(0.01, 1e6),
    "budget_tokens": st.integers(1, 10**9),
    "time": st.floats(0.5, 1e6),
    "trials": st.integers(1, 10**6),
    "sandbox": st.sampled_from(["auto", "docker", "process"]),
    "knowledge.remember": st.booleans(),
    "knowledge.transfer": st.booleans(),
}
layers = st.fixed_dictionaries({}, optional=VALUES)
# What a project's file may only tighten has a test of its own.
project_layers = st.fixed_dictionaries(
    {}, optional={name: VALUES[name] for name in ("controller", "time", "trials", "sandbox")}
)


def write_toml(path: Path, values: dict[str, object]) -> Path:
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    path.write_text("\n".join(lines))
    return path


def value_of(configuration: Configuration, name: str) -> tuple[object, str]:
    return configuration[name], configuration.values[name].origin


def test_without_anything_all_is_as_by_default() -> None:
    configuration = load_configuration()
    assert [value_of(configuration, name) for name in NAMES] == [
        (value, "default") for value in DEFAULTS
    ]
    assert configuration.endpoints == BUILT_IN
    assert configuration.project_file is None


@pytest.mark.parametrize(
    ("own", "asked", "is_allowed"),
    [
        pytest.param("", 'privacy = "none"', True, id="stricter privacy"),
        pytest.param("", 'privacy = "sample"', False, id="looser privacy than by default"),
        pytest.param('privacy = "sample"', 'privacy = "sample"', True, id="the same privacy"),
        pytest.param("", "budget_usd = 9", True, id="a first limit"),
        pytest.param("budget_usd = 2", "budget_usd = 1.5", True, id="a lower limit"),
        pytest.param("budget_usd = 2", "budget_usd = 2.01", False, id="a higher limit"),
        pytest.param("budget_tokens = 5", "budget_tokens = 6", False, id="more tokens"),
        pytest.param("", "knowledge.remember = false", True, id="to keep less"),
        pytest.param(
            "knowledge.remember = false", "knowledge.remember = true", False, id="to keep more"
        ),
    ],
)
def test_a_projects_file_shows_and_costs_no_more_than_the_user_agreed_to(
    own: str, asked: str, tmp_path: Path, *, is_allowed: bool
) -> None:
    user_file = tmp_path / "config.toml"
    user_file.write_text(own)
    (tmp_path / PROJECT).write_text(asked)
    environ = {"AUTOML_AGENT_CONFIG": str(user_file)}
    if is_allowed:
        configuration = load_configuration(environ=environ, directory=tmp_path)
        name = asked.partition(" = ")[0]
        assert configuration.values[name].origin == str(tmp_path / PROJECT)
    else:
        with pytest.raises(InputError, match=f"a project's file may not loosen .* {user_file}"):
            load_configuration(environ=environ, directory=tmp_path)


@settings(max_examples=60, deadline=None)
@given(user=layers, project=project_layers, environment=layers, flags=layers)
def test_the_highest_layer_that_sets_a_value_wins_and_is_named(
    user: dict[str, object],
    project: dict[str, object],
    environment: dict[str, object],
    flags: dict[str, object],
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        user_file = write_toml(folder / "config.toml", user)
        project_file = write_toml(folder / PROJECT, project)
        environ = {name_variable(name): str(value) for name, value in environment.items()}
        environ["AUTOML_AGENT_CONFIG"] = str(user_file)
        configuration = load_configuration(flags, environ=environ, directory=folder)
    for setting, default in zip(NAMES, DEFAULTS, strict=True):
        expected = (default, "default")
        for layer, origin in (
            (user, str(user_file)),
            (project, str(project_file)),
            (environment, name_variable(setting)),
            (flags, f"--{setting.replace('_', '-').replace('.', '-')}"),
        ):
            expected = (layer[setting], origin) if setting in layer else expected
        assert value_of(configuration, setting) == expected


def test_a_setting_of_a_table_is_called_by_both_names(user_file: Path) -> None:
    user_file.write_text("[knowledge]\nremember = false\n")
    assert value_of(load_configuration(), "knowledge.remember") == (False, str(user_file))
    assert not load_configuration().remembers
    environ = {"AUTOML_AGENT_KNOWLEDGE_REMEMBER": " True"}
    found = load_configuration(environ=environ)
    assert value_of(found, "knowledge.remember") == (True, "AUTOML_AGENT_KNOWLEDGE_REMEMBER")
    with pytest.raises(
        InputError, match=r"AUTOML_AGENT_KNOWLEDGE_REMEMBER: .*allowed: true, false"
    ):
        load_configuration(environ={"AUTOML_AGENT_KNOWLEDGE_REMEMBER": "yes"})


def test_values_have_names_and_types_of_their_own(user_file: Path) -> None:
    user_file.write_text(
        'controller = "openai:m"\nprivacy = "none"\nbudget_usd = 2\nbudget_tokens = 7\n'
        'time = "1.5m"\ntrials = 3\nsandbox = "docker"\n'
    )
    found = load_configuration()
    assert (found.controller, found.privacy, found.sandbox) == ("openai:m", "none", "docker")
    assert (found.budget_usd, found.budget_tokens) == (2.0, 7)
    assert (found.time_s, found.trials) == (90.0, 3)


def test_what_is_given_empty_or_not_at_all_counts_for_nothing() -> None:
    environ = {"AUTOML_AGENT_TRIALS": "", "AUTOML_AGENT_CONFIG": ""}
    assert value_of(load_configuration({"trials": None}, environ=environ), "trials") == (
        20,
        "default",
    )


def test_a_budget_in_a_file_is_lifted_by_the_word_none(user_file: Path) -> None:
    user_file.write_text("budget_usd = 1\nbudget_tokens = 5")
    environ = {"AUTOML_AGENT_BUDGET_USD": "none"}
    found = load_configuration({"budget_tokens": "none"}, environ=environ)
    assert (found.budget_usd, found.budget_tokens) == (None, None)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        pytest.param("controller", " planner", "NAME or NAME:MODEL", id="a space"),
        pytest.param("controller", "openai:", "NAME or NAME:MODEL", id="no model"),
        pytest.param("privacy", "all", 'all" is not allowed; allowed: schema, sample', id="choice"),
        pytest.param("budget_usd", "0", "a number of more than 0", id="nothing"),
        pytest.param("budget_usd", "nan", "a number of more than 0", id="not a number"),
        pytest.param("budget_usd", "1e999", "a number of more than 0", id="infinite"),
        pytest.param("budget_tokens", "1.5", "a whole number of at least 1", id="part of a token"),
        pytest.param("time", "soon", "a time such as 90s, 10m or 2h", id="no time"),
        pytest.param("time", "9" * 400, "a time such as 90s, 10m or 2h", id="endless"),
        pytest.param("trials", "-1", "a whole number of at least 1", id="negative"),
        pytest.param("trials", "9" * 5000, "a whole number of at least 1", id="too long"),
        pytest.param("sandbox", "  ", "the name of a sandbox", id="blank"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_its_place_and_what_is(
    name: str, given: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_configuration(environ={f"AUTOML_AGENT_{name.upper()}": given})
    assert str(caught.value).startswith(f"AUTOML_AGENT_{name.upper()}: ")
    assert message in str(caught.value)
    with pytest.raises(InputError, match=f"^--{name.replace('_', '-')}: "):
        load_configuration({name: given}, environ={})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("trials = ", "is not TOML: Invalid value (at end of document)", id="broken"),
        pytest.param("\n\ntrials 5", "at line 3, column 8", id="line"),
        pytest.param("trials = 1\ntrials = 2", "is not TOML: Cannot overwrite", id="twice"),
        pytest.param("a = " + "[" * 5000, "nested too deeply", id="deep"),
        pytest.param("trials = " + "9" * 5000, "is not TOML", id="a number without end"),
        pytest.param("trails = 1", "'trails' is unknown. Did you mean 'trials'?", id="unknown"),
        pytest.param('trials = "5"', 'at /trials: "5" must be a whole number', id="type"),
        pytest.param("trials = true", "at /trials: true must be a whole number", id="boolean"),
        pytest.param("budget_usd = inf", "at /budget_usd: Infinity must be a number", id="inf"),
        pytest.param("budget_usd = -1", "-1 is not allowed; allowed: more than 0", id="range"),
        pytest.param('privacy = "all"', "allowed: schema, sample, none", id="choice"),
        pytest.param('time = "soon"', 'at /time: "soon" is not allowed; allowed: a t', id="time"),
        pytest.param("time = 2020-01-01", "at /time: ", id="date"),
        pytest.param("knowledge = 3", "at /knowledge: 3 must be an object", id="a number"),
        pytest.param("knowledge.remember = 1", "at /knowledge/remember: 1 must be a", id="switch"),
        pytest.param("knowledge.forget = 1", "'forget' is unknown", id="a field of a table"),
        pytest.param("endpoints = 3", "at /endpoints: 3 must be an object", id="no table"),
        pytest.param("[endpoints.ollama]\nurl = 1", "the field 'url' is unknown", id="field"),
        pytest.param("[endpoints.'My Lab']", '"My Lab" is not allowed', id="a name with a space"),
        pytest.param("[endpoints.'../x']", '"../x" is not allowed', id="a name like a path"),
        pytest.param("[endpoints.'\\u001b']", "is not allowed", id="an escape as it stands"),
        pytest.param("[endpoints.planner]", "'planner' is not an endpoint", id="reserved"),
        pytest.param("[endpoints.lab]", "at /endpoints/lab: the field 'base_url' is m", id="url"),
    ],
)
def test_a_users_file_that_cannot_be_used_is_named_with_the_place_in_it(
    text: str, message: str, user_file: Path
) -> None:
    user_file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_configuration()
    assert str(caught.value).startswith(f"{user_file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path)


UNUSABLE = [
    pytest.param(make_folder, "is a folder or device", id="folder"),
    pytest.param(make_pipe, "is a folder or device", id="pipe"),
    pytest.param(make_loop, "cannot be read", id="a link to itself"),
    pytest.param(lambda path: path.write_bytes(b"# \xe4"), "is not UTF-8", id="Latin-1"),
    pytest.param(lambda path: path.write_text("", "utf-16"), "is not UTF-8", id="UTF-16"),
    pytest.param(lambda path: path.write_text("#" * 2_000_000), "is too large", id="large"),
]


@pytest.mark.parametrize(("make", "message"), UNUSABLE)
def test_what_is_no_readable_file_is_refused_at_once(
    make: Callable[[Path], object], message: str, user_file: Path
) -> None:
    make(user_file)
    with pytest.raises(InputError, match=message):
        load_configuration()


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(user_file: Path) -> None:
    user_file.write_bytes(b"\xef\xbb\xbftrials = 7\r\nprivacy = 'none'\r\n")
    assert load_configuration().trials == 7


def test_a_file_that_the_environment_names_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.toml"
    with pytest.raises(InputError, match=rf"^AUTOML_AGENT_CONFIG: there is no file {missing}"):
        load_configuration(environ={"AUTOML_AGENT_CONFIG": str(missing)})
    with pytest.raises(InputError, match="no such user"):
        load_configuration(environ={"AUTOML_AGENT_CONFIG": "~nobody-of-that-name/x.toml"})


def test_a_projects_file_counts_in_the_folders_below_it(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "a" / "b"
    inner.mkdir(parents=True)
    path = tmp_path / "project" / PROJECT
    path.write_text("trials = 3")
    found = load_configuration(directory=inner)
    assert (found.project_file, value_of(found, "trials")) == (path, (3, str(path)))
    nearer = tmp_path / "project" / "a" / PROJECT
    nearer.write_text("trials = 4")
    assert load_configuration(directory=inner).trials == 4


def test_a_projects_file_is_not_searched_above_a_repository_home_or_a_shared_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PROJECT).write_text("trials = 3")
    below = {name: tmp_path / name / "below" for name in ("free", "repository", "home", "shared")}
    for folder in below.values():
        folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").write_text("gitdir: elsewhere")
    (tmp_path / "shared").chmod(0o1777)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = {name for name, folder in below.items() if find_project_file(folder)}
    assert found == {"free"}


def test_a_current_folder_that_is_gone_has_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert load_configuration().project_file is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[endpoints.openai]\nbase_url = 'https://evil.example'", id="built in"),
        pytest.param("[endpoints]", id="an empty table"),
        pytest.param("endpoints = 1", id="a number"),
    ],
)
def test_a_projects_file_may_not_set_endpoints(text: str, user_file: Path) -> None:
    Path(PROJECT).write_text(text)
    with pytest.raises(InputError) as caught:
        load_configuration()
    assert str(caught.value).startswith(f"{Path(PROJECT).absolute()}: a project's file may not")
    assert str(caught.value).endswith(f"put them into {user_file}")


def test_a_projects_file_that_the_environment_names_is_the_users_own() -> None:
    path = Path(PROJECT).absolute()
    path.write_text("[endpoints.ollama]\nmodel = 'm'")
    found = load_configuration(environ={"AUTOML_AGENT_CONFIG": PROJECT})
    assert (found.user_file, found.project_file) == (path, None)
    assert found.endpoints["ollama"] == replace(BUILT_IN["ollama"], model="m")


def test_an_endpoint_is_found_by_its_name_once_it_has_an_address() -> None:
    found = load_configuration(environ={})
    assert found.find_endpoint("ollama") == BUILT_IN["ollama"]
    with pytest.raises(UnknownNameError, match="Did you mean 'anthropic'"):
        found.find_endpoint("antropic")
    with pytest.raises(InputError, match=r"set AUTOML_AGENT_BASE_URL, or run: .*compatible"):
        found.find_endpoint("compatible")


def test_loading_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys; from automl_agent.configuration.configuration import load_configuration\n"
        "load_configuration(); import automl_agent.configuration.keys\n"
        "print([n for n in ('jsonschema', 'keyring', 'tomlkit', 'anthropic') if n in sys.modules])"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith("AUTOML_AGENT")}
    environ["XDG_CONFIG_HOME"] = "/nowhere"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
