"""Everything worth knowing about a dataset before training on it, as findings."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mobilenets.data.dataset import Sample
from mobilenets.data.findings import Finding, Level, is_plain, ranked, shown
from mobilenets.data.formats import ALL, LayoutError, Listing, faults, read_listing, relative
from mobilenets.data.images import FORMATS, GRID, Facts, has_image_suffix, inspect_all

TINY = 32  # pixels of the shorter side: that of CIFAR-10, about the least that shows a thing
HUGE = 50_000_000  # pixels: most of a second to decode, every epoch
FEW = 10  # images of a class
IMBALANCE = 10  # times the smallest class
# Of the pairs between CIFAR-10's train and test, all 30 at distance 3 or less show one picture;
# at 4, one in ten is not.
DISTANCE = 3
CLEAR = 3  # grey levels: a smaller step between neighbouring cells may be noise
# Of an image's 64 steps, how many must rise and how many fall: below, it is too plain for its hash to tell.
VARIED = 16
TRAITS: dict[str, tuple[Level, str, str]] = {
    "exif-rotated": ("note", "is stored rotated, with an EXIF orientation", "nothing: it is read upright"),
    "cmyk": ("note", "has CMYK colours", "save it as RGB if shades matter"),
    "sixteen-bit": ("note", "is grey with more than 8 bits", "nothing: it is scaled to 8 bits"),
    "alpha": ("note", "has transparency", "nothing: it is laid over white"),
    "animated": ("warning", "has several frames; the first is used", "save the frames wanted as images"),
}


class Row(NamedTuple):
    """One image: where it was listed and what it holds."""

    name: str
    split: str
    label: int
    facts: Facts


def examine(source: Path) -> list[Finding]:
    """All findings about a dataset, errors first. Raises DataError when `source` does not exist."""
    try:
        listing = read_listing(source)
    except LayoutError as error:
        return [Finding("layout", "error", "", error.problem, error.fix)]
    rows = _survey(listing)
    sound = [row for row in rows if not row.facts.problem]
    findings = [*faults(listing), *_unused(listing), *_lookalike_names(listing), *_amounts(listing)]
    for row in rows:
        findings += _of_file(row)
    return ranked([*findings, *_copies(listing, sound), *_near_leaks(sound)])


def unusable(name: str, facts: Facts) -> Finding | None:
    """The finding that bars a file from training, if there is one."""
    if not is_plain(str(facts.path)):
        message = "its name is not valid UTF-8 or has control characters"
        return Finding("unreadable-name", "error", name, message, "rename it")
    if not facts.problem:
        return None
    kind = "corrupt" if facts.size else "empty-file"
    return Finding(kind, "error", name, facts.problem, "copy it again or remove it")


def _survey(listing: Listing) -> list[Row]:
    """One decode of every listed image."""
    places = [(split, sample) for split, samples in listing.files.items() for sample in samples]
    seen = inspect_all([sample.path for _, sample in places])
    return [
        Row(relative(listing, facts.path), split, sample.label, facts)
        for (split, sample), facts in zip(places, seen, strict=True)
    ]


def _of_file(row: Row) -> Iterator[Finding]:
    """What one file alone gives."""
    facts = row.facts
    if barred := unusable(row.name, facts):
        yield barred
        return
    for trait in facts.traits:
        level, message, fix = TRAITS[trait]
        yield Finding(trait, level, row.name, message, fix)
    size = f"is {facts.width}x{facts.height} pixels"
    if min(facts.width, facts.height) < TINY:
        yield Finding("tiny", "warning", row.name, size, f"use images with at least {TINY} pixels a side")
    if facts.width * facts.height > HUGE:
        yield Finding("huge", "warning", row.name, size, f"scale it below {HUGE // 10**6} million pixels")
    suffix = facts.path.suffix.lower()
    if FORMATS.get(suffix) != facts.format:
        message = f"is {facts.format} inside, named {suffix or 'without suffix'}"
        yield Finding("wrong-suffix", "warning", row.name, message, "rename it: other tools may refuse it")


def _unused(listing: Listing) -> Iterator[Finding]:
    """What lies in the folder and belongs to no class."""
    for path in listing.unused:
        name = relative(listing, path)
        if has_image_suffix(path) or path.is_dir():
            yield Finding("unused", "warning", name, "lies in no class folder", "move it into one")
        else:
            message = f"is not named like an image ({', '.join(FORMATS)})"
            yield Finding("not-an-image", "warning", name, message, "convert it or move it out")


def _lookalike_names(listing: Listing) -> Iterator[Finding]:
    """Classes that a person would take for one."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in listing.labels:
        groups[unicodedata.normalize("NFKC", label).strip().casefold()].append(shown(label))
    for names in groups.values():
        if len(names) > 1:
            message = f"classes {' and '.join(map(repr, names))} differ only in case, spaces or encoding"
            yield Finding("unreadable-name", "warning", "", message, "merge or rename them")


def _amounts(listing: Listing) -> Iterator[Finding]:
    """Classes with few images to train on, and lopsided ones."""
    samples: Sequence[Sample] = listing.files.get(ALL) or listing.files["train"]
    counts = Counter(listing.labels[sample.label] for sample in samples).most_common()
    for label, count in counts:
        if count < FEW:
            message = f"class {shown(label)} has {count} images to train on"
            yield Finding("few-images", "warning", "", message, f"add some: {FEW} at the very least")
    if not counts:
        return
    (largest, most), (smallest, least) = counts[0], counts[-1]
    if most > IMBALANCE * least:
        message = f"class {shown(largest)} has {most} images, {shown(smallest)} has {least}"
        yield Finding("imbalance", "warning", "", message, "add images of the rare classes")


def _copies(listing: Listing, rows: Sequence[Row]) -> Iterator[Finding]:
    """Files with the same bytes, each reported against the first of them."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.facts.digest].append(row)
    for first, *others in groups.values():
        for row in others:
            if row.label != first.label:
                names = f"{shown(listing.labels[row.label])} here, {shown(listing.labels[first.label])} there"
                message = f"has the same content as {first.name} and another class: {names}"
                yield Finding("conflicting-label", "error", row.name, message, "keep the right one")
            if row.split != first.split:
                message = f"has the same content as {first.name}: {row.split} repeats {first.split}"
                yield Finding("leak", "error", row.name, message, "keep one of them")
            if (row.split, row.label) == (first.split, first.label):
                message = f"has the same content as {first.name}"
                yield Finding("duplicate", "warning", row.name, message, "keep one of them")


def _near_leaks(rows: Sequence[Row]) -> Iterator[Finding]:
    """Images of one split that look like an image of another without having its bytes."""
    splits: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        splits[row.split].append(row)
    for first, second in combinations(splits.values(), 2):
        for i, j in _alike([row.facts.thumb for row in first], [row.facts.thumb for row in second]):
            if first[i].facts.digest != second[j].facts.digest:
                message = f"looks like {first[i].name}"
                fix = "if they are one picture, keep one of them"
                yield Finding("near-duplicate-leak", "warning", second[j].name, message, fix)


def _alike(first: Sequence[bytes], second: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Indices (into `first`, into `second`) of each second thumbnail and its nearest within DISTANCE bits."""
    (left, left_index), (right, right_index) = _difference_hash(first), _difference_hash(second)
    if not len(left):
        return
    for start in range(0, len(right), 256):
        agreement = right[start : start + 256] @ left.T  # (256, N): 64 minus twice the Hamming distance
        nearest = agreement.argmax(axis=1)
        for row in np.flatnonzero(agreement.max(axis=1) >= 64 - 2 * DISTANCE):
            yield int(left_index[nearest[row]]), int(right_index[start + row])


def _difference_hash(thumbs: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """64-bit difference hashes (K, 64) of the K thumbnails that are varied, and their indices (K,).

    A bit, +1 or -1, says whether a cell is brighter than its left neighbour.
    """
    columns, lines = GRID
    cells = np.frombuffer(b"".join(thumbs), np.uint8).reshape(-1, lines, columns).astype(np.int16)
    steps = np.diff(cells, axis=2).reshape(len(thumbs), -1)
    varied = np.minimum((steps >= CLEAR).sum(axis=1), (steps <= -CLEAR).sum(axis=1)) >= VARIED
    return np.where(steps[varied] > 0, 1, -1).astype(np.float32), np.flatnonzero(varied)
