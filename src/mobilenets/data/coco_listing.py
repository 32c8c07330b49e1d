"""From COCO's documents to a listing and back, whatever it is that their annotations draw."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mobilenets.base.errors import shown as quoted
from mobilenets.data import coco
from mobilenets.data.findings import Finding, shown
from mobilenets.data.listing import ALL, Listing, gather, missing_image, unlisted_class

Thing = TypeVar("Thing")
Drawn = TypeVar("Drawn")
Sample = TypeVar("Sample")
# an annotation's name for findings, the annotation, its class
Parse = Callable[[str, dict[str, Any], int], Thing | Finding]
# an image, its name for findings, the document, what is drawn on it, the size that the document claims
Make = Callable[[Path, str, coco.Document, tuple[Thing, ...], tuple[float, float] | None], Drawn]


def listing(
    source: Path,
    documents: Sequence[coco.Document],
    labels: tuple[str, ...],
    parse: Parse[Thing],
    make: Make[Thing, Drawn],
) -> Listing[Drawn]:
    """The images of the documents, each made from its annotations, parsed one by one. Raises OSError."""
    images = coco.Images(coco.root_of(source))
    items = [item for document in documents for item in _items(document, labels, images, parse, make)]
    findings = [finding for document in documents for finding in document.findings]
    return gather(images.root, labels, items, [*findings, *images.idle()])


def _items(
    document: coco.Document,
    labels: tuple[str, ...],
    images: coco.Images,
    parse: Parse[Thing],
    make: Make[Thing, Drawn],
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
        things = [_thing(where, item, ids, parse) for item in entry.annotations]
        bad = next((thing for thing in things if isinstance(thing, Finding)), None)
        sound = tuple(thing for thing in things if not isinstance(thing, Finding))
        yield document.split, bad or make(path, where, document, sound, entry.size)


def _thing(where: str, item: dict[str, Any], ids: Mapping[Any, int], parse: Parse[Thing]) -> Thing | Finding:
    """What one annotation draws, or why it cannot be used."""
    label = ids.get(item["category_id"]) if coco.is_key(item, "category_id") else None
    if label is None:
        named = f"category_id {quoted(item.get('category_id'))}"
        return unlisted_class(where, named, "the list of categories")
    return parse(where, item, label)


def write(
    folder: Path,
    files: Mapping[str, Mapping[str, Sample]],
    document: Callable[[Mapping[str, Sample]], dict[str, Any]],
) -> None:
    """A JSON for each split in `folder`, whose images are in place.

    `files` has the samples of each split by the name of their image; `document` makes the three lists of
    them.
    """
    (folder / "annotations").mkdir()
    for split, samples in files.items():
        name = "instances.json" if split == ALL else f"instances_{split}.json"
        text = json.dumps(document(samples), ensure_ascii=False)
        (folder / "annotations" / name).write_text(text, encoding="utf-8")


def image_place(split: str, name: str) -> str:
    """Where an image lies below the folder."""
    return f"{'images' if split == ALL else split}/{name}"
