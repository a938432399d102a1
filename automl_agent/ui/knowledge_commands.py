"""`automl-agent knowledge`: what is remembered of earlier trainings, and giving it to others."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.errors import DeclinedError, InputError
from automl_agent.knowledge.knowledge import Knowledge, open_knowledge
from automl_agent.knowledge.records.archive import make_manifest
from automl_agent.knowledge.records.package_export import read_package, write_package
from automl_agent.knowledge.records.record import KnownCard, Record
from automl_agent.knowledge.records.store import OWN
from automl_agent.knowledge.similarity.text_index import discard_index
from automl_agent.knowledge.statistics import describe_knowledge
from automl_agent.runs.run_directory import home_folder
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.rendering import show_table

_SHOWN = 12


@click.group()
def knowledge() -> None:
    """Show, give away, take over and remove what is remembered of trainings."""


@knowledge.command()
@output_format
def stats(output_format: str) -> None:
    """How many cards and records there are, of which experts and from where."""
    known = open_knowledge(home_folder())
    document = describe_knowledge(known)
    if output_format == "json":
        print_json(document)
        return
    show_table(
        ["source", "cards", "records", "experts", "first", "last"],
        [_describe_source(source) for source in document["sources"]],
    )
    click.echo(
        f"{document['n_cards']} cards, {document['n_records']} records; "
        f"{document['size_bytes'] / 2**20:.1f} MiB on the disk for your own."
    )
    click.echo(escape_unseen(f"Your own: {document['path']}"))
    _warn(document["warnings"])


@knowledge.command()
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder in which the package's own folder is made.",
)
@click.option(
    "--origin",
    type=click.Choice(["own", "all"]),
    default="own",
    show_default=True,
    help="own: only from trainings on this machine. all: what came with packages and files, too.",
)
@click.option("--provenance", default="", help="Where it comes from and its licence, a sentence.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@output_format
def export(
    name: str, output: Path, origin: str, provenance: str, *, yes: bool, output_format: str
) -> None:
    """Write a pip package automl-agent-cards-NAME with your knowledge.

    Others install it and begin with what worked for you. It has no rows of data, but the data
    cards: names and descriptions of data sets, names of columns and classes, and statistics.
    """
    known = open_knowledge(home_folder())
    cards, records = _choose(known, origin)
    _warn(known.warnings)
    if not records:
        raise InputError(_say_nothing_to_export(origin))
    manifest = make_manifest(name, provenance or "trainings on one person's machine")
    for line in _describe_export(cards, records):
        click.echo(escape_unseen(line), err=True)
    _ask("Write it?", is_agreed=yes)
    folder = write_package(output, manifest, cards, records)
    if output_format == "json":
        print_json({"path": str(folder), "n_cards": len(cards), "n_records": len(records)})
        return
    click.echo(escape_unseen(f"Written: {folder}"))
    click.echo(escape_unseen(f"Build a wheel: pip wheel --no-deps {folder}"))


@knowledge.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@output_format
def import_knowledge(path: Path, output_format: str) -> None:
    """Take over knowledge from PATH without installing anything.

    PATH is a knowledge.jsonl.gz, or the folder or wheel of a package automl-agent-cards-NAME. Its
    checksum and every line are checked; what is there already stays as it is.
    """
    archive = read_package(path)
    known = open_knowledge(home_folder())
    source = f"imported {archive.manifest.name}"
    n_new = known.store.add_all(archive.cards.values(), archive.records(), source=source)
    _warn(known.warnings)
    if output_format == "json":
        counts = {"n_cards": len(archive.cards), "n_records": archive.n_records, "n_new": n_new}
        print_json({"source": source, **counts})
        return
    click.echo(
        escape_unseen(
            f"{archive.manifest.name}: {archive.n_records} records of {len(archive.cards)} cards, "
            f"{n_new} of them new. {archive.manifest.provenance}"
        )
    )


@knowledge.command()
@click.option("--card", metavar="NAME", help="Only of the data sets of that name.")
@click.option("--expert", metavar="NAME", help="Only of that expert.")
@click.option("--before", metavar="DATE", help="Only what was kept before, as in 2026-01-31.")
@click.option("--all", "is_all", is_flag=True, help="All of it.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@output_format
def purge(
    card: str | None,
    expert: str | None,
    before: str | None,
    *,
    is_all: bool,
    yes: bool,
    output_format: str,
) -> None:
    """Remove knowledge of your own, for good; what came with packages stays."""
    filters = (card, expert, before)
    if is_all == any(each is not None for each in filters):
        raise click.UsageError("Say what to remove: --card, --expert or --before; or --all.")
    limit = None if before is None else _read_date(before)
    known = open_knowledge(home_folder())
    if card is not None and card not in {own.card.name for own in known.store.cards()}:
        raise InputError(f"There is no card {card!r} of your own, so nothing to remove.")
    _ask("Remove it for good?", is_agreed=yes)
    n_records, n_cards = known.store.purge(card=card, expert=expert, before=limit)
    discard_index(home_folder())
    _warn(known.warnings)
    if output_format == "json":
        print_json({"n_cards": n_cards, "n_records": n_records})
        return
    click.echo(
        f"Removed {n_records} records and {n_cards} cards of your own. What came with packages "
        "stays: pip uninstall removes that. The folders of runs keep their cards, too."
    )


def _choose(known: Knowledge, origin: str) -> tuple[list[KnownCard], list[Record]]:
    """The cards and records to give away."""
    if origin == "own":
        store = known.store
        return store.cards(source=OWN), store.records(source=OWN)
    distinct = {repr(record): record for record in known.records()}
    return list(known.cards), list(distinct.values())


def _describe_export(cards: list[KnownCard], records: list[Record]) -> list[str]:
    names = sorted({known.card.name for known in cards})
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    columns = [c.name for known in cards for c in known.card.columns or ()]
    classes = [c for known in cards for c in getattr(known.card.label_space, "classes", ())]
    return [
        f"{len(records)} records of {len(cards)} cards: {', '.join(names[:_SHOWN])}{more}",
        "No rows of data are in it. Whoever has it reads the names and descriptions of these data "
        f"sets, the names of their {len(columns)} columns and {len(classes)} classes, and their "
        "statistics (sizes, shares of classes, quantiles of targets).",
    ]


def _say_nothing_to_export(origin: str) -> str:
    if origin == "own":
        return "There are no records of your own yet; train first, or give --origin all."
    return "There are no records yet; train first, or install a package automl-agent-cards-NAME."


def _ask(question: str, *, is_agreed: bool) -> None:
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise InputError("There is no terminal to ask at; give --yes if you agree.")
    if not click.confirm(question, err=True):
        raise DeclinedError("Nothing was done.")


def _read_date(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as exc:
        raise InputError(f"--before: {text!r} is no date; write it as 2026-01-31.") from exc


def _describe_source(source: dict[str, Any]) -> list[str]:
    counts = ", ".join(f"{name} {number}" for name, number in source["experts"].items())
    dates = [(source[name] or "-")[:10] for name in ("first", "last")]
    return [source["source"], str(source["n_cards"]), str(source["n_records"]), counts, *dates]


def _warn(warnings: Any) -> None:
    for warning in warnings:
        click.echo(escape_unseen(f"Warning: {warning}"), err=True)
