"""The faces of the traffic signs, drawn large on a transparent ground."""

from collections.abc import Callable, Sequence
from functools import cache
from math import cos, pi, sin

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIDE = 160  # pixels of a finished face
DETAIL = 4  # times that while it is drawn: Pillow's shapes have hard edges, scaling down softens them
RED, BLUE, YELLOW = (196, 26, 36), (20, 80, 168), (250, 196, 20)
WHITE, BLACK, RIM = (246, 246, 242), (24, 24, 26), (126, 130, 134)

Point = tuple[float, float]
Colour = tuple[int, int, int]


class Pen:
    """Draws on a square whose coordinates run from -1 to 1, x to the right and y down."""

    def __init__(self) -> None:
        """An empty square."""
        self.scale = SIDE * DETAIL / 2
        self.image = Image.new("RGBA", (SIDE * DETAIL, SIDE * DETAIL), (*RIM, 0))
        self.draw = ImageDraw.Draw(self.image)

    def at(self, points: Sequence[Point]) -> list[Point]:
        """Points in pixels."""
        return [((x + 1) * self.scale, (y + 1) * self.scale) for x, y in points]

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        x, y = centre
        (left, top), (right, bottom) = self.at([(x - radius, y - radius), (x + radius, y + radius)])
        self.draw.ellipse((left, top, right, bottom), fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A line with round joints and ends."""
        self.draw.line(self.at(points), fill=colour, width=round(width * self.scale), joint="curve")
        for end in (points[0], points[-1]):
            self.disc(end, width / 2, colour)

    def shape(self, points: Sequence[Point], colour: Colour, rounding: float = 0.0) -> None:
        """A filled polygon, its corners rounded by growing it by `rounding`."""
        self.draw.polygon(self.at(points), fill=colour)
        if rounding:
            self.line([*points, points[0]], 2 * rounding, colour)
            for corner in points:
                self.disc(corner, rounding, colour)

    def text(self, text: str, height: float, colour: Colour, weight: float) -> None:
        """Bold text in the middle; `height` is the font's, `weight` thickens its strokes."""
        font = ImageFont.load_default(height * self.scale)
        stroke = round(weight * self.scale)
        centre = (self.scale, self.scale)
        left, top, right, bottom = self.draw.textbbox(centre, text, font, stroke_width=stroke)
        origin = (2 * self.scale - (left + right) / 2, 2 * self.scale - (top + bottom) / 2)
        self.draw.text(origin, text, colour, font, stroke_width=stroke)


def ring(count: int, radius: float, start: float = 0.0) -> list[Point]:
    """The corners of a regular polygon, clockwise from `start` turns past the top."""
    angles = [2 * pi * (start + i / count) for i in range(count)]
    return [(radius * sin(angle), -radius * cos(angle)) for angle in angles]


def _stop(pen: Pen) -> None:
    """Red octagon with its word."""
    for radius, colour in ((1.06, RIM), (1.03, WHITE), (0.94, RED)):
        pen.shape(ring(8, radius, 1 / 16), colour)
    pen.text("STOP", 0.58, WHITE, 0.025)


def _yield(pen: Pen) -> None:
    """White triangle on its tip, rimmed red."""
    for radius, rounding, colour in ((0.98, 0.13, RIM), (0.98, 0.1, RED), (0.56, 0.05, WHITE)):
        corners = [(x, y - 0.22) for x, y in ring(3, radius, 1 / 2)]
        pen.shape(corners, colour, rounding)


def _no_entry(pen: Pen) -> None:
    """White bar on red."""
    _plate(pen, RED)
    pen.shape([(-0.58, -0.13), (0.58, -0.13), (0.58, 0.13), (-0.58, 0.13)], WHITE, 0.04)


def _speed(text: str) -> Callable[[Pen], None]:
    """A number in a red ring."""

    def draw(pen: Pen) -> None:
        """Ring and digits."""
        for radius, colour in ((1.0, RIM), (0.97, RED), (0.73, WHITE)):
            pen.disc((0, 0), radius, colour)
        pen.text(text, 1.0, BLACK, 0.045)

    return draw


def _ahead(pen: Pen) -> None:
    """White arrow straight up."""
    _plate(pen, BLUE)
    pen.line([(0, 0.6), (0, -0.3)], 0.2, WHITE)
    pen.shape([(-0.4, -0.16), (0, -0.68), (0.4, -0.16)], WHITE, 0.02)


def _turn_left(pen: Pen) -> None:
    """White arrow from below, bent to the left."""
    _plate(pen, BLUE)
    bend = [(0.08 + 0.22 * x, -0.02 + 0.22 * y) for x, y in ring(16, 1.0)[4::-1]]
    pen.line([(0.3, 0.6), *bend, (-0.2, -0.24)], 0.2, WHITE)
    pen.shape([(-0.16, -0.62), (-0.66, -0.24), (-0.16, 0.14)], WHITE, 0.02)


def _roundabout(pen: Pen) -> None:
    """Three white arrows that chase each other."""
    _plate(pen, BLUE)
    for third in range(3):
        start = third / 3
        pen.line(ring(60, 0.48, start)[:12], 0.16, WHITE)
        head = start + 0.29
        tip, inner, outer = (
            ring(1, 0.5, head)[0],
            ring(1, 0.22, head - 0.11)[0],
            ring(1, 0.76, head - 0.09)[0],
        )
        pen.shape([tip, inner, outer], WHITE, 0.015)


def _pedestrians(pen: Pen) -> None:
    """A walker on a white triangle on blue."""
    square = ring(4, 1.26, 1 / 8)
    pen.shape(square, RIM, 0.1)
    pen.shape(square, BLUE, 0.07)
    pen.shape([(x, y + 0.2) for x, y in ring(3, 0.86)], WHITE, 0.03)
    pen.disc((0.03, -0.24), 0.09, BLACK)
    pen.line([(0.0, -0.06), (-0.02, 0.18)], 0.15, BLACK)
    pen.line([(-0.01, 0.18), (0.12, 0.34), (0.14, 0.54)], 0.09, BLACK)
    pen.line([(-0.04, 0.18), (-0.1, 0.36), (-0.24, 0.52)], 0.09, BLACK)
    pen.line([(-0.02, -0.06), (0.12, 0.06), (0.24, 0.06)], 0.065, BLACK)
    pen.line([(-0.02, -0.06), (-0.16, 0.04), (-0.18, 0.16)], 0.065, BLACK)


def _priority(pen: Pen) -> None:
    """Yellow diamond on white."""
    for radius, colour in ((0.92, BLACK), (0.89, WHITE), (0.6, YELLOW)):
        pen.shape(ring(4, radius), colour, 0.07)


def _plate(pen: Pen, colour: Colour) -> None:
    """A disc with a white rim."""
    for radius, fill in ((1.0, RIM), (0.97, WHITE), (0.91, colour)):
        pen.disc((0, 0), radius, fill)


DRAWN: dict[str, Callable[[Pen], None]] = {
    "ahead": _ahead,
    "no-entry": _no_entry,
    "pedestrians": _pedestrians,
    "priority": _priority,
    "roundabout": _roundabout,
    "speed-30": _speed("30"),
    "speed-50": _speed("50"),
    "speed-80": _speed("80"),
    "stop": _stop,
    "turn-left": _turn_left,
    "yield": _yield,
}
MIRRORED = {"turn-right": "turn-left"}
LABELS = tuple(sorted([*DRAWN, *MIRRORED]))


@cache
def face(label: str, side: int = SIDE) -> Image.Image:
    """One sign as RGBA of `side` pixels a side, upright and seen from the front; one of `LABELS`."""
    if side != SIDE:
        return face(label).resize((side, side), Image.Resampling.LANCZOS)
    if label in MIRRORED:
        return ImageOps.mirror(face(MIRRORED[label]))
    pen = Pen()
    DRAWN[label](pen)
    return pen.image.reduce(DETAIL)
