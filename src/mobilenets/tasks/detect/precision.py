"""How good detections are: average precision as COCO counts it, and which classes are taken for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_area, box_iou

from mobilenets.base.errors import DataError
from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.tasks.detect.reading import Detections

# of the twelve numbers of COCO's summary, in its order
STATS = ("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large",
         "AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")  # fmt: skip
ALL, MOST = 0, -1  # in COCO's arrays: areas of any size; a hundred detections of a class in an image


def mean_average_precision(
    found: Sequence[Detections], truths: Sequence[BoxedSample], classes: int
) -> dict[str, Any]:
    """COCO's twelve numbers (`STATS`), each from 0 to 1 or None where no box is of that size, and by class.

    `per_class` has for each class "boxes", how many are to be found, and "AP", "AP50" and "curve": the
    highest precision at IoU 0.5 for a recall of at least 0, 0.01, ... 1. A class without boxes has None and
    an empty curve, and does not count in the means. Counted by faster-coco-eval.

    Boxes marked `crowd` or, as in VOC, `difficult` are not asked for: not finding them costs nothing, and a
    detection that lies within such a box of its class, by a share of its area of at least the IoU threshold,
    is neither right nor wrong. That is COCO's rule for crowds; VOC's own for difficult boxes asks for the
    IoU instead. Raises DataError when there is nothing to be found at all.
    """
    counts = _counts(truths, classes)
    if not sum(counts):
        raise DataError(
            f"none of the {len(truths)} images has a box to be found, so average precision means nothing; "
            "give images with boxes, at least some not marked crowd or difficult"
        )
    judge = _judged(found, truths, classes)
    precision = judge.eval["precision"]  # (IoU thresholds, recalls, classes, areas, most detections)
    stats = [float(value) if value >= 0 else None for value in judge.stats[: len(STATS)]]
    per_class = [_of_class(count, precision[:, :, label, ALL, MOST]) for label, count in enumerate(counts)]
    return {**dict(zip(STATS, stats, strict=True)), "per_class": per_class}


def _counts(truths: Sequence[BoxedSample], classes: int) -> list[int]:
    """How many boxes of each class are to be found."""
    labels = [box.label for truth in truths for box in truth.boxes if not box.spared]
    counts: list[int] = np.bincount(np.asarray(labels, dtype=np.int64), minlength=classes).tolist()
    return counts


def _of_class(count: int, precision: np.ndarray) -> dict[str, Any]:
    """The numbers of a class with `count` boxes from its precisions (IoU thresholds, recalls)."""
    if not count:
        return {"boxes": 0, "AP": None, "AP50": None, "curve": []}
    return {
        "boxes": count,
        "AP": float(precision.mean()),
        "AP50": float(precision[0].mean()),
        "curve": precision[0].tolist(),
    }


def _judged(found: Sequence[Detections], truths: Sequence[BoxedSample], classes: int) -> Any:
    """COCO's evaluation, done. Classes and boxes are counted from 1, as 0 means "no match" there."""
    from faster_coco_eval import COCO, COCOeval_faster

    images = [{"id": i, "width": t.width, "height": t.height} for i, t in enumerate(truths)]
    boxes = [(image, box) for image, truth in enumerate(truths) for box in truth.boxes]
    theirs = COCO(
        {
            "images": images,
            "categories": [{"id": label + 1, "name": str(label)} for label in range(classes)],
            "annotations": [_annotation(number, *item) for number, item in enumerate(boxes, 1)],
        }
    )
    rows = np.concatenate([np.empty((0, 7)), *(_rows(image, item) for image, item in enumerate(found))])
    judge = COCOeval_faster(theirs, theirs.loadRes(rows), "bbox", print_function=lambda *_: None)
    judge.run()
    return judge


def _annotation(number: int, image: int, box: Box) -> dict[str, Any]:
    """A true box as COCO writes it."""
    width, height = box.x2 - box.x1, box.y2 - box.y1
    return {
        "id": number,
        "image_id": image,
        "category_id": box.label + 1,
        "bbox": [box.x1, box.y1, width, height],
        "area": width * height,
        "iscrowd": int(box.spared),
    }


def _rows(image: int, found: Detections) -> np.ndarray:
    """Detections as COCO's rows (K, 7): image, x, y, width, height, score, class."""
    boxes = found.boxes.double().cpu()
    places = torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), dim=1)
    columns = (torch.full((len(found), 1), float(image)), places, found.scores.double().cpu()[:, None],
               found.labels.double().cpu()[:, None] + 1)  # fmt: skip
    return torch.cat(columns, dim=1).numpy()


def confusion(
    found: Sequence[Detections],
    truths: Sequence[BoxedSample],
    classes: int,
    iou: float = 0.5,
    score: float = 0.5,
) -> list[list[int]]:
    """Counts, one row per true class, one column per predicted class; the last of both is background.

    Detections with at least `score` take turns, the best first: each takes the true box of its class that it
    overlaps most, at an IoU of at least `iou`; what is left then takes boxes of other classes in the same
    way. The last column counts boxes that nothing found, the last row detections that found nothing. Boxes
    marked crowd or difficult do not count, nor do detections that lie in them by a share of at least `iou`.
    """
    counts = np.zeros((classes + 1, classes + 1), dtype=int)
    for item, truth in zip(found, truths, strict=True):
        for pair in _pairs(item.above(score), truth.boxes, classes, iou):
            counts[pair] += 1
    return counts.tolist()


def _pairs(found: Detections, boxes: Sequence[Box], none: int, iou: float) -> list[tuple[int, int]]:
    """True and predicted class of each box and each detection of an image, `none` for background."""
    asked = [box for box in boxes if not box.spared]
    labels = torch.tensor([box.label for box in asked], dtype=torch.int64)
    predicted = found.labels.cpu()
    shared = box_iou(found.boxes.cpu(), _corners(asked))
    same = predicted[:, None] == labels
    taken: dict[int, int] = {}  # true box by detection
    for allowed in (same, ~same):
        _take(shared.masked_fill(~allowed, 0), iou, taken)
    spared = _within(found.boxes.cpu(), _corners([box for box in boxes if box.spared])) >= iou
    pairs = [(int(labels[box]), int(predicted[row])) for row, box in taken.items()]
    pairs += [
        (none, int(predicted[row])) for row in range(len(found)) if row not in taken and not spared[row]
    ]
    return pairs + [(int(labels[box]), none) for box in range(len(asked)) if box not in taken.values()]


def _take(shared: Tensor, iou: float, taken: dict[int, int]) -> None:
    """Give each detection in turn the free true box it overlaps most; `shared` are IoU (K, M)."""
    for row, overlaps in enumerate(shared.tolist()):
        free = [(overlap, -box) for box, overlap in enumerate(overlaps) if box not in taken.values()]
        if row not in taken and free and max(free)[0] >= iou:
            taken[row] = -max(free)[1]


def _within(boxes: Tensor, others: Tensor) -> Tensor:
    """The largest share of the area of each of `boxes` (K, 4) that lies in one of `others` (M, 4): (K,)."""
    corner = torch.max(boxes[:, None, :2], others[None, :, :2])
    sides = (torch.min(boxes[:, None, 2:], others[None, :, 2:]) - corner).clamp(min=0)
    shares = sides.prod(dim=2) / box_area(boxes)[:, None]
    return torch.cat((torch.zeros(len(boxes), 1), shares.nan_to_num()), dim=1).amax(dim=1)


def _corners(boxes: Sequence[Box]) -> Tensor:
    """True boxes as (M, 4) float32."""
    return torch.tensor([(b.x1, b.y1, b.x2, b.y2) for b in boxes], dtype=torch.float32).reshape(-1, 4)
