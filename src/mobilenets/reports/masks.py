"""Masks: as palette pictures that hold class indices, and laid over the photograph with a legend."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from mobilenets.data.dataset import IGNORED
from mobilenets.reports.boxes import enlarged
from mobilenets.reports.lettering import fitting, font
from mobilenets.reports.palette import GROUND, LETTERS, Colour, area_colour

if TYPE_CHECKING:
    from PIL.Image import Image

MANY = 60  # classes beyond which a legend of all would hide the picture
VOID: Colour = (96, 100, 106)
STRENGTH = 0.6  # of the colour over the photograph

Legend = Literal["present", "all", "none"]


def palette_picture(mask: np.ndarray) -> "Image":
    """A mask uint8 (H, W) as a palette picture: its pixel values are the class indices."""
    from PIL import Image

    picture = Image.fromarray(mask)
    picture.putpalette(_table().tobytes(), "RGB")  # turns L into P and leaves the values
    return picture


def draw_mask(
    image: "Image", mask: np.ndarray, labels: Sequence[str], *, legend: Legend = "present"
) -> "Image":
    """A new RGB picture: the areas of `mask` (uint8 (H, W), of the image's size) tinted, their borders dark.

    The legend beneath names each class that is there with its share of the pixels that count, the largest
    first; or all classes in their order, so that pictures of one size get legends of one size.
    """
    from PIL import Image

    picture, factor = enlarged(image)
    wide = np.repeat(np.repeat(mask, factor, axis=0), factor, axis=1)
    tint, under = _table()[wide].astype(np.float32), np.asarray(picture, np.float32)
    strength = np.where(wide == IGNORED, STRENGTH / 2, STRENGTH)[..., None]
    mixed = under * (1 - strength) + tint * strength
    mixed[_borders(wide)] *= 0.35
    drawn = Image.fromarray(np.rint(mixed).astype(np.uint8))
    match legend:
        case "present":
            return _over_legend(drawn, _present(mask, labels))
        case "all" if len(labels) <= MANY:
            return _over_legend(drawn, [(area_colour(i), label) for i, label in enumerate(labels)])
        case _:
            return drawn


def shares(mask: np.ndarray, classes: int) -> list[float]:
    """The share of each class among the pixels that are not ignored; zeros where all are."""
    counts = np.bincount(mask.reshape(-1), minlength=256)[:classes]
    return [float(one) for one in counts / max(1, counts.sum())]


def _table() -> np.ndarray:
    """The colour of every index, uint8 (256, 3)."""
    table = np.array([area_colour(index) for index in range(256)], np.uint8)
    table[IGNORED] = VOID
    return table


def _borders(mask: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour has another class."""
    edges = np.zeros(mask.shape, bool)
    edges[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edges[:-1] |= mask[:-1] != mask[1:]
    return edges


def _present(mask: np.ndarray, labels: Sequence[str]) -> list[tuple[Colour, str]]:
    """Colour and text of each class that is there, the largest first."""
    amounts = shares(mask, len(labels))
    present = sorted((i for i, share in enumerate(amounts) if share), key=lambda i: -amounts[i])
    entries = [(area_colour(i), f"{labels[i]} {_percent(amounts[i])}") for i in present]
    return [*entries, (VOID, "not labelled")] if (mask == IGNORED).any() else entries


def _over_legend(picture: "Image", entries: Sequence[tuple[Colour, str]]) -> "Image":
    """The picture over rows of swatches with their texts."""
    from PIL import Image, ImageDraw

    size = max(12, round(max(picture.size) / 48))
    face, row, pad = font(size), round(size * 1.7), size // 2
    spots, left, line = [], pad, 0
    for colour, text in entries:
        text = fitting(text, face, picture.width - 2 * pad - row)
        wide = row + face.getlength(text) + 2 * pad
        if left > pad and left + wide - pad > picture.width:
            left, line = pad, line + 1
        spots.append((left, line, colour, text))
        left += round(wide)
    canvas = Image.new("RGB", (picture.width, picture.height + (line + 1) * row + pad), GROUND)
    canvas.paste(picture, (0, 0))
    pen = ImageDraw.Draw(canvas)
    for left, line, colour, text in spots:
        middle = picture.height + pad // 2 + line * row + row // 2
        half = size // 2
        pen.rectangle((left, middle - half, left + 2 * half, middle + half), fill=colour, outline=LETTERS)
        pen.text((left + row, middle), text, fill=LETTERS, font=face, anchor="lm")
    return canvas


def _percent(share: float) -> str:
    """A share in whole per cent; the smallest are not called nothing."""
    return "<1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")
