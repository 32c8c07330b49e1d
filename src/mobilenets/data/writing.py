"""A data set with boxes or masks, written in another layout."""

import os
import shutil
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any, Protocol

from mobilenets.base.errors import DataError, UnknownName
from mobilenets.base.files import filling
from mobilenets.data.boxes import coco, voc, yolo
from mobilenets.data.dataset import BoxedSample, MaskedSample
from mobilenets.data.formats import guess
from mobilenets.data.listing import Listing
from mobilenets.data.masks import coco as mask_coco
from mobilenets.data.masks import folders as mask_folders
from mobilenets.data.masks import voc as mask_voc


class Writer(Protocol):
    """A module that writes its layout."""

    def image_place(self, split: str, name: str, /) -> str:
        """Where an image lies below the folder."""

    def write(self, folder: Path, labels: tuple[str, ...], files: Mapping[str, Mapping[str, Any]], /) -> None:
        """Write the annotations to a folder that has the images; samples by split and by image name."""


WRITERS: dict[str, dict[str, Writer]] = {
    "detect": {"voc": voc, "coco": coco, "yolo": yolo},
    "segment": {"masks": mask_folders, "voc": mask_voc, "coco": mask_coco},
}


def write(listing: Listing[BoxedSample] | Listing[MaskedSample], task: str, layout: str, out: Path) -> None:
    """The data set in `out`, which becomes it in one step; images are linked, or copied where they cannot be.

    Splits stay as they are. Raises UnknownName for a layout, DataError when `out` holds something,
    StorageError when the disk refuses.
    """
    writer = writer_of(task, layout)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is not empty; give another folder")
    names = _names(listing)
    files = {split: {names[one.path]: one for one in samples} for split, samples in listing.files.items()}
    with filling(out) as draft:
        for split, samples in files.items():
            for name, sample in samples.items():
                _put(sample.path, draft / writer.image_place(split, name))
        writer.write(draft, listing.labels, files)


def writer_of(task: str, layout: str) -> Writer:
    """What writes a layout. Raises UnknownName."""
    if layout not in WRITERS[task]:
        raise UnknownName(f"layout to {task} with", layout, WRITERS[task])
    return WRITERS[task][layout]


def _names(listing: Listing[Any]) -> dict[Path, str]:
    """A name for each image whose stem no other has: its own, with its folders where that is taken."""
    taken: set[str] = set()
    names: dict[Path, str] = {}
    for path in dict.fromkeys(sample.path for samples in listing.files.values() for sample in samples):
        long = "_".join(path.relative_to(listing.root).parts)
        options = chain((path.name, long), (f"{i}_{long}" for i in count(2)))
        names[path] = next(name for name in options if Path(name).stem.casefold() not in taken)
        taken.add(Path(names[path]).stem.casefold())
    return names


def _put(source: Path, place: Path) -> None:
    """The image at its place, once for all splits: the same file where the disk allows it."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), place)
    except OSError:
        shutil.copyfile(source, place)


def task_for(source: Path, layout: str, task: str | None = None) -> str:
    """The task to convert for: the one given, else the only one of the layout, else what the source is for.

    Raises UnknownName for a task, LayoutError.
    """
    if task is not None and task not in WRITERS:
        raise UnknownName("task to convert for", task, WRITERS)
    able = [name for name, writers in WRITERS.items() if layout in writers]
    if task or len(able) == 1:
        return task or able[0]
    found = guess(source)
    return found if found in WRITERS else "detect"


def losses(listing: Listing[Any], layout: str) -> dict[str, int]:
    """How many boxes lose a mark that the layout does not have."""
    marks = {"yolo": ("crowd", "difficult"), "voc": ("crowd",)}.get(layout, ())
    samples = [
        sample for split in listing.files.values() for sample in split if isinstance(sample, BoxedSample)
    ]
    counts = {mark: sum(getattr(box, mark) for one in samples for box in one.boxes) for mark in marks}
    return {mark: count for mark, count in counts.items() if count}
