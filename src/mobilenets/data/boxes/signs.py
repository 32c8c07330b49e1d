"""The boxes of the embedded data set."""

from pathlib import Path

from mobilenets.data.boxes.drawn import Drawn
from mobilenets.data.dataset import Box
from mobilenets.data.listing import Listing, gather
from mobilenets.data.signs.index import home_of, read_index


def found(source: Path) -> bool:
    """Whether a source is the set, or its folder of images."""
    return home_of(source) is not None


def read(source: Path) -> Listing[Drawn]:
    """Every picture with the boxes of its signs, hidden parts too. Raises LayoutError, OSError."""
    index = read_index(home_of(source) or source)
    items = [
        (
            split,
            Drawn(index.home / one.image, one.image, tuple(Box(k, *box) for k, box in one.signs), index.size),
        )
        for split, pictures in index.pictures.items()
        for one in pictures
    ]
    return gather(index.home, index.labels, items)
