"""What stands behind a sign: skies, hills, streets, walls and leaves, drawn from a random generator."""

from collections.abc import Callable
from math import sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
SKIES: tuple[tuple[Colour, Colour], ...] = (  # overhead, at the horizon
    ((72, 132, 206), (196, 220, 238)),
    ((110, 160, 214), (226, 232, 232)),
    ((150, 160, 172), (214, 216, 216)),
    ((84, 104, 152), (246, 190, 140)),
    ((60, 70, 112), (228, 150, 132)),
    ((120, 128, 140), (176, 178, 182)),
)
GREENS: tuple[Colour, ...] = ((70, 112, 52), (98, 132, 60), (52, 92, 58), (128, 140, 66), (84, 120, 88))
LEAVES: tuple[Colour, ...] = (*GREENS, (176, 120, 48), (150, 84, 44), (196, 160, 70))
STONES: tuple[Colour, ...] = (
    (186, 160, 132),
    (164, 96, 78),
    (206, 198, 184),
    (140, 138, 136),
    (196, 174, 122),
    (122, 134, 150),
)
BLOBS = 46  # of a heap of leaves


def backdrop(rng: np.random.Generator, side: int) -> Image.Image:
    """A scene without signs, RGB, `side` pixels a side."""
    painters: tuple[Callable[[np.random.Generator, int], Image.Image], ...] = (
        _country,
        _country,
        _street,
        _street,
        _forest,
        _wall,
        _open_sky,
    )
    return painters[rng.integers(len(painters))](rng, side)


def clouds(rng: np.random.Generator, side: int, coarse: int = 3, octaves: int = 4) -> np.ndarray:
    """Smooth noise (side, side) around 0, mostly within -1 to 1: grids of random values, ever finer."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        cells = coarse * 2**octave
        grid = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
        total += np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)) / 2**octave
    return total / 1.4


def pick(rng: np.random.Generator, colours: tuple[Colour, ...], spread: int = 14) -> Colour:
    """One of the colours, a little off."""
    chosen = colours[rng.integers(len(colours))]
    shifts = rng.integers(-spread, spread + 1, 3).tolist()
    red, green, blue = (min(max(value + shift, 0), 255) for value, shift in zip(chosen, shifts, strict=True))
    return red, green, blue


def foliage(rng: np.random.Generator, image: Image.Image, box: tuple[float, float, float, float]) -> None:
    """Leaves as blobs from dark to light within `box` (left, top, right, bottom), drawn onto RGB or RGBA."""
    left, top, right, bottom = box
    size = (right - left + bottom - top) / 2
    angle, reach = rng.uniform(0, 2 * np.pi, BLOBS), np.sqrt(rng.uniform(0, 1, BLOBS))
    light = np.linspace(0, 1, BLOBS)
    across = (left + right + (right - left) * reach * np.cos(angle)) / 2
    down = (top + bottom + (bottom - top) * reach * np.sin(angle)) / 2 - size * 0.12 * light
    shades = (0.5 + 0.65 * light + rng.uniform(-0.08, 0.08, BLOBS))[:, None] * pick(rng, LEAVES)
    wide, high = size * rng.uniform(0.06, 0.17, (2, BLOBS))
    boxes = np.stack([across - wide, down - high, across + wide, down + high], axis=1).tolist()
    draw = ImageDraw.Draw(image)
    for blob, shade in zip(boxes, shades.clip(0, 255).astype(int).tolist(), strict=True):
        draw.ellipse(blob, fill=tuple(shade))


def _sky(rng: np.random.Generator, side: int) -> Image.Image:
    """A gradient with clouds or without."""
    top, low = (np.array(colour, np.float32) for colour in SKIES[rng.integers(len(SKIES))])
    bend = rng.uniform(0.7, 1.6)
    height = np.array([(y / side) ** bend for y in range(side)], np.float32)
    pixels = top + (low - top) * np.broadcast_to(height[:, None, None], (side, side, 1))
    cover = np.clip(clouds(rng, side) + rng.uniform(-0.7, 0.4), 0, 1)[..., None] * rng.uniform(0.4, 0.9)
    pixels += (np.array((244, 242, 240), np.float32) - pixels) * cover
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _grain(rng: np.random.Generator, image: Image.Image, strength: float) -> Image.Image:
    """The picture with a smooth unevenness of brightness."""
    pixels = np.asarray(image) * (1 + strength * clouds(rng, image.width, 6, 4)[..., None])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _ridge(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, level: float, rise: float, colour: Colour
) -> None:
    """A rolling line of hills, filled to the bottom."""
    side = draw.im.size[0]
    waves = [(k, k * rng.uniform(2, 5), rng.uniform(0, 6)) for k in (1, 2, 4)]
    points = []
    for x in (step / 24 for step in range(25)):
        height = sum(sin(pace * x + start) / k for k, pace, start in waves)
        points.append((x * side, (level - rise * height) * side))
    draw.polygon([(0, side), *points, (side, side)], fill=colour)


def _road(rng: np.random.Generator, draw: ImageDraw.ImageDraw, horizon: float) -> None:
    """Asphalt to the vanishing point, verges and a dashed line."""
    side = draw.im.size[0]
    vanish, left, right = rng.uniform(0.2, 0.8), rng.uniform(-0.6, 0.2), rng.uniform(0.8, 1.6)
    grey = int(rng.integers(78, 124))
    far = horizon * side

    def at(share: float, depth: float) -> tuple[float, float]:
        """A point between the road's edges, from the vanishing point (0) to the bottom (1)."""
        near = left + (right - left) * share
        return (vanish + (near - vanish) * depth) * side, far + (side - far) * depth

    draw.polygon([at(0, 0.02), at(1, 0.02), at(1, 1), at(0, 1)], fill=(grey, grey, grey + 4))
    paint = (222, 220, 212)
    for share in (0.04, 0.94):
        draw.polygon([at(share, 0.04), at(share + 0.02, 0.04), at(share + 0.02, 1), at(share, 1)], fill=paint)
    for start in (0.06, 0.14, 0.28, 0.5, 0.84):
        corners = [at(0.485, start), at(0.515, start), at(0.515, start * 1.35), at(0.485, start * 1.35)]
        draw.polygon(corners, fill=paint)


def _country(rng: np.random.Generator, side: int) -> Image.Image:
    """Hills under the sky, trees and a road."""
    image = _sky(rng, side)
    draw = ImageDraw.Draw(image)
    horizon = rng.uniform(0.4, 0.72)
    haze = pick(rng, ((128, 146, 158), (112, 134, 128), (150, 150, 160)))
    _ridge(rng, draw, horizon - 0.04, rng.uniform(0.02, 0.1), haze)
    _ridge(rng, draw, horizon, rng.uniform(0.0, 0.03), pick(rng, GREENS))
    for _ in range(rng.integers(0, 5)):
        x, size = rng.uniform(0, 1), rng.uniform(0.12, 0.4)
        foot = horizon + rng.uniform(0, 0.06)
        trunk = pick(rng, ((74, 58, 44),), 8)
        draw.rectangle([side * v for v in (x - 0.012, foot - size / 2, x + 0.012, foot)], fill=trunk)
        corners = (x - size / 2, foot - size * 1.25, x + size / 2, foot - size * 0.2)
        foliage(rng, image, (corners[0] * side, corners[1] * side, corners[2] * side, corners[3] * side))
    if rng.random() < 0.7:
        _road(rng, draw, horizon)
    return _grain(rng, image, 0.16)


def _street(rng: np.random.Generator, side: int) -> Image.Image:
    """Houses with windows along a street."""
    image = _sky(rng, side)
    draw = ImageDraw.Draw(image)
    horizon, x = rng.uniform(0.66, 0.9), -rng.uniform(0, 0.2)
    draw.rectangle((0, horizon * side, side, side), fill=pick(rng, ((150, 148, 142), (120, 116, 112))))
    while x < 1:
        width = rng.uniform(0.2, 0.5)
        _house(rng, draw, x, x + width, rng.uniform(-0.1, horizon - 0.25), horizon)
        x += width
    if rng.random() < 0.6:
        _road(rng, draw, horizon)
    if rng.random() < 0.5:
        _car(rng, draw, rng.uniform(0.1, 0.9), horizon + rng.uniform(0.02, 0.08))
    return _grain(rng, image, 0.12)


def _house(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, left: float, right: float, top: float, foot: float
) -> None:
    """A front with rows of windows, perhaps a shop sign."""
    side = draw.im.size[0]
    draw.rectangle([side * v for v in (left, top, right, foot)], fill=pick(rng, STONES))
    columns, rows = rng.integers(2, 5), rng.integers(2, 6)
    wide, high = (right - left) / columns, (foot - top) / rows
    frame, glass = pick(rng, ((220, 216, 208), (90, 84, 80))), pick(rng, ((64, 78, 96), (150, 170, 186)), 20)
    for row in range(rows):
        for column in range(columns):
            x, y = left + wide * (column + 0.24), top + high * (row + 0.22)
            box = [side * v for v in (x, y, x + wide * 0.52, y + high * 0.56)]
            lit = rng.random() < 0.08
            draw.rectangle(box, fill=(244, 214, 140) if lit else glass, outline=frame)
    if rng.random() < 0.35:
        bright = pick(rng, ((190, 40, 44), (30, 80, 160), (230, 190, 40), (40, 130, 90)), 24)
        level = foot - rng.uniform(0.1, 0.2)
        draw.rectangle([side * v for v in (left + 0.02, level, right - 0.02, level + 0.05)], fill=bright)


def _car(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    """A parked car from the side."""
    side, size = draw.im.size[0], rng.uniform(0.24, 0.36)
    paint = pick(rng, ((176, 34, 40), (40, 76, 140), (220, 220, 218), (52, 54, 58), (214, 168, 40)), 20)

    def box(left: float, top: float, right: float, bottom: float) -> list[float]:
        """A box in pixels, from units of the car's length around its middle."""
        return [side * v for v in (x + left * size, y + top * size, x + right * size, y + bottom * size)]

    draw.rounded_rectangle(box(-0.28, -0.42, 0.26, -0.1), radius=0.1 * size * side, fill=paint)
    draw.rounded_rectangle(box(-0.22, -0.37, 0.2, -0.2), radius=0.05 * size * side, fill=(70, 84, 98))
    draw.rounded_rectangle(box(-0.5, -0.24, 0.5, 0.0), radius=0.07 * size * side, fill=paint)
    for wheel in (-0.3, 0.3):
        draw.ellipse(box(wheel - 0.1, -0.1, wheel + 0.1, 0.1), fill=(32, 32, 34))


def _forest(rng: np.random.Generator, side: int) -> Image.Image:
    """Leaves all over."""
    image = Image.new("RGB", (side, side), pick(rng, ((40, 58, 40), (58, 64, 40))))
    for _ in range(rng.integers(12, 20)):
        (x, y), size = rng.uniform(0, 1, 2), rng.uniform(0.2, 0.5)
        foliage(rng, image, ((x - size) * side, (y - size) * side, (x + size) * side, (y + size) * side))
    blur = ImageFilter.GaussianBlur(rng.uniform(0, 3))
    return _grain(rng, image.filter(blur), 0.25)


def _wall(rng: np.random.Generator, side: int) -> Image.Image:
    """Bricks or plaster, with posters."""
    mortar = pick(rng, STONES)
    image = Image.new("RGB", (side, side), mortar)
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.7:
        high = int(rng.integers(8, 16))
        stone = (pick(rng, STONES, 20),)
        for row in range(side // high + 1):
            for column in range(-1, side // high // 2 + 1):
                x, y = (2 * column + row % 2) * high, row * high
                draw.rectangle((x, y, x + 2 * high - 2, y + high - 2), fill=pick(rng, stone, 7))
    for _ in range(rng.integers(0, 4)):
        (x, y), (wide, high) = rng.uniform(0, 0.9, 2), rng.uniform(0.1, 0.35, 2)
        colour = pick(
            rng, ((200, 50, 50), (40, 90, 170), (235, 200, 60), (240, 240, 235), (60, 150, 110)), 25
        )
        draw.rectangle([side * v for v in (x, y, x + wide, y + high)], fill=colour)
    return _grain(rng, image, 0.2)


def _open_sky(rng: np.random.Generator, side: int) -> Image.Image:
    """Looking up: sky, wires, the crown of a tree."""
    image = _sky(rng, side)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 4)):
        (start, end), dark = rng.uniform(0, 1, 2) * side, int(rng.integers(30, 90))
        draw.line((0, start, side, end), fill=(dark, dark, dark), width=2)
    for _ in range(rng.integers(0, 3)):
        x, size = rng.choice([0.0, 1.0]), rng.uniform(0.3, 0.6)
        foliage(rng, image, ((x - size) * side, (1 - size) * side, (x + size) * side, (1 + size) * side))
    return image
