"""What a page tells of a detector: ground truth beside prediction, curves, classes, confusion."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from mobilenets.reports import figures
from mobilenets.reports.boxes import Drawn, draw_boxes
from mobilenets.reports.drawing import beside
from mobilenets.reports.facts import Facts
from mobilenets.reports.pictures import encoded, opened

WORST, BEST = 8, 4  # images
SIDE = 480  # longer side in pixels of each of the two pictures
BACKGROUND = "background"


def section(facts: Facts) -> dict[str, Any]:
    """Pictures with the most mistakes and with none, curves, classes, confusion including background."""
    classes = facts.result.get("per_class") or []
    matrix = facts.result.get("confusion") or []
    names = [*facts.labels, BACKGROUND]
    names = names if len(names) == len(matrix) else [str(i) for i in range(len(matrix))]
    if matrix:
        figures.save(figures.confusion(matrix, names), facts.run.plots / "confusion.svg")
    rows = facts.result.get("predictions") or []
    worst = sorted((row for row in rows if row["wrong"]), key=lambda row: (-row["wrong"], row["file"]))
    best = sorted((row for row in rows if not row["wrong"]), key=lambda row: (-row["right"], row["file"]))
    return {
        "labels": facts.labels,
        "names": names,
        "matrix": matrix if len(matrix) <= figures.NAMED else [],
        "classes": sorted(classes, key=lambda row: row["AP"]),
        "precision_recall": figures.embedded(
            figures.precision_recall(classes), facts.run.plots, "precision_recall"
        )
        if classes
        else None,
        "wrong": list(islice(_pictures(worst, facts), WORST)),
        "right": list(islice(_pictures(best, facts), BEST)),
        "score": facts.result.get("score") or 0.0,
        "faulty": len(worst),
        "total": len(rows),
    }


def _pictures(rows: Iterable[dict[str, Any]], facts: Facts) -> Iterator[dict[str, Any]]:
    """Annotated boxes beside found ones, of those images that can be read."""
    for row in rows:
        image = opened(facts.root, row["file"])
        if image is None:
            continue
        factor = min(1.0, SIDE / max(image.size))
        image.thumbnail((SIDE, SIDE))
        pair = [
            (caption, draw_boxes(image, _scaled(row[key], factor, facts.labels)))
            for caption, key in (("annotated", "truth"), ("found", "boxes"))
        ]
        told = {key: row[key] for key in ("file", "right", "wrong")}
        yield {"uri": encoded(beside(pair), drawn=True), **told}


def _scaled(boxes: Sequence[dict[str, Any]], factor: float, labels: Sequence[str]) -> list[Drawn]:
    """Boxes of result.json as they are drawn on a picture that was scaled by `factor`."""
    drawn = []
    for one in boxes:
        x1, y1, x2, y2 = (side * factor for side in one["box"])
        marks = "".join(f" ({mark})" for mark in ("crowd", "difficult") if one.get(mark))
        name = labels[one["index"]] if one["index"] < len(labels) else str(one["index"])
        drawn.append(Drawn((x1, y1, x2, y2), one["index"], name + marks, one.get("score")))
    return drawn
