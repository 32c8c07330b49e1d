"""Images of the data, small enough to live inside the page."""

import base64
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from mobilenets.base.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 176  # pixels: sharp at the size that the page shows them, on dense screens too


def data_uri(root: Path, file: str, side: int = SIDE) -> str | None:
    """A thumbnail of `file` under `root` as a JPEG data URI, None when it cannot be had."""
    image = opened(root, file)
    if image is None:
        return None
    image.thumbnail((side, side))
    return encoded(image)


def opened(root: Path, file: str) -> "Image | None":
    """The image `file` under `root`, None when it is gone, broken, or would lie elsewhere."""
    from mobilenets.data.images import open_rgb

    relative = PurePath(file)
    if relative.is_absolute() or ".." in relative.parts or not (root / relative).is_file():
        return None
    try:
        return open_rgb(root / relative)
    except DataError:
        return None


def encoded(image: "Image", *, drawn: bool = False) -> str:
    """A picture as a JPEG data URI; the colours of one that is `drawn` on keep their edges."""
    content = BytesIO()
    image.save(content, format="JPEG", quality=82, subsampling=0 if drawn else 2)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
