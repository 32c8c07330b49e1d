"""Boxes on images: the layouts they come in, told apart by what lies there."""

from pathlib import Path
from typing import Protocol

from mobilenets.data.boxes import coco, signs, voc, yolo
from mobilenets.data.boxes.drawn import Drawn
from mobilenets.data.listing import LayoutError, Listing, refuse_other


class Layout(Protocol):
    """A module that knows one layout."""

    def found(self, source: Path, /) -> bool:
        """Whether a source is of this layout."""

    def read(self, source: Path, /) -> Listing[Drawn]:
        """The listing. Raises LayoutError, OSError."""


LAYOUTS: dict[str, Layout] = {"signs": signs, "voc": voc, "coco": coco, "yolo": yolo}
WANTED = (
    "a folder in one of these layouts: Pascal VOC (Annotations/*.xml, JPEGImages), COCO (a JSON per split), "
    "YOLO (data.yaml, images, labels)"
)


def layout_of(source: Path) -> str | None:
    """The name of the layout, or None where it is none of them. Raises LayoutError when it is ambiguous."""
    return next((name for name, layout in LAYOUTS.items() if layout.found(source)), None)


def read_boxes(source: Path) -> Listing[Drawn]:
    """The images of a source and their boxes as annotated.

    Raises DataError when `source` is missing, LayoutError when its layout does not serve.
    """
    try:
        if source.exists() and (name := layout_of(source)):
            return LAYOUTS[name].read(source)
    except OSError as error:
        raise LayoutError(f"{error.filename} cannot be read: {error.strerror}", "check it") from error
    refuse_other(source, WANTED)
    raise LayoutError(f"{source} holds no boxes", f"give {WANTED}")
