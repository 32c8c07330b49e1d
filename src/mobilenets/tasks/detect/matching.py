"""Which box each anchor stands for."""

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou

NOTHING = -1  # an anchor without a box; also the label of a box that only fills up the batch
OVERLAP = 0.5  # at which an anchor stands for a box


@torch.no_grad()
def match(boxes: Tensor, labels: Tensor, anchors: Tensor, overlap: float = OVERLAP) -> Tensor:
    """The index of the box of each anchor (B, N), int64, or -1 where it stands for none.

    `boxes` (B, M, 4) are corners and `anchors` (N, 4) are cx, cy, w, h in the same unit; `labels` (B, M) are
    -1 where a row only fills up the batch. An anchor stands for the box it overlaps most, if their IoU is at
    least `overlap`. Besides, every box gets the anchor that overlaps it most, however little; when two boxes
    ask for the same, the later has it. The rule of SSD (Liu et al. 2016, section 2.2), with torchvision's
    SSDMatcher for what the paper leaves open.
    """
    real = labels >= 0
    if not real.any():
        return torch.full((len(labels), len(anchors)), NOTHING, dtype=torch.int64, device=labels.device)
    shared = box_iou(boxes.flatten(0, 1), box_convert(anchors, "cxcywh", "xyxy"))
    shared = shared.view(*labels.shape, -1).masked_fill(~real[..., None], -1)  # (B, M, N)
    best, found = shared.max(dim=1)
    found = found.masked_fill(best < overlap, NOTHING)
    number = torch.arange(boxes.shape[1], device=boxes.device).expand_as(labels).masked_fill(~real, NOTHING)
    forced = torch.full_like(found, NOTHING).scatter_reduce(1, shared.argmax(dim=2), number, "amax")
    return torch.where(forced >= 0, forced, found)
