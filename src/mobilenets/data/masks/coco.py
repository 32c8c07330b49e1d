"""COCO's outlines and run lengths as masks; pixels of no annotation are background."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mobilenets.base.errors import shown as quoted
from mobilenets.data import coco
from mobilenets.data.boxes.coco import image_place
from mobilenets.data.dataset import Coding, MaskedSample, Shape
from mobilenets.data.findings import Finding, shown
from mobilenets.data.listing import ALL, Listing, broken, gather, missing_image, unlisted_class
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
    images = coco.Images(coco.root_of(source))
    items = [item for document in documents for item in _items(document, labels, rest or 0, images)]
    findings = [finding for document in documents for finding in document.findings]
    return gather(images.root, labels, items, [*findings, *images.idle()])


def _items(
    document: coco.Document, labels: tuple[str, ...], rest: int, images: coco.Images
) -> Iterator[tuple[str, Painted | Finding]]:
    """The images of one document, or why one cannot be used."""
    index = {name: label for label, name in enumerate(labels)}
    ids = {key: index[name] for key, name in document.categories.items() if name in index}
    for entry in document.images.values():
        path = images.of(document, entry.name)
        if path is None:
            yield document.split, missing_image(document.path.name, entry.name)
            continue
        where = shown(path.relative_to(images.root).as_posix())
        shapes = [_shape(where, item, ids) for item in entry.annotations]
        bad = next((shape for shape in shapes if isinstance(shape, Finding)), None)
        sound = tuple(shape for shape in shapes if isinstance(shape, Shape))
        painted = Painted(path, where, document.path, Coding(b""), sound, rest, entry.size)
        yield document.split, bad or painted


def _shape(where: str, item: dict[str, Any], ids: Mapping[Any, int]) -> Shape | Finding:
    """The region of one annotation."""
    label = ids.get(item["category_id"]) if coco.is_key(item, "category_id") else None
    if label is None:
        return unlisted_class(
            where, f"category_id {quoted(item.get('category_id'))}", "the list of categories"
        )
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
    (folder / "annotations").mkdir()
    for split, samples in files.items():
        name = "instances.json" if split == ALL else f"instances_{split}.json"
        text = json.dumps(_document(labels, samples), ensure_ascii=False)
        (folder / "annotations" / name).write_text(text, encoding="utf-8")


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
