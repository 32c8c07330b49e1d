"""Masks on images: the layouts they come in, and reading one as classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mobilenets.data.listing import LayoutError, Listing, refuse_other
from mobilenets.data.masks import coco, folders, signs, voc
from mobilenets.data.masks.painted import Painted, read_mask

__all__ = ["LAYOUTS", "layout_of", "read_mask", "read_masks"]


class Layout(Protocol):
    """A module that knows one layout."""

    def found(self, source: Path, /) -> bool:
        """Whether a source is of this layout."""

    def read(self, source: Path, /) -> Listing[Painted]:
        """The listing. Raises LayoutError, OSError."""


LAYOUTS: Mapping[str, Layout] = {"signs": signs, "voc": voc, "folders": folders, "coco": coco}
WANTED = (
    "a folder with images and masks (below train, val and test, or above them) and a classes.txt or "
    "label_colors.txt, a Pascal VOC tree with SegmentationClass, or COCO JSON with segmentations"
)


def layout_of(source: Path) -> str | None:
    """The name of the layout, or None where it is none of them. Raises LayoutError when it is ambiguous."""
    return next((name for name, layout in LAYOUTS.items() if layout.found(source)), None)


def read_masks(source: Path) -> Listing[Painted]:
    """The images of a source and where their masks are.

    Raises DataError when `source` is missing, LayoutError when its layout does not serve.
    """
    try:
        if source.exists() and (name := layout_of(source)):
            return LAYOUTS[name].read(source)
    except OSError as error:
        raise LayoutError(f"{error.filename} cannot be read: {error.strerror}", "check it") from error
    refuse_other(source, WANTED)
    raise LayoutError(f"{source} holds no masks", f"give {WANTED}")
