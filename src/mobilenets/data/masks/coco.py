"""COCO's outlines and run lengths as masks; pixels of no annotation are background."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mobilenets.base.errors import shown as quoted
from mobilenets.data import coco, coco_listing
from mobilenets.data.coco_listing import image_place, listing
from mobilenets.data.dataset import UNKNOWN, Coding, MaskedSample, Shape
from mobilenets.data.findings import Finding
from mobilenets.data.listing import LayoutError, Listing, broken
from mobilenets.data.masks.painted import Painted, read_mask
from mobilenets.data.masks.shapes import encoded

__all__ = ["found", "image_place", "read", "write"]

BACKGROUND = "background"
FILLED = re.compile(rb'"segmentation"\s*:\s*(\[\s*\[|\{)')


def found(source: Path) -> bool:
    """Whether there is such a JSON with a segmentation in it."""
    return any(FILLED.search(path.read_bytes()) for path in coco.files(source).values())


def read(source: Path) -> Listing[Painted]:
    """What the documents list. Raises LayoutError, OSError."""
    documents = coco.read_all(source)
    names = coco.labels_of(documents)
    rest = next((i for i, name in enumerate(names) if name.casefold() == BACKGROUND), None)
    labels = (BACKGROUND, *names) if rest is None else names
    if len(labels) >= UNKNOWN:
        raise LayoutError(f"{source} has {len(labels)} classes", f"masks can tell {UNKNOWN - 1} apart")
    return listing(source, documents, labels, _shape, partial(_painted, rest or 0))


def _painted(
    rest: int,
    path: Path,
    where: str,
    document: coco.Document,
    shapes: tuple[Shape, ...],
    size: tuple[float, float] | None,
) -> Painted:
    """An image with its regions; pixels of none are of the class `rest`."""
    return Painted(path, where, document.path, Coding(b""), shapes, rest, size)


def _shape(where: str, item: dict[str, Any], label: int) -> Shape | Finding:
    """The region of one annotation."""
    drawn = item.get("segmentation")
    match drawn:
        case [[*_], *_] if all(map(_is_outline, drawn)):
            return Shape(label, polygons=tuple(tuple(map(float, outline)) for outline in drawn))
        case {"counts": str(runs)} if runs.isascii():
            return Shape(label, runs=runs)
        case {"counts": [*runs]} if all(isinstance(run, int) and 0 <= run < 2**31 for run in runs):
            return Shape(label, runs=tuple(runs))
    return broken(where, f"its segmentation is {quoted(drawn)}, neither outlines nor run lengths")


def _is_outline(outline: Any) -> bool:
    """Whether a value is x, y, x, y, ... of three points at least."""
    return (
        isinstance(outline, list)
        and len(outline) >= 6
        and len(outline) % 2 == 0
        and all(map(coco.is_number, outline))
    )


def write(folder: Path, labels: tuple[str, ...], files: Mapping[str, Mapping[str, MaskedSample]]) -> None:
    """A JSON for each split in `folder`, whose images are in place: one region per class and image.

    COCO has no background and nothing to ignore: background is what no region covers, and so is void.
    `files` has the samples of each split by the name of their image.
    """
    coco_listing.write(folder, files, partial(_document, labels))


def _document(labels: tuple[str, ...], samples: Mapping[str, MaskedSample]) -> dict[str, Any]:
    """The three lists, ids from 1."""
    ids = {label: key for key, label in enumerate(labels, 1) if label.casefold() != BACKGROUND}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, (name, sample) in enumerate(samples.items(), 1):
        images.append({"id": image, "file_name": name, "width": sample.width, "height": sample.height})
        classes = read_mask(sample)
        for label in sample.classes:
            if labels[label] in ids:
                found = {"id": len(annotations) + 1, "image_id": image, "category_id": ids[labels[label]]}
                annotations.append({**found, **encoded(classes == label)})
    categories = [{"id": key, "name": label} for label, key in ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}
