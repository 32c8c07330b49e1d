"""An index of vectors on disk that finds the nearest without looking at all, by usearch."""

import json
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mobilenets.base.console import track
from mobilenets.base.errors import DataError, UsageError, needs, shown
from mobilenets.base.files import replacing, sha256, write_text
from mobilenets.data.vectors import Vectors

SCHEMA = 1
# Of 10 neighbours, the share that a search must find of vectors held back while the graph was built;
# 0.95 is promised, and 200 vectors tell within about 0.01.
WANTED = 0.97
ASKED = 10
HELD_BACK = 200
FEW = 2_000  # vectors: below, looking at all of them takes no time
EXPANSIONS = (32, 64, 128, 256, 512)  # candidates that a search keeps; more find more and take longer
EXACT = 0  # as an expansion: look at all vectors
LINKS = 16  # of each vector in the graph
BLOCK = 1_000  # vectors added at once, for the progress bar


@dataclass(frozen=True)
class Neighbour:
    """A file of an index and its cosine to what was asked for."""

    file: str
    similarity: float


@dataclass(frozen=True)
class Facts:
    """What lies beside an index as JSON.

    `expansion` is how a search goes about it, `recall` what share of the 10 true neighbours it then found of
    vectors held back, `sha256` that of the index file.
    """

    root: str
    model: dict[str, Any]
    expansion: int
    recall: float
    sha256: str
    files: tuple[str, ...]
    schema: int = SCHEMA


class Neighbours:
    """An index that was opened; vectors are read from the mapped file as they are needed."""

    def __init__(self, facts: Facts, index: Any) -> None:
        self.facts, self._index = facts, index

    def __len__(self) -> int:
        """How many vectors."""
        return len(self.facts.files)

    def search(self, vector: np.ndarray, k: int) -> list[Neighbour]:
        """The `k` nearest (all, where there are fewer) of a unit vector (size,), the nearest first."""
        keys, distances = _search(self._index, vector, min(k, len(self)), self.facts.expansion)
        return [
            Neighbour(self.facts.files[key], round(min(1.0, 1 - float(distance)), 4))  # half precision errs
            for key, distance in zip(keys.tolist(), distances.tolist(), strict=True)
        ]


def package() -> Any:
    """Usearch's index. Raises MissingPackage when it is not installed."""
    with needs("usearch", "embed"):
        from usearch.index import Index
    return Index


def facts_path(index: Path) -> Path:
    """Where the facts of an index lie."""
    return index.with_name(f"{index.name}.json")


def check_place(index: Path) -> None:
    """Raise UsageError where the facts of an index would replace a file that holds something else."""
    place = facts_path(index)
    if not place.exists():
        return
    try:
        ours = {field.name for field in fields(Facts)} <= set(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise UsageError(f"{place} would be replaced, but tells of no index; give another --out")


def build_index(path: Path, found: Vectors) -> Facts:
    """Write an index of vectors, in half precision, and its facts beside it.

    Vectors held back until the end decide how searches go about it: the least `expansion` that finds enough,
    or all vectors where none does or where that is quicker. Raises StorageError, MissingPackage.
    """
    index, size = _fresh(found.vectors.shape[1]), len(found.files)
    held = np.linspace(0, size - 1, HELD_BACK).astype(int) if size >= FEW else np.arange(0)
    first = np.setdiff1d(np.arange(size), held)
    _add(index, first, found.vectors)
    expansion, recall = EXACT, 1.0
    if len(held):
        expansion, recall = _calibrated(index, np.asarray(found.vectors[held]), found.vectors, first)
        index.add(held, np.asarray(found.vectors[held]))
    # an index that a kill leaves without its facts is refused; with another's it would name wrong files
    facts_path(path).unlink(missing_ok=True)
    with replacing(path) as draft:
        index.save(str(draft))
    facts = Facts(str(found.root), found.model, expansion, recall, sha256(path), found.files)
    write_text(facts_path(path), json.dumps(asdict(facts), ensure_ascii=False) + "\n")
    return facts


def open_index(path: Path) -> Neighbours:
    """The index in a file, mapped into memory. Raises DataError when it cannot be opened, MissingPackage.

    The file must be the one that its facts were written for: usearch trusts what it maps.
    """
    facts = read_facts(path)
    if sha256(path) != facts.sha256:
        raise DataError(f"{path} is not the file that {facts_path(path).name} describes; index again")
    Index = package()  # noqa: N806 - a class
    try:
        index = Index.restore(str(path), view=True)
    except RuntimeError as error:
        raise DataError(f"{path} cannot be opened ({shown(str(error))}); index again") from error
    if index is None or len(index) != len(facts.files):
        raise DataError(f"{path} does not hold what {facts_path(path).name} describes; index again")
    return Neighbours(facts, index)


def read_facts(path: Path) -> Facts:
    """What is known of an index. Raises DataError when it or its facts are missing or broken."""
    if not path.is_file():
        raise DataError(f"{path} does not exist; make it with mobilenets index")
    place = facts_path(path)
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
        facts = Facts(**{**document, "files": tuple(document["files"])})
    except FileNotFoundError as error:
        raise DataError(f"{place}, which belongs to {path}, does not exist; index again") from error
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{place} cannot be read ({shown(str(error))}); index again") from error
    sound = isinstance(facts.model, dict) and isinstance(facts.model.get("id"), str) and bool(facts.files)
    if not sound or type(facts.expansion) is not int or facts.schema != SCHEMA:
        raise DataError(f"{place} holds no facts of an index, or of another version; index again")
    return facts


def _fresh(size: int) -> Any:
    """An empty index. On unit vectors the inner product is the cosine, and quicker."""
    Index = package()  # noqa: N806 - a class
    return Index(ndim=size, metric="ip", dtype="f16", connectivity=LINKS)


def _add(index: Any, rows: np.ndarray, vectors: np.ndarray) -> None:
    """Add rows of vectors under their numbers, on all cores, with a progress bar."""
    starts = range(0, len(rows), BLOCK)
    for start in track(starts, "indexing", len(starts)):
        chosen = rows[start : start + BLOCK]
        index.add(chosen, np.asarray(vectors[chosen]))


def _calibrated(index: Any, queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray) -> tuple[int, float]:
    """The quickest way to search that finds enough of the true neighbours among `rows`, and its recall."""
    truth = _true_neighbours(queries, vectors, rows)
    exact_recall, exact_time = _tried(index, queries, truth, EXACT)
    for expansion in EXPANSIONS:
        recall, seconds = _tried(index, queries, truth, expansion)
        if seconds > exact_time:
            break
        if recall >= WANTED:
            return expansion, recall
    return EXACT, exact_recall


def _true_neighbours(queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The numbers (Q, ASKED) of the nearest among `rows`, looked for in blocks."""
    keys, alike = np.empty((len(queries), 0), int), np.empty((len(queries), 0), np.float32)
    for start in range(0, len(rows), 10 * BLOCK):
        block = rows[start : start + 10 * BLOCK]
        keys = np.concatenate([keys, np.broadcast_to(block, (len(queries), len(block)))], axis=1)
        alike = np.concatenate([alike, queries @ np.asarray(vectors[block]).T], axis=1)
        best = np.argpartition(-alike, ASKED - 1, axis=1)[:, :ASKED]
        keys, alike = np.take_along_axis(keys, best, axis=1), np.take_along_axis(alike, best, axis=1)
    return keys


def _tried(index: Any, queries: np.ndarray, truth: np.ndarray, expansion: int) -> tuple[float, float]:
    """The recall and the median seconds of searching one vector after another on one core."""
    found, seconds = [], []
    for query, known in zip(queries, truth, strict=True):
        start = time.thread_time()
        keys, _ = _search(index, query, ASKED, expansion)
        seconds.append(time.thread_time() - start)
        found.append(np.isin(known, keys).mean())
    return float(np.mean(found)), float(np.median(seconds))


def _search(index: Any, vector: np.ndarray, k: int, expansion: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys and distances of the `k` nearest, the nearest first."""
    index.expansion_search = max(expansion, k)
    matches = index.search(vector, k, exact=expansion == EXACT, threads=1)
    return matches.keys, matches.distances
