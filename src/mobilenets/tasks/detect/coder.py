"""Boxes as offsets from anchors, and back."""

import math

import torch
from torch import Tensor
from torchvision.ops import box_convert

WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of dx, dy, dw, dh; so the four have about the same spread
LARGEST = math.log(1000 / 16)  # of dw and dh: no box is more than 62.5 anchors wide, and exp never overflows


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets (..., 4) as dx, dy, dw, dh that lead from each anchor to its box.

    `boxes` (..., 4) are corners x1, y1, x2, y2 with x2 > x1 and y2 > y1; `anchors` (..., 4) are cx, cy, w, h
    in the same unit. Ren et al. 2015, section 3.1.2, times the weights 10, 10, 5, 5 of the object detection
    API (box_coders/faster_rcnn_box_coder.py) and of torchvision's BoxCoder.
    """
    boxes = box_convert(boxes, "xyxy", "cxcywh")
    shift = (boxes[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    stretch = (boxes[..., 2:] / anchors[..., 2:]).log()
    return torch.cat((shift, stretch), dim=-1) * boxes.new_tensor(WEIGHTS)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Corner boxes (..., 4) in the unit of the anchors; the inverse of `encode`.

    `offsets` (..., 4) are dx, dy, dw, dh and `anchors` (N, 4) or (..., 4) are cx, cy, w, h. Sides are held
    below 62.5 times the anchor's, as torchvision does; the runtimes do not, but such a box covers the image
    either way.
    """
    moves = offsets / offsets.new_tensor(WEIGHTS)
    centre = moves[..., :2] * anchors[..., 2:] + anchors[..., :2]
    half = 0.5 * moves[..., 2:].clamp(max=LARGEST).exp() * anchors[..., 2:]
    return torch.cat((centre - half, centre + half), dim=-1)


def flipped(values: Tensor) -> Tensor:
    """Values (..., 4) with x and y changing places: dy, dx, dh, dw or y1, x1, y2, x2, the order of exported
    files, into dx, dy, dw, dh or x1, y1, x2, y2; and back.
    """
    return values[..., [1, 0, 3, 2]]
