"""Everything worth knowing about a dataset before training on it, as findings."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from mobilenets.arch.spec import check_task
from mobilenets.data.dataset import ANNOTATED, BoxedSample
from mobilenets.data.findings import Finding, Level, ranked, shown
from mobilenets.data.formats import faults, guess, read_listing, remarks
from mobilenets.data.images import FORMATS, GRID, inspect_all
from mobilenets.data.listing import ALL, LayoutError, Listing, relative
from mobilenets.data.near import Embed, near_duplicates
from mobilenets.data.survey import Row, check_classes, survey, unusable

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
THINGS = {"classify": "images", "embed": "images", "detect": "boxes", "segment": "masks"}
TRAITS: dict[str, tuple[Level, str, str]] = {
    "exif-rotated": ("note", "is stored rotated, with an EXIF orientation", "nothing: it is read upright"),
    "cmyk": ("note", "has CMYK colours", "save it as RGB if shades matter"),
    "sixteen-bit": ("note", "is grey with more than 8 bits", "nothing: it is scaled to 8 bits"),
    "alpha": ("note", "has transparency", "nothing: it is laid over white"),
    "animated": ("warning", "has several frames; the first is used", "save the frames wanted as images"),
}


def examine(source: Path, task: str | None = None, embed: Embed | None = None) -> list[Finding]:
    """All findings about a dataset, errors first; for the task that its layout is of where none is given.

    With `embed`, which gives vectors of images, those that show one picture are looked for among all.
    Raises DataError when `source` does not exist, UnknownName for a task.
    """
    try:
        task = task or guess(source)
        check_task(task)
        if task in ANNOTATED:
            listing, rows, findings, *_ = survey(task, source)
            findings += list(_of_classes(listing)) if task == "segment" else []
        else:
            listing = read_listing(source)
            rows = _decoded(listing)
            findings = [*faults(listing), *remarks(listing)]
    except LayoutError as error:
        return [Finding("layout", "error", "", error.problem, error.fix)]
    findings += [*_lookalike_names(listing), *_amounts(listing, THINGS[task]), *_bare(listing)]
    for row in rows:
        findings += _of_file(row)
    sound = [row for row in rows if not row.facts.problem]
    findings += [*_copies(listing, sound), *_near_leaks(sound)]
    if embed is not None and sound:
        known = {(finding.id, finding.file) for finding in findings}
        findings += [near for near in near_duplicates(sound, embed) if (near.id, near.file) not in known]
    return ranked(dict.fromkeys(findings))


def _decoded(listing: Listing) -> list[Row]:
    """One decode of every listed image."""
    places = [(split, sample) for split, samples in listing.files.items() for sample in samples]
    seen = inspect_all([sample.path for _, sample in places])
    return [
        Row(relative(listing, facts.path), split, sample.label, facts)
        for (split, sample), facts in zip(places, seen, strict=True)
    ]


def _of_classes(listing: Listing) -> Iterator[Finding]:
    """Masks in which nothing can be told apart."""
    try:
        check_classes(listing)
    except LayoutError as error:
        yield Finding("one-class", "error", "", error.problem, error.fix)


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


def _lookalike_names(listing: Listing) -> Iterator[Finding]:
    """Classes that a person would take for one."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in listing.labels:
        groups[unicodedata.normalize("NFKC", label).strip().casefold()].append(shown(label))
    for names in groups.values():
        if len(names) > 1:
            message = f"classes {' and '.join(map(repr, names))} differ only in case, spaces or encoding"
            yield Finding("unreadable-name", "warning", "", message, "merge or rename them")


def _amounts(listing: Listing, things: str) -> Iterator[Finding]:
    """Classes with few images (or boxes, or masks) to train on, and lopsided ones."""
    samples = listing.files.get(ALL) or listing.files["train"]
    seen = Counter({label: 0 for label in listing.labels if things != "images"})
    seen.update(listing.labels[index] for sample in samples for index in sample.classes)
    counts = seen.most_common()
    for label, count in counts:
        if count < FEW:
            message = f"class {shown(label)} has {count} {things} to train on"
            yield Finding("few-images", "warning", "", message, f"add some: {FEW} at the very least")
    # What is on most masks is ground that others stand on, not a class with too many images
    grounds = [label for label, count in counts if things == "masks" and 2 * count > len(samples)]
    present = [(label, count) for label, count in counts if count and label not in grounds]
    if not present:
        return
    (largest, most), (smallest, least) = present[0], present[-1]
    if most > IMBALANCE * least:
        message = f"class {shown(largest)} has {most} {things}, {shown(smallest)} has {least}"
        yield Finding("imbalance", "warning", "", message, "add images of the rare classes")


def _bare(listing: Listing) -> Iterator[Finding]:
    """A note about images without a box."""
    samples = [sample for split in listing.files.values() for sample in split]
    if bare := sum(isinstance(sample, BoxedSample) and not sample.boxes for sample in samples):
        message = f"{bare} of {len(samples)} images have no box"
        yield Finding("no-box", "note", "", message, "nothing, if they show none of the classes")


def _copies(listing: Listing, rows: Sequence[Row]) -> Iterator[Finding]:
    """Files with the same bytes, each reported against the first of them."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.facts.digest].append(row)
    for first, *others in groups.values():
        for row in others:
            if row.label != first.label:
                message = f"has the same content as {first.name} and {_difference(listing, row, first)}"
                yield Finding("conflicting-label", "error", row.name, message, "keep the right one")
            if row.split != first.split:
                message = f"has the same content as {first.name}: {row.split} repeats {first.split}"
                yield Finding("leak", "error", row.name, message, "keep one of them")
            if (row.split, row.label) == (first.split, first.label):
                message = f"has the same content as {first.name}"
                yield Finding("duplicate", "warning", row.name, message, "keep one of them")


def _difference(listing: Listing, row: Row, first: Row) -> str:
    """In what the annotation of a copy differs."""
    if not isinstance(row.label, int) or not isinstance(first.label, int):
        return "is annotated otherwise"
    names = f"{shown(listing.labels[row.label])} here, {shown(listing.labels[first.label])} there"
    return f"another class: {names}"


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
