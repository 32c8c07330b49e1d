"""An image and those that look like it, side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenets.base.errors import DataError
from mobilenets.reports.lettering import fitting, font

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE, GAP, LINE = 160, 8, 22  # pixels: of a picture, between two, of a line of text beneath
ROW = 8  # pictures beside each other before the next row
INK, FAINT, PAPER, ABSENT = (24, 28, 34), (110, 116, 124), (255, 255, 255), (222, 225, 229)


def draw_strip(query: Path, neighbours: Sequence[tuple[Path, str, str]]) -> "Image":
    """A new RGB picture: the image `query`, then its neighbours in rows, each with two lines beneath.

    An image that is gone or cannot be read stays an empty square.
    """
    from PIL import Image, ImageDraw

    columns = max(1, min(ROW, len(neighbours)))
    rows = max(1, -(-len(neighbours) // columns))
    step, tall = SIDE + GAP, SIDE + 2 * LINE + GAP
    canvas = Image.new("RGB", (2 * GAP + step * (1 + columns), GAP + tall * rows), PAPER)
    pen, face = ImageDraw.Draw(canvas), font(LINE * 0.6)
    for place, (path, *lines) in enumerate([(query, "looked for", query.name), *neighbours]):
        row, column = divmod(place - 1, columns) if place else (0, -1)
        left = GAP + (step * (1 + column) + GAP if place else 0)
        top = GAP + tall * row
        canvas.paste(_tile(path), (left, top))
        for line, text in enumerate(lines):
            middle = top + SIDE + LINE * line + LINE // 2
            ink = FAINT if line else INK
            pen.text((left, middle), fitting(text, face, SIDE), fill=ink, font=face, anchor="lm")
    return canvas


def _tile(path: Path) -> "Image":
    """The centre square of an image at SIDE pixels."""
    from PIL import Image, ImageOps

    from mobilenets.data.images import open_rgb

    try:
        return ImageOps.fit(open_rgb(path), (SIDE, SIDE), Image.Resampling.LANCZOS)
    except DataError:
        return Image.new("RGB", (SIDE, SIDE), ABSENT)
