import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pytest

from automl_agent.cards.csv_files import MISSING_WORDS, read_csv
from automl_agent.errors import InputError


def write(folder: Path, content: bytes | str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_cells(folder: Path, content: bytes | str) -> dict[str, list[str | None]]:
    """The cells by column, None where one is missing."""
    frame = read_csv(write(folder, content))
    return {
        name: [None if cell != cell else cell for cell in frame[name]] for name in frame.columns
    }


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "a;b\n1;x\n2;y\n",
        "a\tb\n1\tx\n2\ty\n",
        "a|b\n1|x\n2|y\n",
        'a,b\n"1","x"\n"2","y"\n',
        '"a","b"\n1,x\n2,y\n',
        "a, b\n1, x\n2 , y \n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a,b\n1,x\n2,y",
        "\n\na,b\n1,x\n\n2,y\n\n",
        b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
    ],
    ids=[
        "commas",
        "semicolons",
        "tabs",
        "bars",
        "quoted cells",
        "a quoted header",
        "padded",
        "windows line ends",
        "no line end at the end",
        "empty lines",
        "byte order mark",
    ],
)
def test_one_table_is_read_however_it_is_written(tmp_path: Path, content: bytes | str) -> None:
    assert read_cells(tmp_path, content) == {"a": ["1", "2"], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        (
            'name;size\n"Smith, J.";1\n"Doe, J.";2\n',
            {"name": ["Smith, J.", "Doe, J."], "size": ["1", "2"]},
        ),
        ('"a,b";"c;d"\n1;2\n', {"a,b": ["1"], "c;d": ["2"]}),
        ("price (EUR, net);size\n1;2\n", {"price (EUR, net)": ["1"], "size": ["2"]}),
        ("price, net;size\n1,5;2\n", {"price, net": ["1.5"], "size": ["2"]}),
        ('"a, b, c";d\n"1, 2, 3";4\n', {"a, b, c": ["1, 2, 3"], "d": ["4"]}),
        ("words,size\na;b;c,1\nd;e;f,2\n", {"words": ["a;b;c", "d;e;f"], "size": ["1", "2"]}),
        ("a;b\n1,5;2,5\n3,5;4,5\n", {"a": ["1.5", "3.5"], "b": ["2.5", "4.5"]}),
        (
            'a,b\n"x, ""y""\nz",1\n',
            {"a": ['x, "y"\nz'], "b": ["1"]},
        ),
        ("a,b\n1\n2,3\n", {"a": ["1", "2"], "b": [None, "3"]}),
    ],
    ids=[
        "commas in words",
        "delimiters in the header's names",
        "a comma in the header",
        "as many commas as semicolons",
        "more commas within quotes",
        "semicolons in words",
        "decimal commas",
        "a quoted line end",
        "a row that is short",
    ],
)
def test_a_delimiter_is_what_all_lines_have(
    tmp_path: Path, content: str, cells: dict[str, list[str | None]]
) -> None:
    assert read_cells(tmp_path, content) == cells


@pytest.mark.parametrize("word", sorted(MISSING_WORDS))
def test_a_word_for_missing_is_a_missing_cell_also_with_blanks(tmp_path: Path, word: str) -> None:
    content = f'a,b\n{word},1\n {word} ,2\n"{word}",3\nx,4\n'
    assert read_cells(tmp_path, content)["a"] == [None, None, None, "x"]


@pytest.mark.parametrize("word", ["0", "no", "none of these", "Nan Goldin", "n", "."])
def test_other_words_are_no_missing_cells(tmp_path: Path, word: str) -> None:
    assert read_cells(tmp_path, f"a,b\n{word},1\n")["a"] == [word]


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        ("a\n1\n\n3\n", ["1", None, "3"]),
        ('a\n1\n""\n3\n', ["1", None, "3"]),
        ("a\none, two\nthree\n", ["one, two", "three"]),
    ],
    ids=["an empty line", "empty quotes", "a comma in words"],
)
def test_a_table_may_have_one_column(tmp_path: Path, content: str, cells: list[str | None]) -> None:
    assert read_cells(tmp_path, content) == {"a": cells}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "2", "-3,25"], ["1.5", "2", "-3.25"]),
        (["1,5", "?", "2,5"], ["1.5", None, "2.5"]),
        (["1,5", "about 2", "3"], ["1,5", "about 2", "3"]),
        (["1,500,000", "2", "3"], ["1,500,000", "2", "3"]),
        (["1", "2", "3"], ["1", "2", "3"]),
        (["a,b", "c", "d"], ["a,b", "c", "d"]),
    ],
    ids=["numbers", "with a missing cell", "with a word", "thousands", "whole numbers", "words"],
)
def test_decimal_commas_become_points_where_all_cells_are_numbers(
    tmp_path: Path, cells: list[str], expected: list[str | None]
) -> None:
    lines = [f"{cell};x" for cell in cells]
    assert read_cells(tmp_path, "\n".join(["a;b", *lines]))["a"] == expected


def test_a_comma_between_digits_stays_where_commas_divide_cells(tmp_path: Path) -> None:
    assert read_cells(tmp_path, 'a,b\n"1,5",x\n')["a"] == ["1,5"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_umlauts_are_read_in_the_usual_encodings(tmp_path: Path, encoding: str) -> None:
    content = "größe,maß\n1,schön\n".encode(encoding)
    assert read_cells(tmp_path, content) == {"größe": ["1"], "maß": ["schön"]}


def test_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    cells = read_cells(tmp_path, "a,b\n00123,1e5\n1.50,True\n")
    assert cells == {"a": ["00123", "1.50"], "b": ["1e5", "True"]}


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b, a\n1,2,3\n")
    with pytest.raises(InputError, match=r"\(it has 2 columns named 'a'; rename them\)"):
        read_csv(path)


def test_names_lose_the_blanks_around_them(tmp_path: Path) -> None:
    assert list(read_cells(tmp_path, "age , income \n1,2\n")) == ["age", "income"]


def test_a_column_without_a_name_gets_one(tmp_path: Path) -> None:
    assert list(read_cells(tmp_path, ",a\n0,1\n")) == ["Unnamed: 0", "a"]


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path, "a,b\n"))
    assert (list(frame.columns), len(frame)) == (["a", "b"], 0)


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
    ids=["gz", "bz2", "xz"],
)
def test_a_compressed_file_is_read(tmp_path: Path, suffix: str, compress: object) -> None:
    assert callable(compress)
    path = write(tmp_path, compress(b"a;b\n1,5;x\n"), f"table.csv{suffix}")
    assert read_csv(path).to_dict("list") == {"a": ["1.5"], "b": ["x"]}


def test_a_zipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", "a,b\n1,x\n")
    assert read_csv(path).to_dict("list") == {"a": ["1"], "b": ["x"]}


def test_thousands_of_columns_are_read(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(2000)]
    content = "\n".join([",".join(names), ",".join(map(str, range(2000)))])
    frame = read_csv(write(tmp_path, content))
    assert list(frame.columns) == names
    assert list(frame.iloc[0]) == [str(i) for i in range(2000)]


GARBAGE = np.random.default_rng(0).integers(0, 256, 5000).astype("uint8").tobytes()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "t.csv",
            b"a,b\n1,2\n1,2,3\n",
            " (Error tokenizing data. C error: Expected 2 fields in line 3, saw 3).",
        ),
        (
            "t.csv",
            b"a,b\n1,2,3\n4,5,6\n",
            ": its rows have more cells than its header; name every column.",
        ),
        (
            "t.csv",
            b'a,b\n"x,1\n2,3\n',
            " (Error tokenizing data. C error: EOF inside string starting at row 1).",
        ),
        ("t.csv", b"\n\n\n", " (No columns to parse from file)."),
        ("t.csv", b"  \n \n", " (No columns to parse from file)."),
        ("t.csv", GARBAGE, ": it is neither UTF-8 nor Windows-1252 text."),
        ("t.csv", b"\x00\x01\x02\n\x00\x00\n", ": it holds binary data."),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), ": it holds binary data."),
        ("t.csv.gz", b"a,b\n1,2\n", " (Not a gzipped file (b'a,'))."),
        (
            "t.csv.gz",
            gzip.compress(b"a,b\n" + b"1,2\n" * 9999)[:40],
            " (Compressed file ended before the end-of-stream marker was reached).",
        ),
        ("t.csv.zip", b"a,b\n1,2\n", " (File is not a zip file)."),
        ("t.csv.xz", b"a,b\n1,2\n", " (Input format not supported by decoder)."),
        ("t.csv.bz2", b"a,b\n1,2\n", " (Invalid data stream)."),
    ],
    ids=[
        "ragged",
        "a short header",
        "an open quote",
        "empty lines",
        "blanks",
        "garbage",
        "zeros",
        "utf-16",
        "no gz",
        "half a gz",
        "no zip",
        "no xz",
        "no bz2",
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = write(tmp_path, content, name)
    with pytest.raises(InputError) as caught:
        read_csv(path)
    assert str(caught.value) == f"{path} is not a table that can be read{reason}"
