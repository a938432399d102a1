"""How much is known, of which experts and from where."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.knowledge import Knowledge


def describe_knowledge(knowledge: Knowledge) -> dict[str, Any]:
    """A JSON object that fits schemas/knowledge_stats.schema.json."""
    warnings: list[str] = []
    try:
        sources = _describe_own(knowledge)
    except KnowledgeError as exc:
        sources = []
        warnings.append(str(exc))
    sources += _describe_packages(knowledge)
    counts: Counter[str] = Counter()
    for source in sources:
        counts.update(source["experts"])
    return {
        "path": str(knowledge.store.path),
        "n_cards": len(knowledge.cards),
        "n_records": sum(counts.values()),
        "experts": dict(sorted(counts.items())),
        "size_bytes": knowledge.store.count_bytes(),
        "first": min((s["first"] for s in sources if s["first"]), default=None),
        "last": max((s["last"] for s in sources if s["last"]), default=None),
        "sources": sources,
        "warnings": list(dict.fromkeys([*warnings, *knowledge.warnings])),
    }


def _describe_own(knowledge: Knowledge) -> list[dict[str, Any]]:
    parts = knowledge.store.summarise()
    return [
        {
            "source": source,
            "kind": "own",
            "n_cards": len(knowledge.store.cards(source=source)),
            "n_records": sum(part.n_records for part in parts if part.source == source),
            "experts": {part.expert: part.n_records for part in parts if part.source == source},
            "first": _write_time(min(part.first for part in parts if part.source == source)),
            "last": _write_time(max(part.last for part in parts if part.source == source)),
            "provenance": None,
        }
        for source in dict.fromkeys(part.source for part in parts)
    ]


def _describe_packages(knowledge: Knowledge) -> list[dict[str, Any]]:
    return [
        {
            "source": f"{source.distribution} {source.version}",
            "kind": "package",
            "n_cards": len(archive.cards),
            "n_records": archive.n_records,
            "experts": dict(sorted(archive.count_records().items())),
            "first": None,
            "last": None,
            "provenance": archive.manifest.provenance,
        }
        for source, archive in knowledge.packages
    ]


def _write_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
