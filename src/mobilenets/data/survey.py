"""From what a source lists to samples whose files are known to serve: what doctor and loading share."""

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, NamedTuple

from mobilenets.base.console import track
from mobilenets.data.boxes import read_boxes
from mobilenets.data.boxes.drawn import settle as settle_boxes
from mobilenets.data.dataset import BoxedSample, MaskedSample
from mobilenets.data.findings import Finding, is_plain
from mobilenets.data.images import Facts, inspect_all
from mobilenets.data.listing import LayoutError, Listing, in_order, relative
from mobilenets.data.masks import read_masks
from mobilenets.data.masks.painted import settle as settle_mask

FOLDED = ("mask-void", "mask-mode")  # ways of reading that mostly hold for all masks of a set
Settle = Callable[[Any, Facts], tuple[BoxedSample | MaskedSample | None, list[Finding]]]


class Row(NamedTuple):
    """One image: where it was listed, what was said of it and what it holds."""

    name: str
    split: str
    label: Hashable
    facts: Facts


class Survey(NamedTuple):
    """The samples that can be used, a row for each image, all remarks; how many of `total` are lost."""

    listing: Listing[Any]
    rows: list[Row]
    findings: list[Finding]
    total: int
    lost: int


def unusable(name: str, facts: Facts) -> Finding | None:
    """The finding that bars a file from training, if there is one."""
    if not is_plain(str(facts.path)):
        message = "its name is not valid UTF-8 or has control characters"
        return Finding("unreadable-name", "error", name, message, "rename it")
    if not facts.problem:
        return None
    kind = "corrupt" if facts.size else "empty-file"
    return Finding(kind, "error", name, facts.problem, "copy it again or remove it")


def survey(task: str, source: Path) -> Survey:
    """Everything about the boxes ("detect") or masks ("segment") of a source; each image is decoded once.

    Raises DataError when `source` is missing, LayoutError when its layout does not serve.
    """
    if task == "detect":
        return _surveyed(read_boxes(source), settle_boxes)
    listing = read_masks(source)
    if len(listing.labels) < 2:
        fix = "list at least two, background too"
        raise LayoutError(f"{source} has the one class {listing.labels[0]!r}", fix)
    seen = _surveyed(listing, partial(settle_mask, classes=len(listing.labels)))
    return seen._replace(findings=list(_folded(seen.findings)))


def check_classes(listing: Listing[MaskedSample]) -> None:
    """Raise LayoutError for masks that show no two classes: there is nothing to tell apart."""
    shown_there = {label for samples in listing.files.values() for one in samples for label in one.classes}
    if len(shown_there) < 2:
        which = "".join(f" but {listing.labels[label]!r}" for label in shown_there)
        raise LayoutError(
            f"the masks of {listing.root} show no class{which}",
            "save the first class as 0, the next as 1 and so on; 255 means no class at all",
        )


def _surveyed(listing: Listing[Any], settle: Settle) -> Survey:
    """The survey of a listing, by what settles one of its entries."""
    places = [(split, entry) for split, entries in listing.files.items() for entry in entries]
    seen = inspect_all([entry.path for _, entry in places])

    def check(number: int) -> tuple[BoxedSample | MaskedSample | None, list[Finding]]:
        """One image."""
        facts, entry = seen[number], places[number][1]
        barred = unusable(relative(listing, facts.path), facts)
        return (None, [barred]) if barred else settle(entry, facts)

    with ThreadPool() as pool:
        numbers = range(len(places))
        checked = list(track(pool.imap(check, numbers, chunksize=8), "checking annotations", len(places)))
    files: dict[str, list[Any]] = {split: [] for split in listing.files}
    rows, findings = [], list(listing.findings)
    for (split, _), facts, (sample, remarks) in zip(places, seen, checked, strict=True):
        findings += remarks
        rows.append(Row(relative(listing, facts.path), split, _said(sample), facts))
        if sample is not None:
            files[split].append(sample)
    kept = {split: tuple(samples) for split, samples in files.items()}
    unread = sum(finding.level == "error" for finding in listing.findings)
    lost = unread + sum(sample is None for sample, _ in checked)
    sound = Listing(listing.root, listing.labels, in_order(kept, listing.root))
    return Survey(sound, rows, findings, len(places) + unread, lost)


def _said(sample: BoxedSample | MaskedSample | None) -> Hashable:
    """What tells the annotation of one image from that of a copy."""
    match sample:
        case BoxedSample(boxes=boxes):
            return boxes
        case MaskedSample(pixels=pixels):
            return pixels
        case _:
            return None


def _folded(findings: Iterable[Finding]) -> Iterable[Finding]:
    """The findings, those that all masks are likely to share as one."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.id in FOLDED:
            groups.setdefault(finding.id, []).append(finding)
        else:
            yield finding
    for first, *others in groups.values():
        more = f"; so do {len(others)} more" if others else ""
        yield Finding(first.id, first.level, first.file, f"{first.message}{more}", first.fix)
