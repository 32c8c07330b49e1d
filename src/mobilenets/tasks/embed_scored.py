"""Embeddings of labelled images that look up others: how often they find their class, and what they find."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mobilenets.data.dataset import Sample
from mobilenets.tasks.embed import retrieval

NEAREST = 6  # images that a report shows beside a query
SHOWN = 8  # queries of either kind
BLOCK = 256  # queries looked up at once
DIGITS = 4


@dataclass(frozen=True, eq=False)
class Scored:
    """Unit vectors (N, size) of queries, and those (M, size) of the gallery they look into.

    Without a gallery the queries are it, each without itself. Files lie under `root`.
    """

    vectors: np.ndarray
    samples: Sequence[Sample]
    labels: tuple[str, ...]
    root: Path
    gallery: np.ndarray | None = None
    gallery_samples: Sequence[Sample] = ()
    metric: str = "recall1"

    def __len__(self) -> int:
        """How many queries."""
        return len(self.samples)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """recall1, recall5, recall10 and map_at_r, from 0 to 1. Raises DataError when none can be found."""
        if self.gallery is None:
            return retrieval(self.vectors, _classes(self.samples))
        return retrieval(self.vectors, _classes(self.samples), self.gallery, _classes(self.gallery_samples))

    @property
    def value(self) -> float:
        """The metric that decides."""
        return self.metrics[self.metric]

    def document(self) -> dict[str, Any]:
        """What result.json says of them: metrics, and queries with their nearest, wrong ones first."""
        indices, scores = self._nearest()
        stock = self.gallery_samples if self.gallery is not None else self.samples
        found = _classes(stock)[indices] == _classes(self.samples)[:, None]  # (N, k)
        wrong = np.flatnonzero(~found[:, 0])
        wrong = wrong[np.argsort(-scores[wrong, 0], kind="stable")][:SHOWN]
        right = _in_turns(np.flatnonzero(found[:, 0]), _classes(self.samples))[:SHOWN]
        return {
            "metrics": self.metrics,
            "gallery": len(stock),
            "neighbours": [
                {
                    **self._said(self.samples[query]),
                    "nearest": [
                        {**self._said(stock[i]), "score": round(float(score), DIGITS)}
                        for i, score in zip(indices[query], scores[query], strict=True)
                    ],
                }
                for query in [*wrong.tolist(), *right.tolist()]
            ],
        }

    def _nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """Places in the gallery and cosines (N, k) of the nearest of each query, the nearest first."""
        stock = self.vectors if self.gallery is None else self.gallery
        k = min(NEAREST, len(stock) - (self.gallery is None))
        places, cosines = [], []
        for start in range(0, len(self.vectors), BLOCK):
            alike = self.vectors[start : start + BLOCK] @ stock.T
            if self.gallery is None:
                alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -np.inf
            best = np.argpartition(-alike, k - 1, axis=1)[:, :k]  # sorting all would take most of the time
            found = np.take_along_axis(alike, best, axis=1)
            order = np.lexsort((best, -found), axis=1)  # among equals the first of the gallery
            places.append(np.take_along_axis(best, order, axis=1))
            cosines.append(np.take_along_axis(found, order, axis=1))
        return np.concatenate(places), np.concatenate(cosines)

    def _said(self, sample: Sample) -> dict[str, Any]:
        """An image by file and class."""
        return {"file": sample.path.relative_to(self.root).as_posix(), "index": sample.label}


def _classes(samples: Sequence[Sample]) -> np.ndarray:
    """The class of each sample (N,)."""
    return np.array([sample.label for sample in samples], dtype=np.int64)


def _in_turns(queries: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The first of each class, then the second of each, and so on."""
    turns: list[int] = []
    seen: dict[int, int] = {}
    for query in queries:
        turns.append(seen.get(int(classes[query]), 0))
        seen[int(classes[query])] = turns[-1] + 1
    order: np.ndarray = queries[np.argsort(np.array(turns, dtype=int), kind="stable")]
    return order
