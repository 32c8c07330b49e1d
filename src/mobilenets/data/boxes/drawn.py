"""Boxes as an annotation has them, and what becomes of them once the image is known."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.data.findings import Finding
from mobilenets.data.images import Facts

OVER = 0.5  # pixels that a box may stand over the border without a word: rounding
SHARES = (1.0, 1.0)  # the size that coordinates from 0 to 1 refer to


@dataclass(frozen=True)
class Drawn:
    """An image and its boxes before they are checked; corners may be anything.

    `where` is the annotation as findings name it. `size` is the width and height that the annotation claims,
    `SHARES` for coordinates from 0 to 1, None where it says nothing.
    """

    path: Path
    where: str
    boxes: tuple[Box, ...]
    size: tuple[float, float] | None


def settle(drawn: Drawn, facts: Facts) -> tuple[BoxedSample | None, list[Finding]]:
    """The boxes in pixels of the upright image and what was remarked; None when an error bars the image."""
    width, height = facts.upright
    boxes, findings = _upright(drawn, facts)
    kept: list[Box] = []
    for number, box in enumerate(boxes, 1):
        sound, remarks = _checked(box, width, height, f"box {number} ({_corners(box)})", drawn.where)
        findings += remarks
        if sound in kept:
            message = f"box {number} ({_corners(box)}) is there twice"
            findings.append(Finding("box-duplicate", "warning", drawn.where, message, "nothing: one is used"))
        elif sound:
            kept.append(sound)
    if any(finding.level == "error" for finding in findings):
        return None, findings
    return BoxedSample(drawn.path, width, height, tuple(kept)), findings


def turned(box: Box, orientation: int, width: float, height: float) -> Box:
    """A box on the stored image (width, height) moved to the upright one; corners stay in order."""
    x1, y1, x2, y2 = box.x1, box.y1, box.x2, box.y2
    if orientation in (2, 3, 7, 8):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 6, 7):
        y1, y2 = height - y2, height - y1
    if orientation >= 5:
        x1, y1, x2, y2 = y1, x1, y2, x2
    return replace(box, x1=x1, y1=y1, x2=x2, y2=y2)


def turn_of(size: tuple[float, float] | None, facts: Facts) -> int | None:
    """The EXIF orientation to apply to what was drawn on an image of `size`; None when it fits neither way.

    What fits both the stored and the upright image was drawn on the upright one: that is what tools show.
    """
    if size is None or size in (SHARES, facts.upright):
        return 1
    return facts.orientation if size == (facts.width, facts.height) else None


def size_fault(where: str, size: tuple[float, float] | None, facts: Facts) -> Finding:
    """The finding about an annotation that was drawn on an image of another size."""
    wide, high = size or (0, 0)
    message = f"says {wide:g}x{high:g} pixels, {facts.path.name} has {facts.width}x{facts.height}"
    return Finding("annotation-size", "error", where, message, "annotate the image that is there")


def turn_note(where: str) -> Finding:
    """The note about an annotation of an image stored rotated, drawn before it was turned."""
    message = "was drawn on the image as stored, before its EXIF rotation"
    return Finding("exif-moved", "note", where, message, "nothing: it is turned with the image")


def _upright(drawn: Drawn, facts: Facts) -> tuple[list[Box], list[Finding]]:
    """The boxes in pixels of the upright image, unchecked, and a finding about how they came there."""
    turn = turn_of(drawn.size, facts)
    if turn is None:
        return [], [size_fault(drawn.where, drawn.size, facts)]
    if turn > 1:
        boxes = [turned(box, turn, facts.width, facts.height) for box in drawn.boxes]
        return boxes, [turn_note(drawn.where)]
    if drawn.size != SHARES:
        return list(drawn.boxes), []
    w, h = facts.upright
    return [replace(b, x1=b.x1 * w, y1=b.y1 * h, x2=b.x2 * w, y2=b.y2 * h) for b in drawn.boxes], []


def _checked(box: Box, width: int, height: int, name: str, where: str) -> tuple[Box | None, list[Finding]]:
    """A box inside the image, or None; and what had to be done for it."""
    if not all(map(math.isfinite, (box.x1, box.y1, box.x2, box.y2))):
        return None, [Finding("box-number", "error", where, f"{name} has no finite corners", "draw it again")]
    findings = list(_remarks(box, width, height, name, where))
    (x1, x2), (y1, y2) = sorted((box.x1, box.x2)), sorted((box.y1, box.y2))
    x1, x2 = max(x1, 0.0), min(x2, float(width))
    y1, y2 = max(y1, 0.0), min(y2, float(height))
    sound = x1 < x2 and y1 < y2
    return (replace(box, x1=x1, y1=y1, x2=x2, y2=y2) if sound else None), findings


def _remarks(box: Box, width: int, height: int, name: str, where: str) -> Iterator[Finding]:
    """What is wrong with the corners of a box."""
    if box.x1 > box.x2 or box.y1 > box.y2:
        message = f"{name} has its corners the wrong way round"
        yield Finding("box-reversed", "warning", where, message, "nothing: they are swapped")
    (left, right), (top, bottom) = sorted((box.x1, box.x2)), sorted((box.y1, box.y2))
    image = f"the image of {width}x{height}"
    if left == right or top == bottom:
        yield Finding("box-empty", "warning", where, f"{name} has no area", "draw it again; it is left out")
    elif right <= 0 or bottom <= 0 or left >= width or top >= height:
        yield Finding("box-outside", "error", where, f"{name} lies outside {image}", "draw it again")
    elif left < -OVER or top < -OVER or right > width + OVER or bottom > height + OVER:
        fix = "nothing: it is cut at the border"
        yield Finding("box-over-edge", "warning", where, f"{name} stands over {image}", fix)


def _corners(box: Box) -> str:
    """The corners of a box as text."""
    return ", ".join(f"{value:.6g}" for value in (box.x1, box.y1, box.x2, box.y2))
