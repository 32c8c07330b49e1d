"""Masks as image files in a folder beside that of the images, with a class list."""

from collections.abc import Mapping
from pathlib import Path

from mobilenets.data.dataset import MaskedSample
from mobilenets.data.findings import Finding, shown
from mobilenets.data.images import has_image_suffix
from mobilenets.data.listing import (
    ALL,
    LayoutError,
    Listing,
    child,
    gather,
    missing_image,
    split_folders,
    unannotated,
    walk,
)
from mobilenets.data.masks.coding import CLASSES, FIX, LISTS, Classes, list_in, read_classes
from mobilenets.data.masks.painted import Painted, read_mask, save_mask

FOLDERS = ("masks", "labels", "annotations", "mask", "label")
ENDINGS = ("", "_mask", "_masks", "_label", "_labels", "_seg", "_gt", "_L", "_P")


def found(source: Path) -> bool:
    """Whether a folder has images and masks, of every split or above the splits."""
    return source.is_dir() and bool(_pairs(source))


def read(source: Path) -> Listing[Painted]:
    """Every image with its mask. Raises LayoutError, OSError."""
    path = list_in(source)
    if path is None:
        raise LayoutError(f"{source} has masks and no class list ({', '.join(LISTS)})", f"add one: {FIX}")
    classes = read_classes(path)
    items: list[tuple[str, Painted | Finding]] = []
    idle: list[Finding] = []
    for split, (images, masks) in _pairs(source).items():
        index = _index(masks)
        for image in filter(has_image_suffix, walk(images)):
            mask = _mask(index, image.relative_to(images))
            if mask is None:
                where = shown(image.relative_to(source).as_posix())
                idle.append(unannotated(where, "mask", "left out"))
            else:
                items.append((split, _painted(source, image, index.pop(mask), classes)))
        items += [
            (split, missing_image(shown(mask.relative_to(source).as_posix()), mask.stem))
            for mask in index.values()
        ]
    return gather(source, classes.labels, items, idle)


def _painted(root: Path, image: Path, mask: Path, classes: Classes) -> Painted:
    """One image and its mask."""
    where = shown(mask.relative_to(root).as_posix())
    return Painted(image, where, mask, classes.coding, past=classes.past)


def _pairs(root: Path) -> dict[str, tuple[Path, Path]]:
    """The folders of images and of masks of each split."""
    inner = {split: _pair(tree) for split, tree in split_folders(root).items()}
    if any(inner.values()):
        return {split: pair for split, pair in inner.items() if pair}
    pair = _pair(root)
    if pair is None:
        return {}
    images, masks = (split_folders(folder) for folder in pair)
    return {split: (images[split], masks[split]) for split in images if split in masks} or {ALL: pair}


def _pair(tree: Path) -> tuple[Path, Path] | None:
    """The folders of images and of masks in a folder, if it has both."""
    images, masks = child(tree, "images"), child(tree, *FOLDERS)
    if images is None or masks is None or not images.is_dir() or not masks.is_dir():
        return None
    return (images, masks) if any(map(has_image_suffix, walk(masks))) else None


def _index(folder: Path) -> dict[Path, Path]:
    """The masks of a folder by their path below it without suffix."""
    masks = filter(has_image_suffix, walk(folder))
    return {path.relative_to(folder).with_suffix(""): path for path in masks}


def _mask(index: Mapping[Path, Path], image: Path) -> Path | None:
    """The key in the index that belongs to an image."""
    stem = image.with_suffix("")
    return next((key for key in (stem.with_name(stem.name + end) for end in ENDINGS) if key in index), None)


def write(folder: Path, labels: tuple[str, ...], files: Mapping[str, Mapping[str, MaskedSample]]) -> None:
    """A mask for each image in `folder`, whose images are in place, and the class list.

    `files` has the samples of each split by the name of their image.
    """
    (folder / CLASSES).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    for split, samples in files.items():
        for name, sample in samples.items():
            place = folder / image_place(split, name)
            mask = place.parent.with_name("masks") / f"{place.stem}.png"
            mask.parent.mkdir(exist_ok=True)
            save_mask(read_mask(sample), mask)


def image_place(split: str, name: str) -> str:
    """Where an image lies below the folder."""
    return f"images/{name}" if split == ALL else f"{split}/images/{name}"
