"""Images that show one picture though their bytes differ, by the vectors that a network makes of them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from mobilenets.data.findings import Finding
from mobilenets.data.survey import Row

Embed = Callable[[Sequence[Path]], np.ndarray]  # images to unit vectors float32 (N, size)

# Networks place images at different distances, so the scale is the usual distance of an image to its fifth
# nearest (the nearest ones may be its copies). Under MobileNetV2 it is 0.36 among 2,000 images of CIFAR-10,
# of which the nearest two lie at 0.44 of it; photographs cut by a tenth of each side lie within 0.05 of the
# whole.
SHARE = 0.2
NTH = 5
LEAST = 20  # different images: fewer do not tell what is usual
BLOCK = 512


def near_duplicates(rows: Sequence[Row], embed: Embed) -> Iterator[Finding]:
    """Images that look like an earlier one of their split, or like one of another split, with other bytes.

    An image is compared with all others: N images cost N * N * size multiplications.
    """
    vectors = embed([row.facts.path for row in rows])
    limit = _limit(vectors[_different(rows)])
    splits: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        splits[row.split].append(index)
    fix = "if they are one picture, keep one of them"
    for places in splits.values():
        for i, j in _alike(vectors[places], vectors[places], limit, earlier=True):
            first, second = rows[places[i]], rows[places[j]]
            if first.facts.digest != second.facts.digest:
                yield Finding("near-duplicate", "warning", second.name, _message(first, second), fix)
    for one, other in combinations(splits.values(), 2):
        for i, j in _alike(vectors[one], vectors[other], limit, earlier=False):
            first, second = rows[one[i]], rows[other[j]]
            if first.facts.digest != second.facts.digest:
                yield Finding("near-duplicate-leak", "warning", second.name, _message(first, second), fix)


def _message(first: Row, second: Row) -> str:
    """What an image looks like."""
    other = isinstance(first.label, int) and first.label != second.label
    return f"looks like {first.name}" + (", which has another class" if other else "")


def _different(rows: Sequence[Row]) -> list[int]:
    """One row of each content."""
    return list({row.facts.digest: index for index, row in enumerate(rows)}.values())


def _limit(vectors: np.ndarray) -> float:
    """The distance up to which two images count as one picture; below 0 where there are too few to tell."""
    if len(vectors) < LEAST:
        return -1.0
    usual = []
    for start in range(0, len(vectors), BLOCK):
        alike = vectors[start : start + BLOCK] @ vectors.T
        alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -1
        usual.append(-np.partition(-alike, NTH - 1, axis=1)[:, NTH - 1])
    return SHARE * float(np.median(1 - np.concatenate(usual)))


def _alike(
    first: np.ndarray, second: np.ndarray, limit: float, *, earlier: bool
) -> Iterator[tuple[int, int]]:
    """Rows (of `first`, of `second`): each second one with its nearest within the limit.

    `earlier` compares a set with itself, each row with those before it.
    """
    for start in range(0, len(second), BLOCK):
        alike = second[start : start + BLOCK] @ first.T
        if earlier:
            alike[np.arange(len(first)) >= np.arange(start, start + len(alike))[:, None]] = -1
        nearest = alike.argmax(axis=1)
        for row in np.flatnonzero(1 - alike.max(axis=1) <= limit).tolist():
            yield int(nearest[row]), start + row
