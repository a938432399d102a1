"""Where a run's files lie: in a folder of its owner's alone, found by the beginning of its name."""

import os
import time
from pathlib import Path

import platformdirs
import pytest

from automl_agent.errors import InputError, SetupError, UnknownNameError
from automl_agent.runs import run_directory
from automl_agent.runs.run_directory import (
    RunDirectory,
    create_run_directory,
    find_run_directory,
    home_folder,
    journal_path,
)


def make_runs(home: Path, *names: str) -> None:
    for name in names:
        (home / "runs" / name).mkdir(parents=True)


def test_the_home_is_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_AGENT_HOME", str(tmp_path / "a" / ".." / "b"))
    assert home_folder() == tmp_path / "b"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AUTOML_AGENT_HOME", "~/state")
    assert home_folder() == tmp_path / "state"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOML_AGENT_HOME", "state")
    assert home_folder() == tmp_path / "state"


@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_the_home_is_the_users_data_folder_otherwise(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("AUTOML_AGENT_HOME")
    else:
        monkeypatch.setenv("AUTOML_AGENT_HOME", value)
    assert home_folder() == Path(platformdirs.user_data_dir("automl-agent"))


def test_looking_for_the_home_makes_nothing(home: Path) -> None:
    home.rmdir()
    assert journal_path(home_folder()) == home / "journal.sqlite"
    assert not home.exists()


def test_a_run_directory_and_its_folders_are_the_owners_alone(tmp_path: Path) -> None:
    directory = create_run_directory(tmp_path / "home")
    folders = [tmp_path / "home", directory.root, directory.data]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 3


def test_the_files_of_a_run_have_their_places(tmp_path: Path) -> None:
    root = tmp_path / "runs" / "20260101-120000-abcd"
    directory = RunDirectory(root)
    assert directory.run_id == "20260101-120000-abcd"
    assert {
        "data_card": directory.data_card,
        "data": directory.data,
        "model": directory.model,
        "result": directory.result,
        "step": directory.step("xgboost-1"),
        "paragraph": directory.paragraph("xgboost"),
    } == {
        "data_card": root / "data_card.json",
        "data": root / "data",
        "model": root / "model",
        "result": root / "result.json",
        "step": root / "steps" / "xgboost-1",
        "paragraph": root / "paragraph-xgboost.txt",
    }


def test_runs_are_named_by_their_time_so_that_names_sort_by_it(tmp_path: Path) -> None:
    names = [create_run_directory(tmp_path).run_id for _ in range(20)]
    assert names == sorted(names)
    assert len(set(names)) == 20
    assert time.strptime(names[0][:15], "%Y%m%d-%H%M%S")
    assert find_run_directory(tmp_path, "last").run_id == names[-1]


@pytest.mark.parametrize("blocked", ["home", "runs"])
def test_a_home_that_cannot_be_written_is_said_with_the_remedy(
    tmp_path: Path, blocked: str
) -> None:
    home = tmp_path / "home"
    if blocked == "home":
        home.touch()
    else:
        home.mkdir()
        (home / "runs").touch()
    with pytest.raises(SetupError) as caught:
        create_run_directory(home)
    assert str(caught.value).startswith(f"{home} cannot be written (")
    assert "set AUTOML_AGENT_HOME to a folder of yours" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("20260101-120000-aaaa", "20260101-120000-aaaa"),
        ("20260101-12", "20260101-120000-aaaa"),
        ("20260102-120000-b", "20260102-120000-bbbb"),
        ("last", "20260102-130000-cccc"),
    ],
)
def test_a_run_is_found_by_its_name_its_beginning_or_as_the_last(
    tmp_path: Path, name: str, found: str
) -> None:
    make_runs(tmp_path, "20260101-120000-aaaa", "20260102-130000-cccc", "20260102-120000-bbbb")
    (tmp_path / "runs" / "a stray file").touch()
    assert find_run_directory(tmp_path, name).root == tmp_path / "runs" / found


def test_a_beginning_of_several_names_is_an_error_that_lists_them(tmp_path: Path) -> None:
    make_runs(tmp_path, "20260101-1", "20260102-1", "20260102-2")
    with pytest.raises(InputError) as caught:
        find_run_directory(tmp_path, "20260102")
    assert str(caught.value) == "2 runs begin with '20260102': 20260102-1, 20260102-2."


@pytest.mark.parametrize("name", ["", "1999", "..", "../../etc", "20260101-1/data"])
def test_an_unknown_name_is_an_error_that_lists_what_there_is(tmp_path: Path, name: str) -> None:
    make_runs(tmp_path, "20260101-1")
    with pytest.raises(UnknownNameError) as caught:
        find_run_directory(tmp_path, name)
    assert str(caught.value).startswith(f"There is no run {name!r}.")
    assert "20260101-1" in str(caught.value)


@pytest.mark.parametrize("name", ["last", "2026"])
def test_where_nothing_has_run_yet_that_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_run_directory(tmp_path / "home", name)
    assert str(caught.value) == f"There is no run {name!r}. None is available."


def test_the_name_of_the_variable_is_the_documented_one() -> None:
    assert run_directory.HOME_VARIABLE == "AUTOML_AGENT_HOME"
    assert os.environ[run_directory.HOME_VARIABLE]
