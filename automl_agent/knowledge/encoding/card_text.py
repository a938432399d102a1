"""The text that stands for a data card when it is compared with others."""

from collections.abc import Iterable, Iterator

from automl_agent.cards.data_card import Classes, DataCard

# Another one for each way to describe a card: embeddings of different versions differ.
TEXT_VERSION = 1
# An encoder reads some 250 pieces of words: what tells cards apart comes first, and nothing that a
# card says at length drives out what follows.
_N_NAME = 100
_N_DESCRIPTION = 400
_N_WORD = 30
_N_CLASSES = 15
_N_COLUMNS = 15
_TASKS = {
    "binary_classification": "binary classification",
    "multiclass_classification": "classification into several classes",
    "regression": "regression",
}


def describe_card(card: DataCard) -> str:
    """The card in sentences of at most some 2,000 characters; what it does not say is left out."""
    return " ".join(f"{part}." for part in _describe_parts(card) if part)


def shorten_text(text: str, n_characters: int) -> str:
    """The text on one line without control characters, cut to so many characters."""
    # The cut comes first too: a text of megabytes is not walked through.
    words = "".join(c if c.isprintable() else " " for c in text[: 4 * n_characters]).split()
    return " ".join(words)[:n_characters].rstrip(" .")


def describe_count(count: int | float | None, unit: str) -> str:
    """The order of magnitude in words, "thousands of rows"; empty if there is no such number."""
    if not isinstance(count, int | float) or not 0 <= count <= 1e15:
        return ""
    words = {10: "a few", 100: "dozens of", 1_000: "hundreds of", 1_000_000: "thousands of"}
    found = next((word for bound, word in words.items() if count < bound), "millions of")
    return f"{found} {unit}"


def _describe_parts(card: DataCard) -> Iterator[str]:
    yield shorten_text(card.name, _N_NAME)
    yield shorten_text(card.description, _N_DESCRIPTION)
    target = shorten_text(card.target or "", _N_WORD)
    yield f"{_TASKS.get(card.task, card.task)}{f' of {target}' if target else ''}"
    if isinstance(card.label_space, Classes):
        yield f"classes: {_list_words(card.label_space.classes, _N_CLASSES)}"
    sizes = [describe_count(card.n_rows, "rows"), describe_count(card.n_features, "features")]
    yield ", ".join([f"{card.input_type.replace('_', ' ')} data", *filter(None, sizes)])
    yield f"metric {shorten_text(card.metric, _N_WORD).replace('_', ' ')}"
    names = _list_words((column.name for column in card.columns or ()), _N_COLUMNS)
    yield f"columns: {names}" if names else ""


def _list_words(words: Iterable[str], n_words: int) -> str:
    shown = [shorten_text(word, _N_WORD) for _, word in zip(range(n_words), words, strict=False)]
    return ", ".join(filter(None, shown))
