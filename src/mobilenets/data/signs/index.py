"""The index of a set of sign pictures, for those that need more than the class folders."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from mobilenets.data.listing import LayoutError
from mobilenets.data.signs.generate import INDEX


class Picture(NamedTuple):
    """One picture: paths below the set, and its signs as (class, corners)."""

    image: str
    mask: str
    signs: tuple[tuple[int, tuple[float, float, float, float]], ...]


class Index(NamedTuple):
    """The set: its folder, class names, the size of every picture, the pictures of each split."""

    home: Path
    labels: tuple[str, ...]
    size: tuple[float, float]
    pictures: dict[str, tuple[Picture, ...]]


def home_of(source: Path) -> Path | None:
    """The folder of the set that a source is, or whose images it is; None where there is none."""
    for home in (source, source.parent):
        path = home / INDEX
        if (home == source or source.name == "images") and path.is_file() and (home / "masks").is_dir():
            return home if b'"signs"' in path.read_bytes()[:2000] else None
    return None


def read_index(home: Path) -> Index:
    """The index in `home`. Raises LayoutError when it is broken, OSError."""
    path = home / INDEX
    try:
        content = json.loads(path.read_bytes())
        labels = tuple(map(str, content["labels"]))
        wide, high = map(float, content["size"])
        pictures: dict[str, tuple[Picture, ...]] = {}
        for item in content["images"]:
            picture = _picture(item, labels)
            split = picture.image.split("/")[1]
            pictures[split] = (*pictures.get(split, ()), picture)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LayoutError(f"{path} is damaged ({error})", "delete the set: it is made again") from error
    return Index(home, labels, (wide, high), pictures)


def _picture(item: Any, labels: tuple[str, ...]) -> Picture:
    """One entry. Raises LookupError, TypeError, ValueError."""
    found = []
    for sign in item["signs"]:
        x1, y1, x2, y2 = map(float, sign["box"])
        found.append((labels.index(sign["label"]), (x1, y1, x2, y2)))
    return Picture(str(item["image"]), str(item["mask"]), tuple(found))
