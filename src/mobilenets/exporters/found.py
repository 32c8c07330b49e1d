"""Whether the boxes that a file with NMS gives are those that its offsets and scores give."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.base.errors import ParityError
from mobilenets.exporters.parity import batches
from mobilenets.runtimes import Session
from mobilenets.tasks.detect import Rules, decode
from mobilenets.tasks.detect.coder import flipped

NEAR = 1e-3  # pixels between a box of the file and ours
FAR = 100  # pixels from which on that grows with the box: float32 knows it no better
NEARLY = 1e-4  # of an IoU: this close to the threshold a box may stay or go


def compare_found(
    plain: Session, session: Session, card: Card, rules: Rules, samples: np.ndarray, path: Path
) -> None:
    """Hold a file with NMS against what the same file gave without, on raw pixels uint8 (N, H, W, 3).

    The offsets and scores are the same to the last bit, so nothing but decoding and NMS is judged.
    Raises ParityError when a box is not one of those decoded here, within NEAR pixels; when two that compete
    stay; or when one is missing that nothing better covers.
    """
    side, most = card.arch.resolution, rules.detections
    places = torch.tensor(anchors(card.arch)) * side
    for batch in batches(samples):
        heads = [torch.from_numpy(output) for output in plain.outputs(batch)]
        answers = [torch.from_numpy(output) for output in session.outputs(batch)]
        for offsets, scores, boxes, classes, ranks, count in zip(*heads, *answers, strict=True):
            decoded = decode(flipped(offsets).double(), places.double())
            k = int(count)
            given = flipped(boxes[:k]).double() * side
            whole = (boxes.shape, classes.shape, ranks.shape) == ((most, 4), (most,), (most,))
            if not whole or not holds(decoded, scores, given, classes[:k], ranks[:k], rules):
                raise ParityError(
                    f"{path.name} decodes its boxes otherwise than this package does; it was not written: "
                    "please report this with the versions of the converter"
                )


def holds(
    decoded: Tensor, scores: Tensor, boxes: Tensor, classes: Tensor, ranks: Tensor, rules: Rules
) -> bool:
    """Whether `boxes` (K, 4), `classes` (K,) and their scores `ranks` (K,), best first, are a right answer.

    `decoded` (N, 4) are all boxes in the same unit, corners; `scores` (N, classes) theirs. Unlike a
    comparison with one answer, this leaves open what rounding decides: equal scores, IoUs at the threshold.
    """
    if bool((ranks[1:] > ranks[:-1]).any()):
        return False
    full = len(ranks) == rules.detections
    floor = max(rules.score, float(ranks[-1])) if full else rules.score
    for index, column in enumerate(scores.t()):
        mine = classes == index
        if not _class_holds(decoded, column, boxes[mine], ranks[mine], rules.iou, floor):
            return False
    return bool(((classes >= 0) & (classes < scores.shape[1])).all())


def _class_holds(
    decoded: Tensor, scores: Tensor, boxes: Tensor, ranks: Tensor, iou: float, floor: float
) -> bool:
    """`holds` for one class, whose scores are (N,); those up to `floor` need not be there."""
    reach = (decoded.abs().amax(dim=1) / FAR).clamp(min=1)  # (N,)
    near = (boxes[:, None] - decoded).abs().amax(dim=2) <= NEAR * reach  # (k, N)
    same = near & (ranks[:, None] == scores)
    among = box_iou(boxes, boxes).triu(diagonal=1)
    covered = (box_iou(boxes, decoded) > iou - NEARLY) & (ranks[:, None] >= scores)
    missing = (scores > floor) & ~same.any(dim=0) & ~covered.any(dim=0)
    return bool(same.any(dim=1).all()) and not bool((among > iou + NEARLY).any()) and not bool(missing.any())
