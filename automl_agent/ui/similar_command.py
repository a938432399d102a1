"""`automl-agent similar`: the known data sets that are most like a data card, and in what."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.documents import escape_unseen
from automl_agent.cards.stated_card import read_stated_card
from automl_agent.ui.options import output_format, print_json, warn_of_failures

if TYPE_CHECKING:
    from automl_agent.knowledge.advisor import Advisor
    from automl_agent.knowledge.similarity.similar_cards import SimilarCard

# A card may say anything; in a list it gets a line.
_N_NAME = 60
_N_ORIGIN = 100


@click.command()
@click.argument("card", type=click.Path(path_type=Path))
@click.option("-k", "k", type=click.IntRange(1), default=5, show_default=True, help="Data sets.")
@output_format
def similar(card: Path, k: int, output_format: str) -> None:
    """List the known data sets that are most like CARD, a data card as JSON.

    Its name, input_type, label_space and metric are enough. Similarities are from 0 to 1: in all,
    and in the label space, the text and the sizes and shapes of the table.
    """
    data = read_stated_card(card)
    advisor = _open_advisor()
    knowledge = advisor.knowledge
    found = advisor.find_similar(data, k)
    counts = [knowledge.count_records(similar.known.card_id) for similar in found]
    for warning in knowledge.warnings:
        _warn(warning)
    if output_format == "json":
        print_json(_to_json(data, found, counts, encoder=advisor.texts.encoder_name))
    else:
        for line in _describe(data, found, counts, n_known=len(knowledge.cards)):
            click.echo(escape_unseen(line))


def _open_advisor() -> "Advisor":
    from automl_agent.agent import load_all_plugins
    from automl_agent.configuration.configuration import load_configuration
    from automl_agent.knowledge.advisor import open_advisor
    from automl_agent.knowledge.encoding.sentence_encoder import choose_encoder
    from automl_agent.knowledge.knowledge import open_knowledge
    from automl_agent.runs.run_directory import home_folder

    configuration = load_configuration()
    plugins = load_all_plugins()
    warn_of_failures(plugins.failures)
    encoder = choose_encoder(configuration.encoder, plugins.encoders)
    knowledge = open_knowledge(home_folder(), remembers=configuration.remembers)
    return open_advisor(home_folder(), encoder, knowledge=knowledge, warn=_warn)


def _to_json(
    card: DataCard,
    found: "Sequence[SimilarCard]",
    counts: Sequence[Mapping[str, int]],
    *,
    encoder: str | None,
) -> dict[str, Any]:
    from automl_agent.knowledge.similarity.similar_cards import describe_shares

    return {
        "data_card": card.to_json(),
        "encoder": encoder,
        "shares": describe_shares(found),
        "similar": [
            {
                "card_id": similar.known.card_id,
                "name": similar.known.card.name,
                "task": similar.known.card.task,
                "similarity": round(similar.similarity, 4),
                "label_space": _round(similar.label_space),
                "text": _round(similar.text),
                "meta": round(similar.meta, 4),
                "origin": similar.known.origin,
                "records": dict(count),
            }
            for similar, count in zip(found, counts, strict=True)
        ],
    }


def _describe(
    card: DataCard,
    found: "Sequence[SimilarCard]",
    counts: Sequence[Mapping[str, int]],
    *,
    n_known: int,
) -> Iterator[str]:
    from automl_agent.knowledge.encoding.card_text import shorten_text
    from automl_agent.knowledge.similarity.similar_cards import describe_shares

    name = shorten_text(card.name, _N_NAME)
    if not found:
        yield f"No data set is known that {name} could be compared with; each `run` adds its own."
        return
    yield f"{name}: {describe_shares(found)}; of {n_known} known data sets"
    for number, (similar, count) in enumerate(zip(found, counts, strict=True), 1):
        known = similar.known
        yield ""
        yield f"{number}. {shorten_text(known.card.name, _N_NAME)}: {similar.similarity:.2f}"
        yield f"   {_describe_parts(similar)}; {known.card.task.replace('_', ' ')}"
        yield f"   rows: {shorten_text(known.origin, _N_ORIGIN)}"
        yield f"   records: {', '.join(f'{n} of {e}' for e, n in sorted(count.items())) or 'none'}"


def _describe_parts(similar: "SimilarCard") -> str:
    parts = {"label space": similar.label_space, "text": similar.text, "table": similar.meta}
    return ", ".join(
        f"{name} {'unknown' if part is None else f'{part:.2f}'}" for name, part in parts.items()
    )


def _round(part: float | None) -> float | None:
    return None if part is None else round(part, 4)


def _warn(text: str) -> None:
    click.echo(escape_unseen(f"Warning: {text}"), err=True)
