"""One picture: a sign in front of a backdrop, seen from an angle, in some light, through some camera."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mobilenets.data.signs.backdrops import backdrop, clouds, foliage, pick
from mobilenets.data.signs.faces import LABELS, SIDE, face

PIXELS = 96  # of a finished picture's side
WORK = 2 * PIXELS  # of the canvas
DECOYS = ((200, 36, 40), (30, 84, 170), (240, 190, 30), (240, 240, 236), (40, 140, 90), (40, 40, 44))

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sign:
    """A sign in a picture: its class and its box (left, top, right, bottom) in pixels, hidden parts too."""

    label: str
    box: Box


@dataclass(frozen=True)
class Scene:
    """A picture (RGB), its signs with the main one first, and its mask.

    The mask is a palette image: 0 where there is no sign, else 1 + the place of the class in `LABELS`; only
    visible pixels count.
    """

    image: Image.Image
    signs: tuple[Sign, ...]
    mask: Image.Image


class Canvas:
    """A picture under way."""

    def __init__(self, rng: np.random.Generator) -> None:
        """A backdrop with decoys."""
        self.rng = rng
        self.image = backdrop(rng, WORK)
        self.mask = Image.new("L", (WORK, WORK))
        self.signs: list[Sign] = []
        for _ in range(rng.integers(0, 3)):
            self._decoy()

    def sign(self, label: str, centre: tuple[float, float], size: float, pole: bool = True) -> None:
        """Put up a sign, `size` pixels high, and the pole it hangs on."""
        layer = _warped(self.rng, label, centre, size)
        if pole:
            self._pole(centre, size)
        self.image.paste(layer, (0, 0), layer)
        solid = layer.getchannel("A").point(lambda alpha: 255 * (alpha > 127))
        self.mask.paste(1 + LABELS.index(label), (0, 0), solid)
        left, top, right, bottom = solid.reduce(WORK // PIXELS).getbbox() or (0, 0, 0, 0)
        self.signs.append(Sign(label, (left, top, right, bottom)))

    def leaves(self, centre: tuple[float, float], size: float) -> None:
        """Let leaves hang over the rim of a sign."""
        angle, reach = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(0.5, 0.62) * size
        x, y = centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)
        radius = size * self.rng.uniform(0.12, 0.24)
        layer = Image.new("RGBA", (WORK, WORK))
        foliage(self.rng, layer, (x - radius, y - radius, x + radius, y + radius))
        self.image.paste(layer, (0, 0), layer)
        self.mask.paste(0, (0, 0), layer.getchannel("A"))

    def shadow(self) -> None:
        """Darken one side of a slanting line, softly."""
        shade = Image.new("L", (WORK, WORK), 255)
        (start, end), dark = self.rng.uniform(-0.2, 1.2, 2) * WORK, int(self.rng.integers(110, 200))
        edge = WORK if self.rng.random() < 0.5 else 0
        ImageDraw.Draw(shade).polygon([(start, 0), (end, WORK), (edge, WORK), (edge, 0)], fill=dark)
        soft = shade.filter(ImageFilter.GaussianBlur(self.rng.uniform(1, 8)))
        self.image = Image.composite(self.image, Image.new("RGB", self.image.size), soft)

    def _decoy(self) -> None:
        """A plain shape in a sign's colours."""
        draw, colour = ImageDraw.Draw(self.image), pick(self.rng, DECOYS, 20)
        (x, y), radius = self.rng.uniform(0, WORK, 2), self.rng.uniform(0.04, 0.12) * WORK
        match self.rng.integers(3):
            case 0:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
            case 1:
                draw.rectangle((x - radius, y - radius, x + radius, y + 0.6 * radius), fill=colour)
            case _:
                turn = int(self.rng.integers(0, 360))
                draw.regular_polygon((x, y, radius), 3, turn, fill=colour)

    def _pole(self, centre: tuple[float, float], size: float) -> None:
        """A pole from a sign down to the ground."""
        x, y = centre
        width, grey = size * self.rng.uniform(0.05, 0.08), int(self.rng.integers(90, 180))
        foot = x + self.rng.normal(0, 0.02) * WORK
        draw = ImageDraw.Draw(self.image)
        for shift, tone in ((0.0, grey), (0.3, grey - 30)):
            top, bottom = x + shift * width, foot + shift * width
            right = width * (0.5 - shift)
            corners = [
                (top - width / 2, y),
                (top + right, y),
                (bottom + right, WORK),
                (bottom - width / 2, WORK),
            ]
            draw.polygon(corners, fill=(tone, tone, tone + 4))


def compose(rng: np.random.Generator, label: str) -> Scene:
    """A picture of one main sign and perhaps a lesser one."""
    canvas = Canvas(rng)
    size = rng.uniform(0.48, 0.84) * WORK
    room = WORK / 2 - size * 0.46
    x, y = (WORK / 2 + rng.uniform(-1, 1) * room for _ in range(2))
    if rng.random() < 0.25:
        _second(canvas, (x, y), size)
    canvas.sign(label, (x, y), size)
    canvas.signs.reverse()
    if rng.random() < 0.25:
        canvas.leaves((x, y), size)
    if rng.random() < 0.3:
        canvas.shadow()
    image = _photographed(rng, canvas.image.reduce(WORK // PIXELS))
    mask = canvas.mask.resize((PIXELS, PIXELS), Image.Resampling.NEAREST)
    mask.putpalette(_palette())
    return Scene(image, tuple(canvas.signs), mask)


def _second(canvas: Canvas, main: tuple[float, float], main_size: float) -> None:
    """Put up a sign about half as large, clear of the main sign and the frame, if there is room."""
    rng = canvas.rng
    size = main_size * rng.uniform(0.32, 0.5)
    label = LABELS[rng.integers(len(LABELS))]
    for _ in range(8):
        x, y = rng.uniform(size * 0.55, WORK - size * 0.55, 2)
        if max(abs(x - main[0]), abs(y - main[1])) > (main_size + size) * 0.55:
            canvas.sign(label, (x, y), size)
            return


def _warped(rng: np.random.Generator, label: str, centre: tuple[float, float], size: float) -> Image.Image:
    """A face, worn and turned, on a transparent layer of the canvas's size."""
    side = SIDE // 2 if size <= SIDE // 2 else SIDE
    yaw, pitch, roll = np.clip(rng.normal(0, (0.3, 0.14, 0.08)), -0.7, 0.7)
    corners = _projected(yaw, pitch, roll) * size / 2 + centre
    return _worn(rng, face(label, side)).transform(
        (WORK, WORK),
        Image.Transform.PERSPECTIVE,
        _perspective(corners, np.array([(0, 0), (side, 0), (side, side), (0, side)], float)),
        Image.Resampling.BILINEAR,
    )


def _worn(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """A face, bleached, dirty and lit from one side."""
    pixels = np.array(image, np.float32)
    colour = pixels[..., :3]
    bleach, dirt, slope = rng.uniform(0, 0.3), rng.uniform(0, 0.2), rng.uniform(-0.3, 0.3)
    colour += (110 - colour) * bleach
    slant = np.linspace(1 - slope, 1 + slope, image.width, dtype=np.float32)[:, None]
    colour *= (slant * (1 + dirt * clouds(rng, image.width, 8, 2)))[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _projected(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The corners (4, 2) of a square from -1 to 1, turned about three axes and seen from five units away."""
    square = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], float)
    for angle, (a, b) in ((roll, (0, 1)), (pitch, (1, 2)), (yaw, (0, 2))):
        turned = square.copy()
        turned[:, a] = square[:, a] * np.cos(angle) - square[:, b] * np.sin(angle)
        turned[:, b] = square[:, a] * np.sin(angle) + square[:, b] * np.cos(angle)
        square = turned
    seen: np.ndarray = square[:, :2] * (5 / (5 + square[:, 2:]))
    return seen


def _perspective(seen: np.ndarray, source: np.ndarray) -> list[float]:
    """Pillow's eight coefficients of the map from the corners `seen` to the corners `source`, (4, 2) each."""
    rows = []
    for (x, y), (u, v) in zip(seen, source, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
    return list(np.linalg.solve(np.array(rows), source.ravel()))


def _photographed(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """The picture in some light: exposure, contrast, tint, blur and grain."""
    image = image.filter(ImageFilter.GaussianBlur(max(0.0, rng.uniform(-0.4, 0.9))))
    pixels = np.asarray(image).astype(float)
    tint = rng.uniform(0.86, 1.1, 3)
    exposure, contrast = rng.uniform(0.6, 1.3), rng.uniform(0.75, 1.15)
    middle = round(float(pixels.mean()))
    pixels = (middle + (pixels - middle) * contrast) * exposure * tint
    if rng.random() < 0.15:
        pixels += _glare(rng)
    pixels = pixels + rng.normal(0, rng.uniform(0, 7), pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _glare(rng: np.random.Generator) -> np.ndarray:
    """Stray light (PIXELS, PIXELS, 1), falling off around a point."""
    x, y = rng.uniform(0, PIXELS, 2)
    across, down = np.arange(PIXELS) - x, np.arange(PIXELS) - y
    distance = across[None, :] ** 2 + down[:, None] ** 2
    light: np.ndarray = rng.uniform(50, 130) / (1 + distance / rng.uniform(80, 500))
    return light[..., None]


def _palette() -> list[int]:
    """Black for 0, then a colour for each class, evenly around the colour wheel."""
    wheel = Image.new("HSV", (len(LABELS), 1))
    wheel.putdata([(round(255 * i / len(LABELS)), 190, 235) for i in range(len(LABELS))])
    return [0, 0, 0, *wheel.convert("RGB").tobytes()]
