"""Cutting a validation split: seeded, stratified, and steady when images are added."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.files import sha256
from mobilenets.data.dataset import Dataset, Sample, Split
from mobilenets.data.formats import ALL, Listing

VAL = 0.1
VAL_BESIDE_TEST = 0.05  # it only chooses the epoch there, and what it holds is lost to the training


def split_listing(listing: Listing, val: float | None = None, seed: int = 0) -> Dataset:
    """The dataset of a listing; where it has no val split, the share `val` of each class is cut from train.

    Without `val` it is `VAL`, beside a test split `VAL_BESIDE_TEST`.
    Every class keeps a train image, and gives a val image where it has two that differ. Images with the same
    bytes stay together. An image's rank depends on `seed` and its own path alone, so added images move few.
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
        raise DataError(f"{listing.root} has no class with two different images; add some to validate on")
    train = tuple(sample for sample in whole if sample not in held)
    kept = tuple(sample for sample in whole if sample in held)
    made: tuple[Split, ...] = ("train", "val") if ALL in files else ("val",)
    return Dataset(listing.root, listing.labels, train, kept, test, made)


def _cut(samples: Iterable[Sample], root: Path, share: float, seed: int) -> set[Sample]:
    """The samples that go to val."""
    held: set[Sample] = set()
    for members in _grouped(samples, lambda sample: sample.label):
        twins = _twins(members)
        ranked = sorted(twins, key=lambda group: min(_rank(sample.path, root, seed) for sample in group))
        held.update(_take(ranked, max(1, round(share * len(members)))))
    return held


def _take(groups: Sequence[list[Sample]], wanted: int) -> list[Sample]:
    """About `wanted` samples as whole groups, never all; a group that would overshoot is passed over.

    Where every group is larger than `wanted`, the smallest goes.
    """
    if len(groups) < 2:
        return []
    taken: list[Sample] = []
    for group in groups[:-1]:
        if len(taken) + len(group) <= wanted:
            taken += group
    return taken or min(groups, key=len)


def _twins(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Samples grouped by content; only files of one size are read."""
    groups: list[list[Sample]] = []
    for same in _grouped(samples, lambda sample: sample.path.stat().st_size):
        groups += _grouped(same, lambda sample: sha256(sample.path)) if len(same) > 1 else [same]
    return groups


def _grouped(samples: Iterable[Sample], key: Callable[[Sample], Hashable]) -> list[list[Sample]]:
    """Samples with the same key together, in order of first appearance."""
    groups: dict[Hashable, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[key(sample)].append(sample)
    return list(groups.values())


def _rank(path: Path, root: Path, seed: int) -> bytes:
    """A place in a shuffled order that no other file has a say in."""
    return hashlib.sha256(f"{seed}\0".encode() + os.fsencode(path.relative_to(root).as_posix())).digest()


def _by_path(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Samples in an order that does not depend on how they were listed."""
    return tuple(sorted(samples, key=lambda sample: os.fsencode(sample.path)))
