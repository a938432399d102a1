"""What words name: tables that are there, those that are not, and nothing that was not meant."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.agent import load_all_plugins
from automl_agent.controllers.mentions import (
    MAX_TABLES,
    find_experts,
    find_tables,
    list_tables,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("adult.csv", "My Data.CSV", "großß.parquet", "b.csv.gz", "notes.md", ".csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "sub.csv").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("predict income from adult.csv", ["adult.csv"]),
        ("Predict income (adult.csv), please.", ["adult.csv"]),
        ("adult.csv: predict income", ["adult.csv"]),
        ("predict b of 'My Data.CSV'", ["My Data.CSV"]),
        ("predict b of «My Data.CSV»!", ["My Data.CSV"]),
        ("mit großß.parquet und b.csv.gz", ["großß.parquet", "b.csv.gz"]),
        ("adult.csv, adult.csv and `adult.csv`", ["adult.csv"]),
        ("用adult.csv。", []),
    ],
)
def test_tables_are_found_in_words(
    words: str, names: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    found = find_tables(words, None)
    if names:
        assert list(found.tables) and set(found.tables) == set(names)
        assert found.missing == ()
        assert all(Path(path).is_file() for path in found.tables.values())


def test_a_table_that_is_not_there_is_missing(folder: Path) -> None:
    found = find_tables("from nothing.csv and sub.csv and /x/y.parquet", folder)
    assert found.missing == ("nothing.csv", "sub.csv", "/x/y.parquet")


def test_a_folder_gives_all_its_tables_once(folder: Path) -> None:
    found = find_tables(f"predict from {folder}/adult.csv", folder)
    assert f"{folder}/adult.csv" in found.tables
    assert len(set(map(str, (Path(p).resolve() for p in found.tables.values())))) == len(
        found.tables
    )
    assert "notes.md" not in found.tables


def test_a_folder_of_many_tables_gives_some(tmp_path: Path) -> None:
    for number in range(MAX_TABLES + 5):
        (tmp_path / f"{number:03}.csv").touch()
    assert len(list_tables(tmp_path)) == MAX_TABLES


def test_without_a_folder_only_what_is_named_may_be_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert find_tables("predict income", None).tables == {}


@pytest.mark.parametrize(
    "words",
    [
        '"' + "x" * 400 + '"',
        "'" + "x/" * 200 + "'",
        "a\x00b.csv",
        "~nobody-of-that-name/a.csv",
        "'~'",
        "/root/../../../etc/shadow.csv",
    ],
)
def test_odd_names_are_no_fault(words: str, folder: Path) -> None:
    assert set(find_tables(words, folder).tables) <= {p.name for p in list_tables(folder)}


@given(st.text(max_size=300))
def test_any_words_are_read(words: str) -> None:
    find_tables(words, None)


@pytest.mark.parametrize("text", ["a" * 20_000, "a." * 10_000, ".csv" * 5000, "'" * 20_000])
def test_long_words_are_read_soon(text: str) -> None:
    started = time.monotonic()
    find_tables(text, None)
    # An hour of quadratic work would be more; this machine is shared.
    assert time.monotonic() - started < 10


def test_experts_are_told_only_if_words_mean_one() -> None:
    cards = [expert.card for expert in load_all_plugins().experts.values()]
    words = "Predict income from adult.csv, one row as fast as it can be, with the best features."
    assert find_experts(words, cards) == {}
    assert list(find_experts("predict income with ridge regression", cards)) == ["linear"]


def test_of_many_experts_the_one_that_is_named_is_told_first() -> None:
    card = load_all_plugins().experts["xgboost"].card
    cards = [replace(card, name=f"a-boosted-{number}") for number in range(100)]
    told = find_experts("boosted trees, best xgboost", [*cards, card])
    assert next(iter(told)) == "xgboost"
    assert len(told) == 10
