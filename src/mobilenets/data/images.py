"""One image file: its pixels as a person sees them, and what there is to know about it from one decode."""

import hashlib
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mobilenets.base.console import track
from mobilenets.base.errors import DataError

FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
SUFFIXES = tuple(FORMATS)
READERS = tuple(sorted(set(FORMATS.values())))
# What Pillow's readers let through when a file is damaged; its documentation promises OSError only.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
DRAFT = (64, 64)  # JPEGs are decoded at the smallest of their built-in scales that is not below this
GRID = (9, 8)  # columns and rows of the thumbnail


@dataclass(frozen=True)
class Facts:
    """What one decode tells about a file; one that cannot be decoded has a `problem` and nothing below it.

    `size` is in bytes, `width` and `height` in pixels as stored, `orientation` is EXIF's (1: upright).
    `digest` is the SHA-256 of the content. `traits` are ids of findings. `thumb` is the luminance in 8 rows
    of 9 bytes.
    """

    path: Path
    size: int = 0
    problem: str = ""
    digest: str = ""
    format: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 1
    traits: tuple[str, ...] = ()
    thumb: bytes = b""

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height in pixels as a person sees it."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def has_image_suffix(path: Path) -> bool:
    """Whether a file is named like an image."""
    return path.suffix.lower() in SUFFIXES


def open_rgb(path: Path) -> Image.Image:
    """The first frame as 8-bit RGB, upright, transparency laid over white.

    Raises DataError naming the file and the reason when it cannot be decoded.
    """
    try:
        with Image.open(path, formats=READERS) as image:
            return _rgb(image)
    except BROKEN as error:
        raise DataError(f"{path} cannot be read as an image: {_reason(error)}") from error


def inspect(path: Path) -> Facts:
    """Read and decode one file; a file that cannot be decoded comes back with its `problem`."""
    size = 0
    try:
        content = path.read_bytes()
        size = len(content)
        with Image.open(BytesIO(content), formats=READERS) as image:
            stored, traits = orientation(image), _traits(image)
            if image.format == "TIFF":  # Pillow turns these itself
                image.load()
                stored = 1
            facts = Facts(
                path=path,
                size=size,
                digest=hashlib.sha256(content).hexdigest(),
                format=str(image.format).replace("MPO", "JPEG"),
                width=image.width,
                height=image.height,
                orientation=stored,
                traits=traits,
            )
            image.draft("L", DRAFT)
            return replace(facts, thumb=_thumb(image))
    except BROKEN as error:
        return Facts(path, size, problem=_reason(error) if size else "the file is empty")


def inspect_all(paths: Sequence[Path]) -> list[Facts]:
    """`inspect` of every path, in order, on all cores."""
    with warnings.catch_warnings(), ThreadPool() as pool:
        warnings.simplefilter("ignore")  # Pillow warns about single files; the facts carry that
        return list(track(pool.imap(inspect, paths, chunksize=32), "reading images", len(paths)))


def orientation(image: Image.Image) -> int:
    """How an opened image is stored, as EXIF counts: 1 upright, 5 to 8 with width and height swapped."""
    stored = image.getexif().get(ExifTags.Base.Orientation)
    return stored if isinstance(stored, int) and 2 <= stored <= 8 else 1


def _rgb(image: Image.Image) -> Image.Image:
    """The current frame as described at `open_rgb`."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith(("I", "F")):
        image = _eight_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled from its full range; of 32 bits, which has no agreed white, from its own."""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("it has pixels that are not finite numbers")
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else (values.min(), values.max())
    scale = 255 / (high - low) if high > low else 0.0
    return Image.fromarray(np.rint((values - low) * scale).astype(np.uint8))


def _thumb(image: Image.Image) -> bytes:
    """Mean luminance of the cells of a coarse grid, row by row."""
    return _rgb(image).resize(GRID, Image.Resampling.BOX).convert("L").tobytes()


def _traits(image: Image.Image) -> tuple[str, ...]:
    """The ids of what is unusual about an opened image, before it is decoded."""
    present = {
        "exif-rotated": orientation(image) > 1,
        "cmyk": image.mode == "CMYK",
        "sixteen-bit": image.mode.startswith(("I", "F")),
        "alpha": image.has_transparency_data,
        # MPO is what phones make of a JPEG and its depth map
        "animated": image.format != "MPO" and getattr(image, "is_animated", False),
    }
    return tuple(name for name, here in present.items() if here)


def _reason(error: Exception) -> str:
    """Why a file cannot be read, in a few words."""
    match error:
        case UnidentifiedImageError():
            return f"its content is no readable {', '.join(READERS[:-1])} or {READERS[-1]}"
        case Image.DecompressionBombError():
            return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels"
        case OSError(strerror=str(reason)):
            return reason
        case _:
            return str(error) or type(error).__name__
