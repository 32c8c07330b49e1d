"""Pictures with what was seen in them written beneath, and pictures side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilenets.reports.lettering import fitting, font
from mobilenets.reports.palette import GROUND, LETTERS

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST, MOST = 160, 1280  # sides in pixels between which a picture is drawn, so that its caption can be read


def draw_prediction(image: "Image", label: str, score: float) -> "Image":
    """A new RGB picture: `image` (any mode) with a bar beneath that says `label` and `score` (0..1).

    Very small pictures are enlarged and very large ones reduced. A label that the font cannot draw is shown
    with question marks, one that is too long is cut.
    """
    from PIL import Image, ImageDraw

    picture = _sized(image)
    bar = max(24, min(64, picture.width // 10))
    canvas = Image.new("RGB", (picture.width, picture.height + bar), GROUND)
    canvas.paste(picture, (0, 0))
    pen, face = ImageDraw.Draw(canvas), font(bar * 0.55)
    middle, edge = picture.height + bar // 2, bar // 3
    share = f"{score:.0%}"
    pen.text((picture.width - edge, middle), share, fill=LETTERS, font=face, anchor="rm")
    room = picture.width - 3 * edge - face.getlength(share)
    pen.text((edge, middle), fitting(label, face, room), fill=LETTERS, font=face, anchor="lm")
    return canvas


def beside(pictures: Sequence[tuple[str, "Image"]]) -> "Image":
    """Pictures of one height in a row, each under its caption: ground truth beside prediction."""
    from PIL import Image, ImageDraw

    height = max(picture.height for _, picture in pictures)
    bar = max(22, min(48, height // 14))
    gap = max(4, bar // 4)
    width = sum(picture.width for _, picture in pictures) + gap * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, height + bar), GROUND)
    pen, face, left = ImageDraw.Draw(canvas), font(bar * 0.55), 0
    for caption, picture in pictures:
        text = fitting(caption, face, picture.width - bar // 2)
        pen.text((left + bar // 4, bar // 2), text, fill=LETTERS, font=face, anchor="lm")
        canvas.paste(picture, (left, bar))
        left += picture.width + gap
    return canvas


def _sized(image: "Image") -> "Image":
    """The picture in RGB with its longer side between LEAST and MOST."""
    from PIL import Image

    longest = max(image.size)
    factor = max(1.0, LEAST / longest) * min(1.0, MOST / longest)
    size = (max(round(image.width * factor), LEAST // 2), max(round(image.height * factor), 1))
    picture = image.convert("RGB")
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
