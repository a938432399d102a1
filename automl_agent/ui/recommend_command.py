"""`automl-agent recommend`: what to train for a data card, without its data."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.cards.paragraph import render_paragraph
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.cards.stated_card import read_stated_card
from automl_agent.ui.options import output_format, print_json, warn_of_failures
from automl_agent.ui.rendering import format_number

if TYPE_CHECKING:
    from automl_agent.controllers.recommendation import Advice, Recommendation

# Of the curve, enough to see how fast it falls.
_N_SHOWN_POINTS = 4
_N_SHOWN_OTHERS = 3


@click.command()
@click.argument("card", type=click.Path(path_type=Path))
@click.option("--expert", "names", multiple=True, help="Only this expert; may be repeated.")
@click.option("--metric", help="The metric that decides.  [default: the card's]")
@click.option("--limit", type=click.IntRange(1), default=3, show_default=True, help="Experts.")
@output_format
def recommend(
    card: Path, names: tuple[str, ...], metric: str | None, limit: int, output_format: str
) -> None:
    """Recommend what to train for CARD, a data card as JSON; no data is needed.

    Its name, input_type, label_space and metric are enough.
    """
    from automl_agent.agent import load_all_plugins
    from automl_agent.configuration.configuration import load_configuration
    from automl_agent.controllers import recommendation
    from automl_agent.knowledge.advisor import open_advisor
    from automl_agent.knowledge.encoding.sentence_encoder import choose_encoder
    from automl_agent.knowledge.knowledge import open_knowledge
    from automl_agent.runs.run_directory import home_folder
    from automl_agent.sandboxes.resources import available_resources

    data = read_stated_card(card, metric=metric)
    plugins = load_all_plugins()
    warn_of_failures(plugins.failures)
    configuration = load_configuration()
    encoder = choose_encoder(configuration.encoder, plugins.encoders)
    advisor = open_advisor(
        home_folder(),
        encoder,
        knowledge=open_knowledge(home_folder(), remembers=configuration.remembers),
        warn=lambda text: click.echo(text, err=True),
    )
    recommended = recommendation.recommend(
        data,
        plugins.experts,
        plugins.metrics,
        resources=available_resources(),
        names=names,
        limit=limit,
        advisor=advisor if configuration.transfers else None,
    )
    if output_format == "json":
        print_json(recommended.to_json())
    else:
        for line in _describe(recommended):
            click.echo(escape_unseen(line))
        # A paragraph has its own lines, in which nothing is unseen.
        click.echo(render_paragraph(recommended.advice[0].plan.to_paragraph()), nl=False)


def _describe(recommended: "Recommendation") -> Iterator[str]:
    card = recommended.card
    sizes = [(card.n_rows, "rows"), (card.n_features, "features")]
    known = "".join(f"{count} {what}, " for count, what in sizes if count is not None)
    target = f" of {card.target}" if card.target else ""
    yield f"{card.name}: {known}{card.task.replace('_', ' ')}{target}, metric {card.metric}"
    for assumption in recommended.assumptions:
        yield f"Note: {assumption}"
    for number, advice in enumerate(recommended.advice, 1):
        yield ""
        yield f"{number}. {advice.plan.expert}: {advice.plan.model_card.structure}"
        yield from (f"   {line}" for line in _describe_advice(advice))
    yield ""
    for name, reason in recommended.unfit.items():
        yield f"{name} does not fit: {reason.rstrip('.')}."
    if recommended.n_more:
        yield f"{recommended.n_more} more would fit; see them with --limit."
    best = recommended.advice[0].plan.expert
    yield (
        f"When the data is there: automl-agent run TABLE --target {card.target or 'COLUMN'} "
        f"--metric {card.metric} --expert {best}"
    )
    yield ""
    yield f"The plan for {best} as a prompt paragraph:"
    yield ""


def _describe_advice(advice: "Advice") -> Iterator[str]:
    settings = ", ".join(f"{name} {value}" for name, value in advice.plan.settings.items())
    yield f"hyperparameters: {settings}"
    log = advice.plan.predicted_log
    if log is not None:
        low, high = format_number(log.final.low), format_number(log.final.high)
        yield (
            f"predicted: {log.metric} {format_number(log.final.median)} (80 % between {low} and "
            f"{high}), {_describe_effort(log, advice.seconds)}"
        )
        yield f"curve: {_describe_curve(log)}"
    yield f"how sure: {advice.describe_certainty()}"
    for candidate in advice.others[:_N_SHOWN_OTHERS]:
        changed = ", ".join(
            f"{name} {value}"
            for name, value in candidate.settings.items()
            if advice.plan.settings.get(name) != value
        )
        yield f"then: {changed} (expected {format_number(candidate.expected)}; {candidate.why})"


def _describe_effort(log: PredictedLog, seconds: float | None) -> str:
    time = "time unknown" if seconds is None else f"{seconds:.1f} s"
    return f"{log.final.step} steps, {time}, {log.memory_mib:.0f} MiB"


def _describe_curve(log: PredictedLog) -> str:
    stride = max(1, len(log.points) // _N_SHOWN_POINTS)
    shown = list(log.points[::-1][::stride][::-1])
    return ", ".join(f"{format_number(p.median)} after {p.step}" for p in shown)
