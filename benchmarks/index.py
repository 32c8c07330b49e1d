"""How quickly and how well `mobilenets similar` finds neighbours among many vectors, beside exact search.

The index is the package's own (`data.neighbours`), written to disk and mapped; the peer is numpy: the product
of all vectors with the query, then its ten largest. Two sets of 100,000 unit vectors of 128 numbers, both
drawn with a seed: "clustered", 1,000 groups as images of many subjects give them, and "random", directions
without any order, the hardest case there is. Queries are 300 further vectors of the same kind, asked one by
one on one thread, in turns with the peer. Recall is the share of the 10 true neighbours that were found.
Processor times are given beside those of the clock: on a busy machine (see `load`) they say more.

python benchmarks/index.py [--vectors 100000] [--size 128] [--folder results/index]

Prints one JSON document and appends it to benchmarks/results/index.jsonl. The index of each set is kept in
the folder, so that a killed run goes on behind it.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads: the peer has one thread as well
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mobilenets.base.errors import DataError
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import environment
from mobilenets.data.neighbours import Neighbours, build_index, open_index
from mobilenets.data.vectors import Vectors

RESULTS = Path(__file__).parent / "results"
QUERIES = 300
WARMUP = 20
ASKED = 10
GROUPS = 1_000
SPREAD = 0.7  # of a vector about its group's, against 1 of the groups
LIMIT_MS, LIMIT_RECALL = 5.0, 0.95


def drawn(kind: str, count: int, size: int) -> np.ndarray:
    """Unit vectors float32 (count, size)."""
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(count, size))
    if kind == "clustered":
        vectors = draw.normal(size=(GROUPS, size))[draw.integers(0, GROUPS, count)] + SPREAD * vectors
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def exactly(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The numbers of the ten nearest, the nearest first."""
    alike = vectors @ query
    best = np.argpartition(-alike, ASKED)[:ASKED]
    return best[np.argsort(-alike[best])]


def opened(kind: str, vectors: np.ndarray, folder: Path) -> tuple[Neighbours, float]:
    """The index of a set and the seconds it took to write; one that is there already is taken."""
    path, kept = folder / f"{kind}.usearch", folder / f"{kind}.json"
    model = {"id": f"{kind} {vectors.shape}"}
    try:
        index = open_index(path)
        if index.facts.model == model:
            return index, read_json(kept)["build_seconds"]
    except DataError:
        pass
    start = time.perf_counter()
    build_index(path, Vectors(folder, tuple(map(str, range(len(vectors)))), vectors, model))
    seconds = time.perf_counter() - start
    write_json(kept, {"build_seconds": seconds})
    return open_index(path), seconds


def measured(kind: str, count: int, size: int, folder: Path) -> dict[str, Any]:
    """One set: recall, and milliseconds of both in turns."""
    whole = drawn(kind, count + QUERIES, size)
    vectors, queries = whole[:count], whole[count:]
    index, seconds = opened(kind, vectors, folder)
    ours, theirs, hits = [], [], 0
    for number, query in enumerate([*queries[:WARMUP], *queries]):
        start = clocks()
        found = index.search(query, ASKED)
        middle = clocks()
        truth = exactly(vectors, query)
        end = clocks()
        if number >= WARMUP:
            ours.append(1e3 * (middle - start))
            theirs.append(1e3 * (end - middle))
            hits += len({int(one.file) for one in found} & set(truth.tolist()))
    (wall, busy), (their_wall, their_busy) = np.transpose(ours), np.transpose(theirs)
    recall = hits / (ASKED * len(queries))
    return {
        "set": kind,
        "vectors": count,
        "size": size,
        "expansion": index.facts.expansion,
        "recall_at_10": round(recall, 4),
        "recall_promised": round(index.facts.recall, 4),
        "ms": spread(wall),
        "exact_ms": spread(their_wall),
        "times_quicker": round(float(np.median(their_wall / wall)), 2),
        "processor_ms": spread(busy),
        "exact_processor_ms": spread(their_busy),
        "times_quicker_by_processor": round(float(np.median(their_busy / busy)), 2),
        "build_seconds": round(seconds, 1),
        "met": bool(np.median(wall) < LIMIT_MS and recall >= LIMIT_RECALL),
    }


def clocks() -> np.ndarray:
    """Seconds by the clock on the wall and by this thread's own, which stops while others run."""
    return np.array([time.perf_counter(), time.thread_time()])


def spread(runs: np.ndarray) -> dict[str, float]:
    """Median, quartiles and 95th percentile."""
    names, shares = ("p25", "median", "p75", "p95"), (25, 50, 75, 95)
    return {
        name: round(float(np.percentile(runs, share)), 3) for name, share in zip(names, shares, strict=True)
    }


def main() -> None:
    """Measure both sets and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--folder", type=Path, default=RESULTS / "index")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    sets = [measured(kind, given.vectors, given.size, given.folder) for kind in ("clustered", "random")]
    line = {
        "benchmark": "index",
        "terms": {"queries": QUERIES, "warmup": WARMUP, "threads": 1, "load": round(os.getloadavg()[0], 1)},
        "wanted": {"ms": LIMIT_MS, "recall_at_10": LIMIT_RECALL},
        "sets": sets,
        "usearch": metadata.version("usearch"),
        "environment": environment(),
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "index.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line, indent=2))


if __name__ == "__main__":
    main()
