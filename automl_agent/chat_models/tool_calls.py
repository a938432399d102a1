"""The tool calls in a reply: arguments and ids as servers send them, made usable."""

import itertools
import json
from collections.abc import Iterable
from typing import Any

from automl_agent.cards.documents import escape_unseen, parse_json
from automl_agent.chat_models.chat_model import ToolCall

# Far more than any tool takes; what is longer is a fault or an attack.
MAX_ARGUMENT_BYTES = 2**20
_MAX_TEXT_LENGTH = 2**24
_MAX_ID_LENGTH = 256
_MAX_PROBLEM_LENGTH = 300


class Pieces:
    """A text that comes in pieces, up to a length that no honest reply has."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    def add(self, piece: str) -> None:
        """Append a piece.

        Raises: ValueError if the text becomes too long.
        """
        self._length += len(piece)
        if self._length > _MAX_TEXT_LENGTH:
            raise ValueError(f"it is longer than {_MAX_TEXT_LENGTH} characters")
        self._pieces.append(piece)

    def join(self) -> str:
        """The whole text."""
        return "".join(self._pieces)


class CallIds:
    """Gives each call an id that no other call of the conversation has."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, wanted: object) -> str:
        """The id wanted; another if it is none, or taken."""
        is_usable = isinstance(wanted, str) and 0 < len(wanted) <= _MAX_ID_LENGTH
        base = str(wanted) if is_usable else "call"
        numbered = (f"{base}-{number}" for number in itertools.count(1))
        candidates = itertools.chain([base] if is_usable else [], numbered)
        call_id = next(name for name in candidates if name not in self._taken)
        self._taken.add(call_id)
        return call_id


def read_call(call_ids: CallIds, call_id: object, name: object, arguments: object) -> ToolCall:
    """The call that a server sent, with whatever is wrong with it in `problem`."""
    read, problem = read_arguments(arguments)
    return ToolCall(call_ids.claim(call_id), str(name or ""), read, problem)


def read_arguments(arguments: object) -> tuple[dict[str, object], str]:
    """Arguments as an object, and why they cannot be read ("" if they can).

    arguments: a JSON text as it should be, or the object itself, or JSON in a JSON string.
    """
    if arguments is None or arguments == "":
        return {}, ""
    try:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        if len(text) > MAX_ARGUMENT_BYTES or len(text.encode()) > MAX_ARGUMENT_BYTES:
            return {}, f"The arguments are longer than {MAX_ARGUMENT_BYTES} bytes: send less."
        document = parse_json(text)
        if isinstance(document, str):
            document = parse_json(document)
    except (ValueError, RecursionError) as exc:
        reason = escape_unseen(str(exc))[:_MAX_PROBLEM_LENGTH]
        return {}, f"The arguments are not JSON: {reason}"
    if not isinstance(document, dict):
        return {}, "The arguments must be a JSON object with the tool's fields."
    return document, ""


def join_surrogates(text: str) -> str:
    """The text with halves of characters joined, or replaced where the other half is missing.

    JSON can write a half, which no file, database or request takes.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_document(value: Any) -> Any:
    """The JSON value with `join_surrogates` done to all texts in it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return _clean_texts(value)
    return value  # as nearly always, and a tenth of the time


def _clean_texts(value: Any) -> Any:
    if isinstance(value, str):
        return join_surrogates(value)
    if isinstance(value, dict):
        return {join_surrogates(str(key)): _clean_texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_texts(item) for item in value]
    return value
