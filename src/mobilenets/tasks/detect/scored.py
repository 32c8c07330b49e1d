"""A detector's file over labelled images: what it found, how good that is, and what a report tells of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.base.errors import UsageError
from mobilenets.data.dataset import BoxedSample
from mobilenets.tasks.detect.coder import flipped
from mobilenets.tasks.detect.precision import confusion, mean_average_precision
from mobilenets.tasks.detect.reading import RULES, Detections, Rules, detections, from_file

SHOWN = 0.3  # the score from which boxes are drawn, listed and counted
DIGITS = 6  # of a score; pixels have two
METRICS = ("mAP50", "mAP", "mAP75")

Size = tuple[int, int]


def found(
    outputs: Sequence[np.ndarray], card: Card, sizes: Sequence[Size], rules: Rules | None = None
) -> list[Detections]:
    """What the outputs for a batch say of each image of `sizes` (width, height).

    A file with NMS inside has its own rules; the others follow `rules`, by default RULES["file"].
    Raises UsageError for rules given to a file that has its own.
    """
    tensors = [torch.from_numpy(np.ascontiguousarray(output)) for output in outputs]
    if card.outputs == "nms":
        if rules is not None:
            raise UsageError("the file has its own NMS inside; leave --nms out, or export it as --form plain")
        boxes, classes, scores, counts = tensors
        return [
            from_file(boxes[i], classes[i], scores[i], int(counts[i].reshape(-1)[0]), size)
            for i, size in enumerate(sizes)
        ]
    offsets, scores = tensors
    side = card.arch.resolution
    places = torch.tensor(anchors(card.arch)) * side
    return [
        detections(flipped(offsets[i]), scores[i], places, size, rules or RULES["file"], side=side)
        for i, size in enumerate(sizes)
    ]


def listed(item: Detections, labels: Sequence[str], score: float = SHOWN) -> list[dict[str, Any]]:
    """Detections with at least `score`, best first: `index`, `label`, `score`, `box` as x1, y1, x2, y2."""
    kept = item.above(score)
    return [
        {
            "index": index,
            "label": labels[index],
            "score": round(value, DIGITS),
            "box": [round(side, 2) for side in box],
        }
        for index, value, box in zip(
            kept.labels.tolist(), kept.scores.tolist(), kept.boxes.tolist(), strict=True
        )
    ]


@dataclass(frozen=True, eq=False)
class Scored:
    """Detections in labelled images whose boxes have the model's class indices; files lie under `root`."""

    found: list[Detections]
    samples: list[BoxedSample]
    labels: tuple[str, ...]
    root: Path
    metric: str = "mAP50"

    def __len__(self) -> int:
        """How many images."""
        return len(self.samples)

    @cached_property
    def precision(self) -> dict[str, Any]:
        """COCO's numbers, and those of each class."""
        return mean_average_precision(self.found, self.samples, len(self.labels))

    @property
    def metrics(self) -> dict[str, float]:
        """mAP50, mAP (over IoU 0.5 to 0.95) and mAP75, from 0 to 1."""
        return {name: self.precision[name] for name in METRICS}

    @property
    def value(self) -> float:
        """The metric that decides."""
        return self.metrics[self.metric]

    def per_class(self) -> list[dict[str, Any]]:
        """Each class with boxes to be found: `label`, `n` of them, `AP`, `AP50`."""
        rows = zip(self.labels, self.precision["per_class"], strict=True)
        return [
            {"label": label, "n": row["boxes"], "AP": row["AP"], "AP50": row["AP50"]}
            for label, row in rows
            if row["boxes"]
        ]

    def confusion(self) -> list[list[int]]:
        """Counts, one row per true class, one column per predicted class, background last in both."""
        return confusion(self.found, self.samples, len(self.labels), score=SHOWN)

    def document(self) -> dict[str, Any]:
        """What result.json says of them: metrics, classes with their curves, confusion, every image."""
        curves = [row["curve"] for row in self.precision["per_class"] if row["boxes"]]
        return {
            "metrics": self.metrics,
            "per_class": [
                row | {"curve": curve} for row, curve in zip(self.per_class(), curves, strict=True)
            ],
            "confusion": self.confusion(),
            "score": SHOWN,
            "predictions": [self._image(*pair) for pair in zip(self.found, self.samples, strict=True)],
        }

    def _image(self, item: Detections, sample: BoxedSample) -> dict[str, Any]:
        """One image: what is on it, what was found, and how many of that agree."""
        counts = np.array(confusion([item], [sample], len(self.labels), score=SHOWN))
        right = int(np.trace(counts[:-1, :-1]))
        return {
            "file": sample.path.relative_to(self.root).as_posix(),
            "size": [sample.width, sample.height],
            "right": right,
            "wrong": int(counts.sum()) - right,
            "truth": [
                {"index": b.label, "box": [b.x1, b.y1, b.x2, b.y2], **_marks(b.crowd, b.difficult)}
                for b in sample.boxes
            ],
            "boxes": [
                {key: one[key] for key in ("index", "score", "box")} for one in listed(item, self.labels)
            ],
        }


def _marks(crowd: bool, difficult: bool) -> dict[str, bool]:
    """Those of the marks of a box that hold."""
    return {name: True for name, holds in (("crowd", crowd), ("difficult", difficult)) if holds}
