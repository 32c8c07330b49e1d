"""Text that fits where it is drawn, in a font that knows most scripts."""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=16)
def font(size: float) -> "Font":
    """The font that comes with matplotlib; Pillow's own where it is not there."""
    import matplotlib as mpl
    from PIL import ImageFont

    try:
        return ImageFont.truetype(f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def fitting(text: str, face: "Font", room: float) -> str:
    """The text as the font can draw it on one line, cut with an ellipsis at `room` pixels.

    What the font has no shape for becomes a question mark.
    """
    text = _drawable(" ".join(text.split()), face)
    if face.getlength(text) <= room:
        return text
    while text and face.getlength(text + "...") > room:
        text = text[:-1]
    return text.rstrip() + "..."


def _drawable(text: str, face: "Font") -> str:
    """The text with a question mark for every character that the font has no shape for."""
    if text.isascii():
        return text
    blank = _shape("\U0010ffff", face)
    return "".join("?" if not char.isascii() and _shape(char, face) == blank else char for char in text)


def _shape(char: str, face: "Font") -> bytes | None:
    """The pixels of one character, None where the font refuses it."""
    try:
        mask = face.getmask(char)
    except (UnicodeError, OSError):
        return None
    return bytes(mask) + repr(mask.size).encode()
