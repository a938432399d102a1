import pytest

from automl_agent.cards.model_card import ModelCard
from automl_agent.errors import ToolError
from automl_agent.experts.scripts import SCRIPT_NAMES, check_script, check_scripts

ALLOWED = "allowed beside the standard library: joblib, numpy, sklearn."


@pytest.mark.parametrize(
    "text",
    [
        "",
        '"""Only words."""',
        "import json, os.path",
        "import numpy as np",
        "import sklearn.linear_model",
        "from sklearn.linear_model import Ridge",
        "from joblib import dump",
        "from data_processing import load\nimport model",
        "from __future__ import annotations",
        "def f():\n    import numpy\n",
        "pattern = '\\d'",
        "x = 1 is 1",
        "print('héé 数据')",
    ],
    ids=repr,
)
def test_a_script_may_import_what_is_declared(
    card: ModelCard, text: str, recwarn: pytest.WarningsRecorder
) -> None:
    check_script("train.py", text, card)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(
    ("text", "line", "module"),
    [
        ("import torch", 1, "torch"),
        ("import json\nimport torch.nn as nn", 2, "torch"),
        ("import json, torch", 1, "torch"),
        ("from torch import nn", 1, "torch"),
        ("from torch.nn import Linear", 1, "torch"),
        ("def f():\n    import torch\n", 2, "torch"),
        ("class A:\n    def f(self):\n        from torch import nn\n", 3, "torch"),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None\n", 2, "torch"),
        ("if True:\n    import automl_agent\n", 2, "automl_agent"),
        ("import scikit_learn", 1, "scikit_learn"),
        ("import numpyx", 1, "numpyx"),
    ],
    ids=repr,
)
def test_another_import_is_refused_wherever_it_stands(
    card: ModelCard, text: str, line: int, module: str
) -> None:
    with pytest.raises(ToolError) as caught:
        check_script("train.py", text, card)
    assert str(caught.value) == (
        f"train.py, line {line}: imports {module!r}, which the card of trees does not declare; "
        f"{ALLOWED}"
    )


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("from . import model", "."),
        ("from .model import build", ".model"),
        ("from .numpy.linalg import norm", ".numpy"),
        ("from .. import model", ".."),
    ],
    ids=repr,
)
def test_a_relative_import_is_refused(card: ModelCard, text: str, module: str) -> None:
    with pytest.raises(ToolError) as caught:
        check_script("train.py", f"\n{text}", card)
    assert str(caught.value) == (
        f"train.py, line 2: imports {module!r}, but the scripts lie in a folder and not in a "
        "package; import by the name alone."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(:\n", "invalid syntax (train.py, line 1)"),
        ("x = 1\n  y = 2\n", "unexpected indent (train.py, line 2)"),
        ("if True:\n", "expected an indented block after 'if' statement on line 1"),
        ("print 'x'\n", "Missing parentheses in call to 'print'"),
        ('x = """open', "unterminated triple-quoted string literal"),
        ("x = 1\x00", "source code"),
        ("x = '\ud800'", "surrogates not allowed"),
        ("(" * 500, "too many nested parentheses"),
        ("-" * 100_000 + "1", "it is nested too deeply"),
        ("```python\nx = 1\n```", "invalid syntax (train.py, line 1)"),
    ],
    ids=[
        "syntax",
        "indent",
        "block",
        "python 2",
        "open text",
        "zero",
        "surrogate",
        "parentheses",
        "deep",
        "a fence",
    ],
)
def test_what_is_no_python_is_refused_with_the_reason(
    card: ModelCard, text: str, reason: str
) -> None:
    with pytest.raises(ToolError) as caught:
        check_script("train.py", text, card)
    assert str(caught.value).startswith("train.py is not valid Python: ")
    assert reason in str(caught.value)


def test_four_good_scripts_pass(card: ModelCard) -> None:
    check_scripts(dict.fromkeys(SCRIPT_NAMES, "import numpy"), card)


def test_each_of_the_four_is_checked(card: ModelCard) -> None:
    for name in SCRIPT_NAMES:
        with pytest.raises(ToolError, match=f"^{name}, line 1: imports 'torch'"):
            check_scripts(dict.fromkeys(SCRIPT_NAMES, "") | {name: "import torch"}, card)


NEEDED = "needed are exactly data_processing.py, model.py, train.py, predict.py."


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], f"trees wrote no scripts; {NEEDED}"),
        (SCRIPT_NAMES[1:], f"trees wrote model.py, predict.py, train.py; {NEEDED}"),
        (
            (*SCRIPT_NAMES, "setup.py"),
            f"trees wrote data_processing.py, model.py, predict.py, setup.py, train.py; {NEEDED}",
        ),
    ],
    ids=["none", "three", "five"],
)
def test_exactly_the_four_scripts_are_needed(
    card: ModelCard, names: list[str], message: str
) -> None:
    with pytest.raises(ToolError) as caught:
        check_scripts(dict.fromkeys(names, ""), card)
    assert str(caught.value) == message
