"""The prompt paragraph: cards, plan and predicted log in one fixed-format text, and its parser.

Source: the prompt paragraph of AutoML-GPT (arXiv 2305.02499, section 3.1 and appendix).
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.errors import CardError

TITLE = "AutoML prompt paragraph, version 1"
TASK_SENTENCE = (
    "Process the data described by the data card, build the model described by the model card, "
    "tune the hyperparameters below and predict the training log before any training."
)
# Other fields of the cards, in one line each; together with the headline fields they are the card.
_DATA_HEADLINE = {
    "Data name": "name",
    "Input data type": "input_type",
    "Label space": "label_space",
    "Evaluation metric": "metric",
    "Data description": "description",
    "Task": "task",
}
_MODEL_HEADLINE = {
    "Model name": "name",
    "Model structure": "structure",
    "Model description": "description",
    "Architecture hyperparameters": "architecture",
}
_LINE = re.compile(r"(?P<label>[A-Z][A-Za-z ,()]*): (?P<value>.*)")
# Control, format, surrogate and private-use characters and line separators could hide or repaint
# text in front of the person who approves it.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True)
class Neighbour:
    """A similar data set; similarity: 0 to 1."""

    name: str
    similarity: float


@dataclass(frozen=True)
class Paragraph:
    """What the paragraph carries.

    data_processing, model_architecture: what script A and script B do, in words.
    resources: such as {"cpus": 2, "memory_mib": 8000, "gpus": ["4 × NVIDIA A5000"]}.
    """

    data_card: DataCard
    model_card: ModelCard
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    resources: Mapping[str, Any]
    data_processing: str
    model_architecture: str
    settings: Settings
    predicted_log: PredictedLog | None = None
    neighbours: tuple[Neighbour, ...] = ()


def render_paragraph(paragraph: Paragraph) -> str:
    """The paragraph as text; every value is a JSON literal on a line of its own."""
    lines = [f"# {TITLE}", TASK_SENTENCE]
    for title, fields in _sections(paragraph):
        lines.append(f"\n## {title}")
        lines.extend(f"{label}: {_dump(value)}" for label, value in fields.items())
    return "\n".join(lines) + "\n"


def parse_paragraph(text: str) -> Paragraph:
    """What a rendered paragraph was made from.

    Raises: CardError that names the line which is missing, unknown, double or not JSON.
    """
    values = dict(_parse_lines(text))
    take = _Taker(values)
    paragraph = Paragraph(
        data_card=DataCard.from_json(
            {key: take(label) for label, key in _DATA_HEADLINE.items()}
            | take("Other data card fields"),
            source="prompt paragraph, data card",
        ),
        model_card=ModelCard.from_json(
            {key: take(label) for label, key in _MODEL_HEADLINE.items()}
            | take("Other model card fields"),
            source="prompt paragraph, model card",
        ),
        requirements=tuple(take("Requirements")),
        constraints=tuple(take("Constraints")),
        resources=take("Resources"),
        data_processing=take("A, data processing"),
        model_architecture=take("B, model architecture"),
        settings=take("C, hyperparameters"),
        predicted_log=_parse_predicted_log(take("D, predicted training log")),
        neighbours=tuple(Neighbour(**n) for n in take("Similar data sets")),
    )
    if values:
        raise CardError(f"prompt paragraph: the line {next(iter(values))!r} is unknown.")
    return paragraph


def _sections(p: Paragraph) -> Iterator[tuple[str, dict[str, Any]]]:
    data, model = p.data_card.to_json(), p.model_card.to_json()
    yield "Data card", _card_fields(data, _DATA_HEADLINE, "Other data card fields")
    yield "Model card", _card_fields(model, _MODEL_HEADLINE, "Other model card fields")
    yield (
        "Requirements and resources",
        {
            "Requirements": p.requirements,
            "Constraints": p.constraints,
            "Resources": p.resources,
        },
    )
    yield (
        "Plan",
        {
            "Similar data sets": [
                {"name": n.name, "similarity": n.similarity} for n in p.neighbours
            ],
            "A, data processing": p.data_processing,
            "B, model architecture": p.model_architecture,
            "C, hyperparameters": p.settings,
            "D, predicted training log": p.predicted_log and p.predicted_log.to_json(),
        },
    )


def _card_fields(
    card: Mapping[str, Any], headline: Mapping[str, str], others: str
) -> dict[str, Any]:
    fields = {label: card[key] for label, key in headline.items()}
    rest = {key: value for key, value in card.items() if key not in headline.values()}
    return fields | {others: rest}


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN_CATEGORIES:
        return character
    # JSON writes characters beyond U+FFFF as two escapes.
    return json.dumps(character)[1:-1] if character > "\x7f" else f"\\u{ord(character):04x}"


def _parse_lines(text: str) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#") or line.strip() == TASK_SENTENCE:
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise CardError(f"prompt paragraph, line {number}: is not 'Label: value'.")
        label = match["label"]
        if label in seen:
            raise CardError(f"prompt paragraph, line {number}: {label!r} is there twice.")
        seen.add(label)
        try:
            yield label, json.loads(match["value"])
        except (json.JSONDecodeError, RecursionError) as exc:
            raise CardError(
                f"prompt paragraph, line {number}: the value of {label!r} is not JSON ({exc})."
            ) from exc


class _Taker:
    """Takes each line's value once, so that what is left over is unknown."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __call__(self, label: str) -> Any:
        try:
            return self._values.pop(label)
        except KeyError:
            raise CardError(f"prompt paragraph: the line {label!r} is missing.") from None


def _parse_predicted_log(document: Mapping[str, Any] | None) -> PredictedLog | None:
    return document and PredictedLog.from_json(document)  # type: ignore[return-value]
