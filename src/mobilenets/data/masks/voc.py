"""Pascal VOC's masks: palette PNGs in SegmentationClass, 255 for void, lists in ImageSets/Segmentation."""

from collections.abc import Mapping
from pathlib import Path

from mobilenets.data.boxes.voc import image_place, read_lists, write_lists
from mobilenets.data.dataset import MaskedSample
from mobilenets.data.findings import Finding, shown
from mobilenets.data.images import has_image_suffix
from mobilenets.data.listing import ALL, Listing, child, entries, gather, missing_image
from mobilenets.data.masks.coding import CLASSES, Classes, by_value, list_in, read_classes
from mobilenets.data.masks.painted import Painted, read_mask, save_mask

__all__ = ["found", "image_place", "read", "write"]

LISTS = Path("ImageSets") / "Segmentation"
# The classes of the challenge, for trees that do not name their own
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip


def found(source: Path) -> bool:
    """Whether a folder is such a tree."""
    return source.is_dir() and child(source, "SegmentationClass") is not None


def read(source: Path) -> Listing[Painted]:
    """What the tree lists, or all that has a mask where it lists nothing. Raises LayoutError, OSError."""
    folder = child(source, "SegmentationClass") or source
    masks = {path.stem: path for path in entries(folder) if has_image_suffix(path)}
    images = child(source, "JPEGImages", "images") or source
    index = {path.stem: path for path in entries(images) if has_image_suffix(path)}
    path = list_in(source)
    classes = read_classes(path, past=False) if path else by_value(list(VOC), source)
    lists = read_lists(source / LISTS) or {ALL: sorted(masks)}
    items = [
        (
            split,
            _painted(
                source, classes, Path(name).stem if has_image_suffix(Path(name)) else name, masks, index
            ),
        )
        for split, names in lists.items()
        for name in names
    ]
    return gather(source, classes.labels, items)


def _painted(
    root: Path, classes: Classes, name: str, masks: dict[str, Path], images: dict[str, Path]
) -> Painted | Finding:
    """One image with its mask, or what is missing."""
    if name not in masks:
        message = f"is listed in {LISTS.as_posix()} and has no mask"
        return Finding("missing-annotation", "error", shown(name), message, "add it or take it from the list")
    where = shown(masks[name].relative_to(root).as_posix())
    if name not in images:
        return missing_image(where, name)
    return Painted(images[name], where, masks[name], classes.coding)


def write(folder: Path, labels: tuple[str, ...], files: Mapping[str, Mapping[str, MaskedSample]]) -> None:
    """Masks with the challenge's palette in `folder`, whose images are in place, lists and class names.

    `files` has the samples of each split by the name of their image.
    """
    (folder / "SegmentationClass").mkdir()
    for samples in files.values():
        for name, sample in samples.items():
            mask = folder / "SegmentationClass" / f"{Path(name).stem}.png"
            save_mask(read_mask(sample), mask, palette=True)
    (folder / CLASSES).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    write_lists(folder / LISTS, files)
