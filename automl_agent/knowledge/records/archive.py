"""The file in which knowledge travels: gzipped JSON lines with a checksum, read strictly.

The lines, in this order: a manifest; all hyperparameter settings, which records refer to by their
position; the cards; the records in blocks (`record_block`); the SHA-256 of the lines before.
"""

import gzip
import hashlib
import io
import json
import os
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from automl_agent.cards.data_card import DataCard
from automl_agent.errors import CardError, KnowledgeError
from automl_agent.knowledge.records.block import (
    describe_block,
    dump_line,
    fits_block,
    pack_records,
    unpack_records,
)
from automl_agent.knowledge.records.check import fits_settings
from automl_agent.knowledge.records.record import KnownCard, Record

FILE_NAME = "knowledge.jsonl.gz"
VERSION = 1
# Ten times what the packaged knowledge takes; unpacked, so that a small file cannot fill memory.
MAX_BYTES = 64 * 2**20
# A card of ten thousand columns takes a million, and so does a full block of records.
_MAX_LINE = 4 * 2**20
_MAX_TEXT = 2_000
_PORTION = 2**20
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_AGAIN = "get the file again from where it came from, or export it again"


@dataclass(frozen=True)
class Manifest:
    """What is said of knowledge as a whole.

    name: small letters, digits and hyphens. created: date and time as ISO 8601.
    provenance: where the trainings come from and under which terms they may be used, a sentence.
    """

    name: str
    provenance: str
    created: str


@dataclass(frozen=True)
class Archive:
    """What a file of knowledge holds; its records are built when they are first asked for.

    cards: by their ids, in the order of the file.
    """

    manifest: Manifest
    cards: Mapping[str, KnownCard]
    n_records: int
    _settings: Sequence[Mapping[str, Any]]
    _blocks: Sequence[Mapping[str, Any]]
    _unpacked: dict[int, Sequence[Record]] = field(default_factory=dict, compare=False, repr=False)

    def records(
        self, *, expert: str | None = None, card_ids: Collection[str] | None = None
    ) -> list[Record]:
        """The records of an expert, and of some cards; None for all."""
        return [
            record
            for number, block in enumerate(self._blocks)
            if expert in (None, block["expert"])
            and (card_ids is None or block["card_id"] in card_ids)
            for record in self._unpack(number)
        ]

    def _unpack(self, number: int) -> Sequence[Record]:
        if number not in self._unpacked:
            records = unpack_records(self._blocks[number], self._settings)
            self._unpacked[number] = tuple(records)
        return self._unpacked[number]

    def count_records(self, card_id: str | None = None) -> Counter[str]:
        """The number of records by expert, of a card or of all."""
        counts: Counter[str] = Counter()
        for block in self._blocks:
            if card_id in (None, block["card_id"]):
                counts[block["expert"]] += len(block["settings"])
        return counts


def make_manifest(name: str, provenance: str, *, created: str = "") -> Manifest:
    """A manifest, of the present time if none is given.

    Raises: KnowledgeError if the name or the provenance cannot be written.
    """
    from datetime import UTC

    manifest = Manifest(name, provenance, created or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    problem = _find_manifest_problem(asdict(manifest))
    if problem:
        raise KnowledgeError(f"The manifest cannot be written: {problem}")
    return manifest


def write_archive(
    path: Path, known_cards: Iterable[KnownCard], records: Iterable[Record], manifest: Manifest
) -> None:
    """Write a file of knowledge, whole or not at all; the same knowledge gives the same bytes.

    Raises: KnowledgeError if a record does not fit its schema, or its card is not among the cards;
        OSError if the file cannot be written.
    """
    cards = {known.card_id: known for known in known_cards}
    settings: dict[str, int] = {}
    blocks = pack_records(records, settings)
    missing = next((b["card_id"] for b in blocks if b["card_id"] not in cards), None)
    if missing is not None:
        raise KnowledgeError(f"A record belongs to the card {missing}, which is missing.")
    head = {
        "format": VERSION,
        **asdict(manifest),
        "n_cards": len(cards),
        "n_records": sum(len(block["settings"]) for block in blocks),
    }
    # The keys of `settings` are JSON already.
    content = "".join(
        f"{line}\n"
        for line in (
            dump_line(head),
            f'{{"settings":[{",".join(settings)}]}}',
            *map(dump_line, map(_card_line, cards.values())),
            *map(dump_line, blocks),
        )
    ).encode()
    checksum = dump_line({"sha256": hashlib.sha256(content).hexdigest()})
    _write_file(path, gzip.compress(content + checksum.encode() + b"\n", mtime=0))


def read_archive(path: Path, *, is_own: bool = False) -> Archive:
    """The knowledge in a file.

    is_own: whether it came with this package, whose tests have held its cards against the schema.
    Raises: KnowledgeError if it cannot be read, is none, is damaged, too large or does not fit the
        schemas: names the file and what to do.
    """
    try:
        with path.open("rb") as stream:
            return parse_archive(stream, source=str(path), is_own=is_own)
    except OSError as exc:
        raise KnowledgeError(f"{path}: cannot be read ({exc.strerror or exc}).") from exc


def parse_archive(stream: IO[bytes], *, source: str, is_own: bool = False) -> Archive:
    """The knowledge in an open file; source: its name, for messages; is_own: as `read_archive`.

    Raises: as `read_archive`.
    """
    lines = _read_lines(stream, source)
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
    reader = _Reader(decoder, lines, source, is_own)
    manifest, n_cards, n_records = _read_manifest(reader.read(0, _MAX_LINE), source)
    settings = _read_settings(reader)
    first = 2 + n_cards
    found = [reader.read_card(number) for number in range(2, min(first, len(lines)))]
    cards = {known.card_id: known for known in found}
    blocks = [reader.read_block(number, settings, cards) for number in range(first, len(lines))]
    n_found = sum(len(block["settings"]) for block in blocks)
    if (len(cards), n_found) != (n_cards, n_records):
        raise KnowledgeError(
            f"{source}: its manifest tells of {n_cards} cards and {n_records} records, and there "
            f"are {len(cards)} and {n_found}; {_AGAIN}."
        )
    return Archive(manifest, cards, n_records, settings, blocks)


@dataclass(frozen=True)
class _Reader:
    """Reads the lines of a file whose checksum is right, but whose author may be anybody."""

    decoder: json.JSONDecoder
    lines: Sequence[str]
    source: str
    is_own: bool

    def read(self, number: int, max_length: int) -> dict[str, Any]:
        """The object in a line."""
        line = self.lines[number]
        if len(line) > max_length:
            raise self.refuse(number, f"is longer than {max_length} characters.")
        try:
            document = self.decoder.decode(line)
            if "\\ud" in line.lower():
                dump_line(document).encode()  # half a character cannot be
        except (ValueError, RecursionError) as exc:
            raise self.refuse(number, f"is not strict JSON ({exc}).") from exc
        if not isinstance(document, dict):
            raise self.refuse(number, "is no object.")
        return document

    def read_card(self, number: int) -> KnownCard:
        """The card in a line."""
        line = self.read(number, _MAX_LINE)
        texts = (line.get("origin"), line.get("family"))
        if line.keys() != {"card", "origin", "family"} or not all(map(_is_text, texts)):
            raise self.refuse(number, "must have a card, and its origin and family as text.")
        try:
            place = f"{self.source}: line {number + 1}"
            card = DataCard.from_json(line["card"], source=place, fits_schema=self.is_own)
        except CardError as exc:
            raise KnowledgeError(f"{exc} Nothing of the file was read; {_AGAIN}.") from exc
        return KnownCard(card, line["origin"], line["family"])

    def read_block(
        self, number: int, settings: Sequence[Mapping[str, Any]], known: Collection[str]
    ) -> dict[str, Any]:
        """The block of records in a line."""
        block = self.read(number, _MAX_LINE)
        if not fits_block(block, len(settings)):
            raise self.refuse(number, describe_block(block, settings))
        if block["card_id"] not in known:
            raise self.refuse(number, f"belongs to the card {block['card_id']}, which is missing.")
        return block

    def refuse(self, number: int, problem: str) -> KnowledgeError:
        """The error about a line."""
        return KnowledgeError(
            f"{self.source}: line {number + 1} {problem} Nothing of the file was read; {_AGAIN}."
        )


def _read_lines(stream: IO[bytes], source: str) -> list[str]:
    """The lines before the checksum, which is right."""
    content = _unzip(stream, source)
    body, _, last = content.removesuffix(b"\n").rpartition(b"\n")
    expected = dump_line({"sha256": hashlib.sha256(body + b"\n").hexdigest()}).encode()
    if last != expected:
        raise KnowledgeError(
            f"{source}: is damaged or was changed: its checksum is not that of its content; "
            f"{_AGAIN}."
        )
    try:
        lines = body.decode("utf-8").split("\n")
    except UnicodeDecodeError as exc:
        raise KnowledgeError(f"{source}: is not UTF-8 text; {_AGAIN}.") from exc
    if len(lines) < 2:
        raise KnowledgeError(f"{source}: has no manifest; {_AGAIN}.")
    return lines


def _unzip(stream: IO[bytes], source: str) -> bytes:
    content = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=stream) as unzipped:
            while portion := unzipped.read(_PORTION):
                if content.tell() + len(portion) > MAX_BYTES:
                    raise KnowledgeError(
                        f"{source}: holds more than {MAX_BYTES // 2**20} MiB, which no knowledge "
                        "takes; do not use it."
                    )
                content.write(portion)
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise KnowledgeError(
            f"{source}: is no {FILE_NAME}, or a damaged one ({exc}); {_AGAIN}."
        ) from exc
    return content.getvalue()


def _read_manifest(head: Mapping[str, Any], source: str) -> tuple[Manifest, int, int]:
    if head.get("format") != VERSION and _is_count(head.get("format")):
        raise KnowledgeError(
            f"{source}: has format {head['format']}, and this automl-agent reads {VERSION}; "
            "upgrade it: pip install --upgrade automl-agent"
        )
    numbers = ("format", "n_cards", "n_records")
    told = {key: value for key, value in head.items() if key not in numbers}
    problem = _find_manifest_problem(told)
    if problem or not all(_is_count(head.get(name)) for name in numbers):
        reason = problem or "it must have format, n_cards and n_records as whole numbers."
        raise KnowledgeError(f"{source}: its manifest is wrong: {reason} Choose another file.")
    return Manifest(**told), head["n_cards"], head["n_records"]


def _find_manifest_problem(told: Mapping[str, Any]) -> str:
    if told.keys() != {"name", "provenance", "created"} or not all(map(_is_text, told.values())):
        return "it must have name, provenance and created as text."
    if not _NAME.fullmatch(told["name"]) or len(told["name"]) > 100:
        return f"the name {told['name'][:100]!r} is not small letters, digits and hyphens."
    try:
        datetime.fromisoformat(told["created"])
    except ValueError:
        return "created is no date and time."
    return ""


def _read_settings(reader: _Reader) -> list[dict[str, Any]]:
    line = reader.read(1, MAX_BYTES)
    settings = line.get("settings")
    if line.keys() != {"settings"} or not isinstance(settings, list):
        raise reader.refuse(1, "must have all settings as a list.")
    wrong = next((number for number, each in enumerate(settings) if not fits_settings(each)), None)
    if wrong is not None:
        raise reader.refuse(1, f"at /settings/{wrong}: must be finite numbers, words and switches.")
    return settings


def _card_line(known: KnownCard) -> dict[str, Any]:
    return {"card": known.card.to_json(), "origin": known.origin, "family": known.family}


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a field is there twice")
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0
