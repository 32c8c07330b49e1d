"""What a page tells of a segmenter: masks beside masks, the overlap of each class, what is taken for what."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from mobilenets.reports import figures
from mobilenets.reports.drawing import beside
from mobilenets.reports.facts import Facts
from mobilenets.reports.masks import draw_mask
from mobilenets.reports.measures import mixups
from mobilenets.reports.palette import area_colour
from mobilenets.reports.pictures import encoded, opened

SIDE = 400  # longer side in pixels of each of the three pictures
BEST = 4


def section(facts: Facts) -> dict[str, Any]:
    """The images with the least overlap and the most, bars, classes, confusion in shares."""
    classes = sorted(facts.result.get("per_class") or [], key=lambda row: row["IoU"])
    matrix, labels = facts.result.get("confusion") or [], facts.labels
    labels = labels if len(labels) >= len(matrix) else [str(i) for i in range(len(matrix))]
    if matrix:
        figures.save(figures.confusion(_percents(matrix), labels), facts.run.plots / "confusion.svg")
    rows = sorted(facts.result.get("masks") or [], key=lambda row: row["mIoU"])
    cut = max(0, len(rows) - BEST) if len(rows) > BEST else len(rows)
    bars = [(row["label"], row["IoU"]) for row in reversed(classes)]
    return {
        "labels": labels,
        "matrix": matrix if len(matrix) <= figures.NAMED else [],
        "mixups": mixups(matrix, labels, limit=10),
        "classes": classes,
        "bars": figures.embedded(figures.bars(bars, "intersection over union, %"), facts.run.plots, "iou")
        if 0 < len(bars) <= figures.NAMED
        else None,
        "legend": [(label, f"#{bytes(area_colour(i)).hex()}") for i, label in enumerate(labels)],
        "wrong": list(_pictures(rows[:cut], facts)),
        "right": list(_pictures(rows[cut:][::-1], facts)),
        "total": len(facts.result.get("predictions") or []),
    }


def _percents(matrix: Sequence[Sequence[int]]) -> list[list[int]]:
    """Pixels as whole per cent of their true class."""
    return [[round(100 * count / max(1, sum(row))) for count in row] for row in matrix]


def _pictures(rows: Sequence[dict[str, Any]], facts: Facts) -> Iterator[dict[str, Any]]:
    """Photograph, annotated and predicted mask in a row, of those images that can be read."""
    from PIL import Image

    for row in rows:
        image = opened(facts.root, row["file"])
        masks = [_mask(row["truth"]), _mask(row["predicted"])]
        if image is None or any(mask is None for mask in masks):
            continue
        image.thumbnail((SIDE, SIDE))
        small = [np.asarray(mask.resize(image.size, Image.Resampling.NEAREST)) for mask in masks if mask]
        drawn = [draw_mask(image, mask, facts.labels, legend="none") for mask in small]
        photo = image if image.size == drawn[0].size else image.resize(drawn[0].size)
        strip = beside([("photograph", photo), ("annotated", drawn[0]), ("predicted", drawn[1])])
        yield {"uri": encoded(strip, drawn=True), "file": row["file"], "mIoU": row["mIoU"]}


def _mask(text: str) -> Any:
    """A mask from its PNG in base64, None when it is broken."""
    from PIL import Image

    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as mask:
            return mask.convert("L")
    except (OSError, ValueError, SyntaxError, binascii.Error):
        return None
