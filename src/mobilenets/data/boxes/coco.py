"""COCO JSON: boxes as x, y, width, height in pixels counted from 0, categories by id."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mobilenets.base.errors import shown as quoted
from mobilenets.data import coco, coco_listing
from mobilenets.data.boxes.drawn import Drawn
from mobilenets.data.coco_listing import image_place, listing
from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.data.findings import Finding
from mobilenets.data.listing import Listing, broken

__all__ = ["found", "image_place", "read", "write"]


def found(source: Path) -> bool:
    """Whether there is such a JSON: given itself, in the folder, in its annotations or in those of splits."""
    return bool(coco.files(source))


def read(source: Path) -> Listing[Drawn]:
    """What the documents list. Raises LayoutError, OSError."""
    documents = coco.read_all(source)
    return listing(source, documents, coco.labels_of(documents), _box, _drawn)


def _drawn(
    path: Path, where: str, _: coco.Document, boxes: tuple[Box, ...], size: tuple[float, float] | None
) -> Drawn:
    """An image with its boxes."""
    return Drawn(path, where, boxes, size)


def _box(where: str, item: dict[str, Any], label: int) -> Box | Finding:
    """The box of one annotation."""
    values = item.get("bbox")
    if not isinstance(values, list) or len(values) != 4 or not all(map(coco.is_number, values)):
        return broken(where, f"its bbox is {quoted(values)}, not x, y, width and height")
    x, y, width, height = map(float, values)
    crowd, difficult = item.get("iscrowd") == 1, item.get("difficult") == 1
    return Box(label, x, y, x + width, y + height, crowd, difficult)


def write(folder: Path, labels: tuple[str, ...], files: Mapping[str, Mapping[str, BoxedSample]]) -> None:
    """A JSON for each split in `folder`, whose images are in place. Difficult boxes keep a key of that name.

    `files` has the samples of each split by the name of their image.
    """
    coco_listing.write(folder, files, partial(_document, labels))


def _document(labels: tuple[str, ...], samples: Mapping[str, BoxedSample]) -> dict[str, Any]:
    """The three lists, ids from 1."""
    pairs = list(enumerate(samples.items(), 1))
    boxes = [(image, box) for image, (_, sample) in pairs for box in sample.boxes]
    return {
        "images": [
            {"id": key, "file_name": name, "width": sample.width, "height": sample.height}
            for key, (name, sample) in pairs
        ],
        "annotations": [_annotation(key, image, box) for key, (image, box) in enumerate(boxes, 1)],
        "categories": [{"id": key, "name": label} for key, label in enumerate(labels, 1)],
    }


def _annotation(key: int, image: int, box: Box) -> dict[str, Any]:
    """One box as COCO has it."""
    width, height = box.x2 - box.x1, box.y2 - box.y1
    return {
        "id": key,
        "image_id": image,
        "category_id": box.label + 1,
        "bbox": [round(value, 4) for value in (box.x1, box.y1, width, height)],
        "area": round(width * height, 4),
        "iscrowd": int(box.crowd),
        **({"difficult": 1} if box.difficult else {}),
    }
