"""A mask where it lies, what becomes of it once the image is known, and its classes pixel by pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from mobilenets.base.errors import DataError
from mobilenets.data.boxes.drawn import size_fault, turn_note, turn_of
from mobilenets.data.dataset import UNKNOWN, Coding, MaskedSample, Shape
from mobilenets.data.findings import Finding
from mobilenets.data.images import BROKEN, READERS, Facts
from mobilenets.data.masks.shapes import filled

SHOWN = 5  # values named in a histogram
COLOUR_FIX = "add a label_colors.txt with R G B NAME per line, or save class numbers"
# Pascal VOC's: the bits of a class, spread over the highest bits of red, green and blue
PALETTE = [
    sum((value >> 3 * bit + channel & 1) << 7 - bit for bit in range(3))
    for value in range(256)
    for channel in range(3)
]


@dataclass(frozen=True)
class Painted:
    """An image and its mask before either is checked; the fields are those of `MaskedSample`.

    `where` is the annotation as findings name it. `size` is what the annotation of shapes claims, None where
    it says nothing. `past` is the value after the last class, which counts as void.
    """

    path: Path
    where: str
    mask: Path
    coding: Coding
    shapes: tuple[Shape, ...] = ()
    rest: int | None = None
    size: tuple[float, float] | None = None
    past: int | None = None


class MaskError(Exception):
    """A mask that cannot be read as classes: the `id` of its finding, what is wrong, what to do."""

    def __init__(self, kind: str, message: str, fix: str) -> None:
        """Keep the three."""
        super().__init__(message)
        self.id, self.message, self.fix = kind, message, fix


def read_mask(sample: MaskedSample) -> np.ndarray:
    """The class of every pixel of the upright image: uint8 (H, W), 255 where it is to be ignored.

    Raises DataError when the mask cannot be read, or has changed since the data set was loaded.
    """
    try:
        if sample.rest is None:
            codes, _ = _opened(sample.mask, sample.coding)
            classes = _classes(codes, sample.coding)
        else:
            classes = _filled(sample.shapes, sample.rest, *_frame(sample))
    except MaskError as error:
        raise DataError(f"{sample.mask} {error.message}; {error.fix}") from error
    upright = turned(classes, sample.turn)
    if upright.shape != (sample.height, sample.width):
        wide, high = upright.shape[1], upright.shape[0]
        raise DataError(f"{sample.mask} has {wide}x{high} pixels now, not {sample.width}x{sample.height}")
    return np.ascontiguousarray(upright)


def save_mask(classes: np.ndarray, path: Path, palette: bool = False) -> None:
    """Write classes (H, W) as a PNG, in grey or with a palette. Raises OSError."""
    image = Image.fromarray(classes)
    if palette:
        image.putpalette(PALETTE)
    content = BytesIO()  # by itself Pillow takes a file cut short by a full disk for written
    image.save(content, format="PNG")
    path.write_bytes(content.getvalue())


def settle(painted: Painted, facts: Facts, classes: int) -> tuple[MaskedSample | None, list[Finding]]:
    """The sample with its pixels per class and what was remarked; None when an error bars it."""
    try:
        if painted.rest is None:
            return _from_file(painted, facts, classes)
        return _from_shapes(painted, facts, classes)
    except MaskError as error:
        return None, [Finding(error.id, "error", painted.where, error.message, error.fix)]


def turned(classes: np.ndarray, orientation: int) -> np.ndarray:
    """A mask (h, w) of the stored image as one of the upright image, by its EXIF orientation."""
    if orientation in (2, 3, 7, 8):
        classes = classes[:, ::-1]
    if orientation in (3, 4, 6, 7):
        classes = classes[::-1]
    return classes.T if orientation >= 5 else classes


def _from_file(painted: Painted, facts: Facts, classes: int) -> tuple[MaskedSample | None, list[Finding]]:
    """The sample of a mask that is an image. Raises MaskError."""
    codes, mode = _opened(painted.mask, painted.coding)
    size = (codes.shape[1], codes.shape[0])
    turn = turn_of(size, facts)
    if turn is None:
        wide, high = facts.width, facts.height
        message = f"has {size[0]}x{size[1]} pixels, its image {facts.path.name} has {wide}x{high}"
        raise MaskError("mask-size", message, "save it at the size of the image")
    found = _classes(codes, painted.coding)
    findings = [turn_note(painted.where)] if turn > 1 else []
    if painted.past is not None:
        findings += _remarks(painted, codes, mode)
    return _sample(painted, facts, found, turn, classes), findings


def _from_shapes(painted: Painted, facts: Facts, classes: int) -> tuple[MaskedSample | None, list[Finding]]:
    """The sample of a mask that is drawn. Raises MaskError."""
    turn = turn_of(painted.size, facts)
    if turn is None:
        return None, [size_fault(painted.where, painted.size, facts)]
    wide, high = facts.upright if turn == 1 else (facts.width, facts.height)
    found = _filled(painted.shapes, painted.rest or 0, wide, high)
    return _sample(painted, facts, found, turn, classes), [turn_note(painted.where)] if turn > 1 else []


def _filled(shapes: Sequence[Shape], rest: int, width: int, height: int) -> np.ndarray:
    """`filled`. Raises MaskError for shapes that cannot be."""
    try:
        return filled(shapes, rest, width, height)
    except (ValueError, RuntimeError, TypeError) as error:
        raise MaskError(
            "broken-annotation", f"has a shape that cannot be filled: {error}", "draw it again"
        ) from error


def _sample(painted: Painted, facts: Facts, found: np.ndarray, turn: int, classes: int) -> MaskedSample:
    """The sample, once its classes are known."""
    counts = np.bincount(found.ravel(), minlength=256)[:classes]
    return MaskedSample(
        path=painted.path,
        mask=painted.mask,
        width=facts.upright[0],
        height=facts.upright[1],
        coding=painted.coding,
        shapes=painted.shapes,
        rest=painted.rest,
        turn=turn,
        pixels=tuple(map(int, counts)),
    )


def _frame(sample: MaskedSample) -> tuple[int, int]:
    """Width and height that shapes were drawn in."""
    return (sample.height, sample.width) if sample.turn >= 5 else (sample.width, sample.height)


def _remarks(painted: Painted, codes: np.ndarray, mode: str) -> Iterator[Finding]:
    """How a mask of class numbers is read where that may surprise."""
    if mode == "P":
        message = "is in palette mode: its numbers are the classes, its colours are not looked at"
        yield Finding("mask-mode", "note", painted.where, message, "nothing, if they are")
    if painted.past is not None and (codes == painted.past).any():
        message = f"has the value {painted.past}, one past the class list: it is taken for void and ignored"
        fix = "nothing, if that is meant; else complete the class list (is background missing from it?)"
        yield Finding("mask-void", "warning", painted.where, message, fix)


def _opened(path: Path, coding: Coding) -> tuple[np.ndarray, str]:
    """What a mask file holds (H, W), numbers or packed colours; and its mode. Raises MaskError."""
    try:
        with Image.open(path, formats=READERS) as image:
            image.load()
            return _codes(image, coding, f"{image.format}"), image.mode
    except BROKEN as error:
        message = f"cannot be read as an image: {' '.join(str(error).split())}"
        raise MaskError("mask-corrupt", message, "save it again or remove it with its image") from error


def _codes(image: Image.Image, coding: Coding, kind: str) -> np.ndarray:
    """Numbers, or red, green and blue as one number where the coding has colours. Raises MaskError."""
    if coding.colours:
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.int32), 2, 0)
        packed: np.ndarray = (red << 16) | (green << 8) | blue
        return packed
    values = np.asarray(image)
    if values.dtype.kind == "f":
        raise MaskError("mask-mode", "holds fractions, not class numbers", "save it with whole numbers")
    if values.ndim == 2:
        return values.astype(np.uint8) if values.dtype == np.bool_ else values
    channels: np.ndarray = values[..., :1] if image.mode in ("LA", "La") else values[..., :3]
    if (channels != channels[..., :1]).any():
        lossy = " (and as JPEG, which changes values)" if kind == "JPEG" else ""
        message = f"is in colour ({image.mode}){lossy}, the class list has no colours"
        raise MaskError("mask-mode", message, COLOUR_FIX)
    first: np.ndarray = channels[..., 0]
    return first


def _classes(codes: np.ndarray, coding: Coding) -> np.ndarray:
    """The class of each pixel. Raises MaskError with a histogram when some stand for none."""
    table = _table(coding)
    if codes.dtype == np.uint8:
        classes: np.ndarray = table[codes]
    else:
        inside = (codes >= 0) & (codes < len(table))
        classes = np.where(inside, table[np.where(inside, codes, 0)], np.uint8(UNKNOWN))
    strange = classes == UNKNOWN
    if strange.any():
        raise _strange(codes, strange, coding)
    return classes


@lru_cache(maxsize=4)
def _table(coding: Coding) -> np.ndarray:
    """The class of every code, (256,) or (2 ** 24,)."""
    values = np.frombuffer(coding.table, np.uint8)
    if not coding.colours:
        return values
    table = np.full(1 << 24, UNKNOWN, np.uint8)
    for value, (red, green, blue) in enumerate(coding.colours):
        table[(red << 16) | (green << 8) | blue] = values[value]
    return table


def _strange(codes: np.ndarray, strange: np.ndarray, coding: Coding) -> MaskError:
    """The error about codes that stand for no class, the commonest named with their shares."""
    values, counts = np.unique(codes[strange], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    named = [f"{_named(values[i], coding)}: {100 * counts[i] / codes.size:.2g} %" for i in order[:SHOWN]]
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    kind = "colours" if coding.colours else "values"
    message = f"has {kind} outside the class list: {', '.join(named)}{more}"
    return MaskError(
        "mask-values", message, "correct the mask, or complete the class list; save masks as PNG"
    )


def _named(code: int, coding: Coding) -> str:
    """A code as a person writes it."""
    if not coding.colours:
        return f"{code:g}"
    return f"({code >> 16}, {code >> 8 & 255}, {code & 255})"
