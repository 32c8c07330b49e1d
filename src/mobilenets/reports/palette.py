"""Colours that people with any kind of colour vision tell apart, and what tells apart classes beyond them."""

from collections.abc import Sequence

Colour = tuple[int, int, int]

# Okabe and Ito (2008), those first that stand out from photographs; their black is left to outlines
OKABE_ITO: tuple[Colour, ...] = (
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
    (86, 180, 233),  # sky blue
    (204, 121, 167),  # reddish purple
    (240, 228, 66),  # yellow
)
INK, PAPER = (20, 22, 26), (255, 255, 255)
LETTERS, GROUND = (255, 255, 255), (28, 32, 38)  # of captions beneath pictures
# dash and gap in widths of the line, for the first seven classes, the next, the one after
DASHES: tuple[tuple[float, float] | None, ...] = (None, (5.0, 2.5), (1.5, 1.5))
SHADES = (1.0, 0.6, 1.45)  # the same for areas: as it is, darker, lighter


def line_colour(index: int) -> Colour:
    """The colour of a class's outline; classes beyond the palette differ by `dash`."""
    return OKABE_ITO[index % len(OKABE_ITO)]


def dash(index: int) -> tuple[float, float] | None:
    """Dash and gap of a class's outline in widths of the line; None for a solid one."""
    return DASHES[index // len(OKABE_ITO) % len(DASHES)]


def area_colour(index: int) -> Colour:
    """The colour of a class's area; classes beyond the palette are darker, then lighter."""
    shade = SHADES[index // len(OKABE_ITO) % len(SHADES)]
    red, green, blue = (_shaded(channel, shade) for channel in line_colour(index))
    return red, green, blue


def readable_on(ground: Sequence[int]) -> Colour:
    """Ink or paper, whichever has the higher contrast on `ground` (WCAG 2.2, relative luminance)."""
    light = luminance(ground)
    return PAPER if 1.05 / (light + 0.05) > (light + 0.05) / (luminance(INK) + 0.05) else INK


def luminance(colour: Sequence[int]) -> float:
    """Relative luminance of an sRGB colour, from 0 to 1 (WCAG 2.2)."""
    linear = [
        channel / 255 / 12.92 if channel <= 10 else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in colour
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _shaded(channel: int, shade: float) -> int:
    """A channel darkened towards black (below 1) or lightened towards white (above)."""
    return round(channel * shade) if shade <= 1 else round(channel + (255 - channel) * (shade - 1))
