"""Boxes drawn over a picture: outlines that hold on any ground, labels that do not hide each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilenets.reports.lettering import fitting, font
from mobilenets.reports.palette import INK, dash, line_colour, readable_on

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from mobilenets.reports.lettering import Font

SMALL = 320  # a picture whose longer side is shorter is enlarged by a whole factor, or no label could be read
Edges = tuple[float, float, float, float]


@dataclass(frozen=True)
class Drawn:
    """One box: corners in pixels of the image, the index of its class, its name, its score if it has one."""

    box: Edges
    index: int
    label: str
    score: float | None = None

    @property
    def text(self) -> str:
        """What its tag says."""
        return self.label if self.score is None else f"{self.label} {self.score:.0%}"


def draw_boxes(image: "Image", boxes: Sequence[Drawn], *, tags: bool = True) -> "Image":
    """A new RGB picture with every box outlined and, with `tags`, named; the surest lie on top.

    Where tags would hide each other those of the surest are written. The picture keeps its pixels; one with a
    longer side below SMALL is enlarged by a whole factor.
    """
    from PIL import ImageDraw

    picture, factor = enlarged(image)
    stroke = max(2, round(max(picture.size) / 320))
    face = font(max(12, round(max(picture.size) / 48)))
    pen = ImageDraw.Draw(picture)
    ordered = sorted(boxes, key=lambda one: one.score or 0.0)
    placed = [(one, _inside([side * factor for side in one.box], picture.size)) for one in ordered]
    for one, edges in placed:
        _outline(pen, edges, one.index, stroke)
    taken: list[Edges] = []
    for one, edges in reversed(placed) if tags else ():
        if place := _tag(pen, one, edges, taken, stroke, face, picture.size):
            taken.append(place)
    return picture


def enlarged(image: "Image") -> tuple["Image", int]:
    """The picture in RGB, a copy, and by what it was multiplied: 1 unless it is too small to write on."""
    from PIL import Image

    factor = -(-SMALL // max(image.size)) if max(image.size) < SMALL else 1
    picture = image.convert("RGB") if image.mode != "RGB" else image.copy()
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)
    return picture, factor


def _inside(edges: Sequence[float], size: tuple[int, int]) -> Edges:
    """The box cut to the picture, at least a pixel large."""
    x1, y1 = (min(max(edges[i], 0), size[i] - 2) for i in (0, 1))
    x2, y2 = (min(max(edges[i + 2] - 1, low + 1), size[i] - 1) for i, low in ((0, x1), (1, y1)))
    return x1, y1, x2, y2


def _outline(pen: "ImageDraw", edges: Edges, index: int, stroke: int) -> None:
    """The four sides inside the box in the class's colour and dashes, between two thin dark lines."""
    x1, y1, x2, y2 = (round(side) for side in edges)
    pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=INK)
    inner = (x1 + stroke, y1 + stroke, x2 - stroke, y2 - stroke)
    if inner[0] < inner[2] and inner[1] < inner[3]:
        pen.rectangle(inner, outline=INK)
    colour, pattern = line_colour(index), dash(index)
    if pattern is None:
        pen.rectangle((x1, y1, x2, y2), outline=colour, width=stroke)
        return
    pen.rectangle((x1, y1, x2, y2), outline=INK, width=stroke)
    on, off = pattern[0] * stroke, pattern[1] * stroke
    for start, end in _dashes(x1, x2, on, off):
        pen.rectangle((start, y1, end, y1 + stroke - 1), fill=colour)
        pen.rectangle((start, y2 - stroke + 1, end, y2), fill=colour)
    for start, end in _dashes(y1, y2, on, off):
        pen.rectangle((x1, start, x1 + stroke - 1, end), fill=colour)
        pen.rectangle((x2 - stroke + 1, start, x2, end), fill=colour)


def _dashes(start: int, end: int, on: float, off: float) -> Iterator[tuple[int, int]]:
    """Where the dashes of a side begin and end; the first and the last reach its corners."""
    span = end - start + 1
    count = max(1, round((span - on) / (on + off)))
    step = (span - on) / count
    starts = [start + i * step for i in range(count + 1)] if step > 0 else [start]
    yield from ((round(one), min(round(one + on) - 1, end)) for one in starts)


def _tag(pen: "ImageDraw", one: Drawn, edges: Edges, taken: Sequence[Edges], stroke: int, face: "Font",
         size: tuple[int, int]) -> Edges | None:  # fmt: skip
    """Write a box's text on its colour, at the first place that no other tag has; where it lies.

    In a crowd there may be none; then the colour alone says the class, or no tag could be read.
    """
    pad = max(2, stroke)
    text = fitting(one.text, face, size[0] - 2 * pad)
    top, bottom = face.getbbox("Ag")[1::2]
    width, height = face.getlength(text) + 2 * pad, bottom - top + 2 * pad
    x1, y1, x2, y2 = edges
    places = [
        _moved((left, up, left + width, up + height), size)
        for up in (y1 - height, y2 + 1, y1, y2 - height + 1)
        for left in (x1, x2 - width + 1)
    ]
    free = (place for place in places if not any(_meet(place, other) for other in taken))
    if (place := next(free, None)) is None:
        return None
    ground = line_colour(one.index)
    pen.rectangle(place, fill=ground, outline=INK)
    pen.text((place[0] + pad, place[1] + pad - top), text, fill=readable_on(ground), font=face)
    return place


def _moved(place: Edges, size: tuple[int, int]) -> Edges:
    """A place moved into the picture."""
    left = max(0, min(place[0], size[0] - (place[2] - place[0]) - 1))
    up = max(0, min(place[1], size[1] - (place[3] - place[1]) - 1))
    return round(left), round(up), round(left + place[2] - place[0]), round(up + place[3] - place[1])


def _meet(one: Edges, other: Edges) -> bool:
    """Whether two places overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
