"""From the outputs of a detector to what it has found.

Three sets of rules are in use, and each is followed to the letter, so that what is measured here is what a
file gives in its runtime:

- "torchvision": SSD.postprocess_detections of torchvision. Boxes are clipped to the image before they
  compete.
- "file": what exported files do by themselves. In LiteRT that is TFLite_Detection_PostProcess with
  use_regular_nms (tensorflow/lite/kernels/detection_postprocess.cc): boxes are decoded in double precision
  and compared in single, as shares of the image's sides; a box goes when its IoU with a better one of its
  class is above the threshold, not at it; of equal scores the lower anchor comes first; nothing is clipped.
  ONNX's NonMaxSuppression, as ONNX Runtime has it, agrees in all of this. The operation keeps scores at the
  threshold and ONNX only those above; here, those above. Which of equal scores of two classes comes first it
  leaves open; here, the lower class. Boxes are clipped in the end, which whoever reads the file has to do
  as well: `from_file` does.
- "mediapipe": what MediaPipe Tasks' ObjectDetector does with raw outputs
  (mediapipe/calculators/tensor/tensors_to_detections_calculator.cc, util/non_max_suppression_calculator.cc,
  util/detection_transformation_calculator.cc): every anchor has its best class only, the lower among equals;
  all classes compete; left, top, width and height in pixels are cut to whole numbers towards zero and then
  held between 0 and the image's side, so that the right edge may lie beyond the image. Scores at its
  threshold stay; by default that is 0, so nothing is left out.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image, nms

from mobilenets.tasks.detect.coder import decode, flipped

AHEAD = 1000  # boxes that are looked at first


@dataclass(frozen=True)
class Rules:
    """How boxes compete. Scores must be above `score`; a box whose IoU with a better one is above `iou` goes.

    At most `top_k` boxes of each class compete and at most `detections` come out; None is all of them.
    Classes compete apart (`per_class`), or all together with the best class of each anchor. `clip` says when
    boxes are held within the image; "whole" boxes are in whole pixels, after MediaPipe's manner.
    """

    score: float
    iou: float
    top_k: int | None
    detections: int | None
    per_class: bool = True
    clip: Literal["before", "after", "whole"] = "after"


# "file" leaves out scores below 0.02: an untrained detector gives every box about 0.01, and comparing all of
# them takes LiteRT several times as long as the network. A trained one lost nothing by it: on BCCD mAP is the
# same at 1e-8 and at 0.05.
RULES = {
    "torchvision": Rules(score=1e-3, iou=0.55, top_k=300, detections=300, clip="before"),
    "file": Rules(score=0.02, iou=0.6, top_k=None, detections=100),
    "mediapipe": Rules(score=-1.0, iou=0.3, top_k=None, detections=None, per_class=False, clip="whole"),
}


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one image, best first: `boxes` (K, 4), float32 corners in pixels of the upright
    image, `labels` (K,), int64 class indices without background, and `scores` (K,), float32.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor

    def __len__(self) -> int:
        """How many."""
        return len(self.scores)

    def above(self, score: float) -> "Detections":
        """Those with a score of at least `score`."""
        kept = self.scores >= score
        return Detections(self.boxes[kept], self.labels[kept], self.scores[kept])


@torch.no_grad()
def detections(
    offsets: Tensor, scores: Tensor, anchors: Tensor, size: tuple[int, int], rules: Rules, *, side: int
) -> Detections:
    """What the outputs for one image say.

    `offsets` (N, 4) are dx, dy, dw, dh; `scores` (N, classes) are probabilities without background;
    `anchors` (N, 4) are cx, cy, w, h in pixels of the network's input, a square of `side` pixels to which the
    whole image of `size` (width, height) was stretched.
    """
    anchor, labels, ranked = candidates(scores.float(), rules)
    if rules.clip == "before":
        boxes = clip_boxes_to_image(decode(offsets.float(), anchors.float()), (side, side))[anchor]
        kept = batched_nms(boxes, ranked, labels, rules.iou)[: rules.detections]
        boxes = boxes / side
    else:
        boxes = (decode(offsets.double(), anchors.double())[anchor] / side).float()
        groups = labels if rules.per_class else torch.zeros_like(labels)
        kept = _survivors(boxes, ranked, groups, rules)
    boxes = _whole(boxes[kept], size) if rules.clip == "whole" else _placed(boxes[kept], size)
    return Detections(boxes, labels[kept], ranked[kept])


def candidates(scores: Tensor, rules: Rules) -> tuple[Tensor, Tensor, Tensor]:
    """What competes: anchors, labels and scores, each (K,), class after class, the best of each first.

    `scores` are (N, classes). Among equal scores the lower anchor comes first.
    """
    if not rules.per_class:
        best, labels = scores.max(dim=1)
        scores = torch.full_like(scores, -torch.inf).scatter(1, labels[:, None], best[:, None])
    ranked, anchors = scores.t().sort(dim=1, descending=True, stable=True)
    ranked, anchors = ranked[:, : rules.top_k], anchors[:, : rules.top_k]
    labels, place = torch.where(ranked > rules.score)
    return anchors[labels, place], labels, ranked[labels, place]


def _survivors(boxes: Tensor, scores: Tensor, groups: Tensor, rules: Rules) -> Tensor:
    """The places of the boxes that stay, best first; only boxes of the same of `groups` (K,) compete.

    What becomes of a box depends on better ones only, so when `rules.detections` of the best thousand stay,
    the rest need not be looked at: with ninety classes these are hundreds of thousands.
    """
    order = scores.argsort(descending=True, stable=True)
    ahead = len(order) if rules.detections is None else AHEAD
    while True:
        stay = _apart(boxes, scores, groups, rules.iou, order[:ahead])
        if ahead >= len(order) or len(stay) >= (rules.detections or 0):
            return stay[: rules.detections]
        ahead *= 4


def _apart(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float, order: Tensor) -> Tensor:
    """Those of `order` that stay, in that order.

    torchvision's `batched_nms` moves the groups apart instead, which costs digits of the coordinates; and the
    runtimes hold the threshold in single precision.
    """
    limit = torch.tensor(iou, dtype=torch.float32).item()
    boxes, scores, groups = boxes[order], scores[order], groups[order]
    stays = torch.zeros_like(order, dtype=torch.bool)
    for group in torch.unique(groups):
        part = torch.where(groups == group)[0]
        stays[part[nms(boxes[part], scores[part], limit)]] = True
    return order[stays]


def _placed(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (K, 4), shares of the sides, in pixels of an image of `size` (width, height) and within it."""
    limits = boxes.new_tensor((*size, *size))
    return (boxes * limits).clamp(min=0).minimum(limits)


def _whole(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (K, 4), shares of the sides, in whole pixels of an image of `size`, as MediaPipe cuts them."""
    limits = boxes.new_tensor(size)
    corner = (boxes[:, :2] * limits).trunc().clamp(min=0).minimum(limits)
    sides = ((boxes[:, 2:] - boxes[:, :2]) * limits).trunc().clamp(min=0).minimum(limits)
    return torch.cat((corner, corner + sides), dim=1)


def from_file(
    boxes: Tensor, classes: Tensor, scores: Tensor, count: int, size: tuple[int, int]
) -> Detections:
    """What a file with decoding and NMS inside says of one image of `size` (width, height).

    `boxes` (M, 4) are y1, x1, y2, x2 as shares of the sides, `classes` (M,) indices, `scores` (M,); the first
    `count` hold. They are clipped to the image, as `detections` does under the rules "file".
    """
    placed = _placed(flipped(boxes[:count].float()), size)
    return Detections(placed, classes[:count].long(), scores[:count].float())
