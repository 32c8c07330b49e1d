"""Pictures with what was seen in them written beneath."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image

LEAST, MOST = 160, 1280  # sides in pixels between which a picture is drawn, so that its caption can be read
INK, PAPER = (255, 255, 255), (28, 32, 38)


def draw_prediction(image: "Image", label: str, score: float) -> "Image":
    """A new RGB picture: `image` (any mode) with a bar beneath that says `label` and `score` (0..1).

    Very small pictures are enlarged and very large ones reduced. A label that the font cannot draw is shown
    with question marks, one that is too long is cut.
    """
    from PIL import Image, ImageDraw

    picture = _sized(image)
    bar = max(24, min(64, picture.width // 10))
    canvas = Image.new("RGB", (picture.width, picture.height + bar), PAPER)
    canvas.paste(picture, (0, 0))
    pen, font = ImageDraw.Draw(canvas), _font(bar * 0.55)
    middle, edge = picture.height + bar // 2, bar // 3
    share = f"{score:.0%}"
    pen.text((picture.width - edge, middle), share, fill=INK, font=font, anchor="rm")
    room = picture.width - 3 * edge - font.getlength(share)
    pen.text((edge, middle), _fitting(label, font, room), fill=INK, font=font, anchor="lm")
    return canvas


def _sized(image: "Image") -> "Image":
    """The picture in RGB with its longer side between LEAST and MOST."""
    from PIL import Image

    longest = max(image.size)
    factor = max(1.0, LEAST / longest) * min(1.0, MOST / longest)
    size = (max(round(image.width * factor), LEAST // 2), max(round(image.height * factor), 1))
    picture = image.convert("RGB")
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _font(size: float) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    """The font that comes with matplotlib, which knows most scripts; Pillow's own where it is not there."""
    import matplotlib as mpl
    from PIL import ImageFont

    try:
        return ImageFont.truetype(f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def _fitting(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", room: float) -> str:
    """The text as the font can draw it on one line, cut with an ellipsis at `room` pixels."""
    text = _drawable(" ".join(text.split()), font)
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[:-1]
    return text.rstrip() + "..."


def _drawable(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont") -> str:
    """The text with a question mark for every character that the font has no shape for."""
    blank = _shape("\U0010ffff", font)
    return "".join("?" if not char.isascii() and _shape(char, font) == blank else char for char in text)


def _shape(char: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont") -> bytes | None:
    """The pixels of one character, None where the font refuses it."""
    try:
        mask = font.getmask(char)
    except (UnicodeError, OSError):
        return None
    return bytes(mask) + repr(mask.size).encode()
