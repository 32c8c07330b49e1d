"""The masks of the embedded data set."""

from pathlib import Path

from mobilenets.data.listing import Listing, gather
from mobilenets.data.masks.coding import by_value
from mobilenets.data.masks.painted import Painted
from mobilenets.data.signs.generate import INDEX
from mobilenets.data.signs.index import home_of, read_index

BACKGROUND = "background"


def found(source: Path) -> bool:
    """Whether a source is the set, or its folder of images."""
    return home_of(source) is not None


def read(source: Path) -> Listing[Painted]:
    """Every picture with its mask; the first class is what is no sign. Raises LayoutError, OSError."""
    index = read_index(home_of(source) or source)
    classes = by_value([BACKGROUND, *index.labels], index.home / INDEX)
    items = [
        (split, Painted(index.home / one.image, one.mask, index.home / one.mask, classes.coding))
        for split, pictures in index.pictures.items()
        for one in pictures
    ]
    return gather(index.home, classes.labels, items)
