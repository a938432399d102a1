"""Privacy: what a chat model is shown of a person's data.

With "schema" it sees names, types and statistics and no cell value, with "sample" some rows as
well, with "none" neither columns nor statistics. A model that runs in this process is shown the
same: the conversation may go on with another one.
"""

import builtins
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from automl_agent.cards.data_card import Classes, Column, DataCard
from automl_agent.cards.documents import escape_unseen
from automl_agent.configuration.setting import Privacy

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_SHOWN_COLUMNS = 60
MAX_NAME = 64
_N_SAMPLE_ROWS = 5
_MAX_TEXT = 500
_MASK = "…"
# 5, 25, 50, 75 and 95 %; minimum and maximum are values of single cells.
_INNER_QUANTILES = slice(1, 6)
# The mark in "doesn't" opens nothing.
_QUOTED = re.compile(r"(?<!\w)'(.*?)'(?!\w)|\"(.*?)\"|`(.*?)`", re.DOTALL)
_LISTED = re.compile(r" (?:Available|Did you mean)\b.*", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d_.,]*(?:[eE][-+]?\d+)?(?![\w])")
# Of a result: what is measured of the data or quoted from them, and texts of the package's own.
_WITH_CELLS = frozenset({"data_card", "rows", "failure", "answer", "text", "constraints"})
_SAFE_TEXTS = frozenset(
    {"task_id", "plan_id", "trial_id", "expert", "script", "status", "metric", "tools_now", "name"}
)
_FRAME = re.compile(r'File "[^"]*?([\w.-]+\.py)", line (\d+)')
_EXCEPTION = re.compile(
    r"^((?:[A-Za-z_][\w.]*)?(?:Error|Exception|Interrupt|Exit|Warning|Iteration|Group))"
    r"(?::\s*(.*))?$"
)
_WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"\w+")
_DIGITS = re.compile(r"\d(?:[\s.,:/_+-]*\d)+")
_MAX_DIGITS = 2
# Words of Python's and NumPy's own messages; a cell that holds one of them tells nothing.
_COMMON_WORDS = frozenset(
    """
    a all an and are argument arguments array arrays at attribute be bool but by can cannot column
    columns contains convert could data dimension dimensional dimensions does dtype empty expected
    file float for found from function given got has have in index indices input int integer
    invalid is it key keyword length list match missing module must name nan none not number object
    of on only operands or out positional range received required row rows same sequence shape
    shapes should size str string subscriptable support supported takes than that the this to tuple
    type unexpected unhashable unknown value values was were with without
    failed hook scripts tool write assignment axes axis before boolean bounds broadcast callable
    close converting defined depth directory division domain enough exceeded features finite fit
    fitted inconsistent infinite infinity iterable labels large local many math matrix mapping
    maximum more multiple numbers overflow recursion referenced reshape samples singular such
    operand s together too truth unpack unsupported zero
    """.split()  # noqa: SIM905 - a hundred words in quotes and commas are no easier to read
)


_EXCEPTION_NAMES = frozenset(
    name.lower() for name, value in vars(builtins).items() if isinstance(value, type)
)


def show_card(card: DataCard, privacy: Privacy) -> dict[str, Any]:
    """The data card as a chat model is shown it."""
    shown: dict[str, Any] = {"task": card.task, "target": show_name(card.target or "")}
    shown |= {"metric": card.metric, "input_type": card.input_type, "n_rows": card.n_rows}
    if privacy == "none":
        return shown
    shown |= {"name": show_name(card.name), "description": card.description[:2000]}
    shown |= {"n_features": card.n_features, "label_space": _show_labels(card)}
    if card.statistics:
        shown["statistics"] = {k: _round(v) for k, v in card.statistics.items()}
    shown["columns"] = [_show_column(c, i) for i, c in _iterate_columns(card)]
    if card.columns and len(card.columns) > MAX_SHOWN_COLUMNS:
        shown["n_columns_not_shown"] = len(card.columns) - MAX_SHOWN_COLUMNS
    if card.hints:
        shown["hints"] = [
            {"kind": hint.kind, "column": show_name(hint.column or "")} for hint in card.hints
        ]
    if card.split:
        shown["split"] = card.split.kind
    return shown


def show_rows(frame: "DataFrame", privacy: Privacy) -> list[dict[str, str]] | None:
    """Some rows, every cell as a short text; only with "sample"."""
    if privacy != "sample":
        return None
    columns = list(frame.columns)[:MAX_SHOWN_COLUMNS]
    rows = frame[columns].head(_N_SAMPLE_ROWS)
    return [
        {show_name(str(name)): show_name(str(row[name])) for name in columns}
        for _, row in rows.iterrows()
    ]


def show_name(name: str) -> str:
    """A name that comes with the data: short, and without characters that nobody sees."""
    shown = escape_unseen(name)
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 1] + _MASK


def mask_values(text: str, known: Collection[str], privacy: Privacy) -> str:
    """A message of ours, without what may be a cell value: quoted texts that are no known name.

    With "none" also without the names that it offers instead of a wrong one.
    """
    if privacy == "sample":
        return text
    if privacy == "none":
        text = _LISTED.sub("", text)
    known = set(known)

    def mask(match: re.Match[str]) -> str:
        inner = next(group for group in match.groups() if group is not None)
        return match[0] if inner in known else f"{match[0][0]}{_MASK}{match[0][-1]}"

    return _NUMBER.sub(_mask_long_number, _QUOTED.sub(mask, text))


def show_failure(output: str, scripts: dict[str, str], privacy: Privacy) -> dict[str, Any]:
    """What a chat model is told of a script that failed: the exception's type, its line, its text.

    The text comes from code and data that nobody vouches for: it is cut short, and unless samples
    may be shown, words are masked that neither the script nor Python's own messages have.
    """
    lines = [escape_unseen(line) for line in output.strip().split("\n")]
    told: dict[str, Any] = {"exception": "unknown", "untrusted_text": ""}
    for line in reversed(lines):
        match = _EXCEPTION.match(line.strip())
        if match:
            name = match[1].rpartition(".")[2]
            told = {"exception": name, "untrusted_text": match[2] or ""}
            break
    else:
        told["untrusted_text"] = lines[-1] if lines else ""
    frames = [m for m in _FRAME.finditer(output) if m[1] in scripts]
    if frames:
        script, number = frames[-1][1], int(frames[-1][2])
        source = scripts[script].split("\n")
        told |= {"script": script, "line": number}
        if 0 < number <= len(source):
            told["source_line"] = source[number - 1].strip()[:200]
    if privacy != "sample":
        texts = [text.lower() for text in scripts.values()]
        words = {
            word for text in texts for regex in (_WORD, _TOKEN) for word in regex.findall(text)
        }
        told["untrusted_text"] = mask_strange_text(told["untrusted_text"], words, privacy)
        if told["exception"].lower() not in words | _EXCEPTION_NAMES:
            told["exception"] = "Error"
    told["untrusted_text"] = told["untrusted_text"][:_MAX_TEXT]
    return told


def mask_strange_text(text: str, known: Collection[str], privacy: Privacy) -> str:
    """A text of code that nobody vouches for, without what may be a cell value.

    Left are words that are known, in small letters, or that Python's own messages have, and short
    whole numbers.
    """
    if privacy == "sample":
        return text
    allowed = _COMMON_WORDS | _EXCEPTION_NAMES | set(known)
    masked = _TOKEN.sub(lambda match: _mask_token(match[0], allowed), text)
    masked = _DIGITS.sub(_mask_digits, masked)
    return "".join(c if c.isascii() or c == _MASK else _MASK for c in masked)


def _mask_token(token: str, allowed: Collection[str]) -> str:
    if token.lower() in allowed or (token.isdigit() and len(token) <= _MAX_DIGITS):
        return token
    if any(map(str.isdigit, token)):
        return _MASK
    return _WORD.sub(lambda match: match[0] if match[0].lower() in allowed else _MASK, token)


def redact_result(result: dict[str, Any]) -> dict[str, Any]:
    """A tool's result without anything of the data: ids, numbers and states are left."""
    return {key: _redact(key, value) for key, value in result.items() if key not in _WITH_CELLS} | {
        "left_out": "for privacy"
    }


def _redact(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _redact(k, v) for k, v in value.items() if k not in _WITH_CELLS}
    if isinstance(value, list):
        return [_redact(key, item) for item in value]
    return value if not isinstance(value, str) or key in _SAFE_TEXTS else _MASK


def _mask_digits(match: re.Match[str]) -> str:
    return match[0] if sum(map(str.isdigit, match[0])) <= _MAX_DIGITS else _MASK


def _mask_long_number(match: re.Match[str]) -> str:
    digits = sum(character.isdigit() for character in match[0])
    return match[0] if digits <= 4 else _MASK


def _iterate_columns(card: DataCard) -> list[tuple[int, Column]]:
    return list(enumerate(card.columns or ()))[:MAX_SHOWN_COLUMNS]


def _show_column(column: Column, index: int) -> list[Any]:
    """Alias, name, role, number of different values, share of missing ones."""
    missing = None if column.missing_share is None else _round(column.missing_share)
    return [f"c{index}", show_name(column.name), column.role, column.n_unique, missing]


def _show_labels(card: DataCard) -> dict[str, Any]:
    space = card.label_space
    if isinstance(space, Classes):
        # The names of classes are cell values of the target.
        shares = None if space.shares is None else [_round(share) for share in space.shares[:20]]
        return {"kind": "classes", "n_classes": len(space.classes), "shares": shares}
    quantiles = space.quantiles and [_round(q) for q in space.quantiles[_INNER_QUANTILES]]
    return {"kind": "continuous", "quantiles_5_25_50_75_95": quantiles}


def _round(value: float) -> float:
    """Three significant digits: a statistic, and not the value of a cell."""
    return float(f"{value:.3g}")
