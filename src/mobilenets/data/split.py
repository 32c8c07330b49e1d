"""Cutting a validation split: seeded, stratified, and steady when images are added."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.files import sha256
from mobilenets.data.dataset import AnySample, Dataset, S, Sample, Split
from mobilenets.data.listing import ALL, Listing

Item = TypeVar("Item")
VAL = 0.1
VAL_BESIDE_TEST = 0.05  # it only chooses the epoch there, and what it holds is lost to the training


def split_listing(listing: Listing[S], val: float | None = None, seed: int = 0) -> Dataset[S]:
    """The dataset of a listing; where it has no val split, the share `val` of each class is cut from train.

    An image with boxes or a mask counts for the rarest class on it.

    Without `val` it is `VAL`, beside a test split `VAL_BESIDE_TEST`.
    Every class keeps a train image, and gives a val image where it has two that differ. Images with the same
    bytes stay together, in train where they have several classes. An image's rank depends on `seed` and its
    own path alone, so added images move few.
    Raises UsageError when `val` is no share, DataError when no class has an image to give.
    """
    if val is not None and not 0 < val < 1:
        raise UsageError(f"val must be between 0 and 1, got {val}; 0.1 holds back 10 % of each class")
    files = {split: _by_path(samples) for split, samples in listing.files.items()}
    test = files.get("test", ())
    if "val" in files:
        return Dataset(listing.root, listing.labels, files["train"], files["val"], test)
    whole = files[ALL] if ALL in files else files["train"]
    usual = VAL_BESIDE_TEST if test else VAL
    held = _cut(whole, listing.root, usual if val is None else val, seed)
    if not held:
        raise DataError(
            f"{listing.root} has no class with two different images that are in no other class; add some to "
            "validate on"
        )
    train = tuple(sample for sample in whole if sample not in held)
    kept = tuple(sample for sample in whole if sample in held)
    made: tuple[Split, ...] = ("train", "val") if ALL in files else ("val",)
    return Dataset(listing.root, listing.labels, train, kept, test, made)


def _cut(samples: Sequence[S], root: Path, share: float, seed: int) -> set[S]:
    """The samples that go to val."""
    held: set[S] = set()
    for twins in _strata(samples):
        ranked = sorted(twins, key=lambda group: min(_rank(sample.path, root, seed) for sample in group))
        held.update(_take(ranked, max(1, round(share * sum(map(len, twins))))))
    return held


def _strata(samples: Sequence[S]) -> list[list[list[S]]]:
    """The samples of each class, as groups of the same content.

    Copies that lie in several classes are in none: they contradict each other, so nothing is judged by them.
    Annotated copies of one image may differ in their rarest class; the first decides for all.
    """
    if all(isinstance(sample, Sample) for sample in samples):
        agreed = [group for group in _twins(samples) if len({sample.classes for sample in group}) == 1]
        return _grouped(agreed, lambda group: group[0].classes)
    spread = Counter(label for sample in samples for label in set(sample.classes))
    return _grouped(_twins(samples), lambda group: _rarest(group[0], spread))


def _rarest(sample: AnySample, spread: Mapping[int, int]) -> int:
    """The class of a sample that the fewest have; -1 where it has none."""
    return min(sample.classes, key=lambda label: (spread[label], label), default=-1)


def _take(groups: Sequence[list[S]], wanted: int) -> list[S]:
    """About `wanted` samples as whole groups, never all; a group that would overshoot is passed over.

    Where every group is larger than `wanted`, the smallest goes.
    """
    if len(groups) < 2:
        return []
    taken: list[S] = []
    for group in groups[:-1]:
        if len(taken) + len(group) <= wanted:
            taken += group
    return taken or min(groups, key=len)


def _twins(samples: Sequence[S]) -> list[list[S]]:
    """Samples grouped by content; only files of one size are read."""
    groups: list[list[S]] = []
    for same in _grouped(samples, lambda sample: sample.path.stat().st_size):
        groups += _grouped(same, lambda sample: sha256(sample.path)) if len(same) > 1 else [same]
    return groups


def _grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """What has the same key together, in order of first appearance."""
    groups: dict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.values())


def _rank(path: Path, root: Path, seed: int) -> bytes:
    """A place in a shuffled order that no other file has a say in."""
    return hashlib.sha256(f"{seed}\0".encode() + os.fsencode(path.relative_to(root).as_posix())).digest()


def _by_path(samples: Iterable[S]) -> tuple[S, ...]:
    """Samples in an order that does not depend on how they were listed."""
    return tuple(sorted(samples, key=lambda sample: os.fsencode(sample.path)))
