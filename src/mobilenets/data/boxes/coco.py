"""COCO JSON: boxes as x, y, width, height in pixels counted from 0, categories by id."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mobilenets.base.errors import shown as quoted
from mobilenets.data import coco
from mobilenets.data.boxes.drawn import Drawn
from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.data.findings import Finding, shown
from mobilenets.data.listing import ALL, Listing, broken, gather, missing_image, unlisted_class


def found(source: Path) -> bool:
    """Whether there is such a JSON: given itself, in the folder, in its annotations or in those of splits."""
    return bool(coco.files(source))


def read(source: Path) -> Listing[Drawn]:
    """What the documents list. Raises LayoutError, OSError."""
    documents = coco.read_all(source)
    labels = coco.labels_of(documents)
    images = coco.Images(coco.root_of(source))
    items = [item for document in documents for item in _items(document, labels, images)]
    findings = [finding for document in documents for finding in document.findings]
    return gather(images.root, labels, items, [*findings, *images.idle()])


def _items(
    document: coco.Document, labels: tuple[str, ...], images: coco.Images
) -> Iterator[tuple[str, Drawn | Finding]]:
    """The images of one document, or why one cannot be used."""
    index = {name: label for label, name in enumerate(labels)}
    ids = {key: index[name] for key, name in document.categories.items() if name in index}
    for entry in document.images.values():
        path = images.of(document, entry.name)
        if path is None:
            yield document.split, missing_image(document.path.name, entry.name)
            continue
        where = shown(path.relative_to(images.root).as_posix())
        boxes = [_box(where, item, ids) for item in entry.annotations]
        bad = next((box for box in boxes if isinstance(box, Finding)), None)
        sound = tuple(box for box in boxes if isinstance(box, Box))
        yield document.split, bad or Drawn(path, where, sound, entry.size)


def _box(where: str, item: dict[str, Any], ids: Mapping[Any, int]) -> Box | Finding:
    """The box of one annotation."""
    label = ids.get(item["category_id"]) if coco.is_key(item, "category_id") else None
    if label is None:
        return unlisted_class(
            where, f"category_id {quoted(item.get('category_id'))}", "the list of categories"
        )
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
    (folder / "annotations").mkdir()
    for split, samples in files.items():
        name = "instances.json" if split == ALL else f"instances_{split}.json"
        text = json.dumps(_document(labels, samples), ensure_ascii=False)
        (folder / "annotations" / name).write_text(text, encoding="utf-8")


def image_place(split: str, name: str) -> str:
    """Where an image lies below the folder."""
    return f"{'images' if split == ALL else split}/{name}"


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
