"""What a detector is trained on: the boxes of the anchors that stand for something, the classes of all."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from mobilenets.arch.spec import Scoring
from mobilenets.tasks.detect.coder import encode
from mobilenets.tasks.detect.matching import match

NEGATIVES = 3  # anchors without a box that count, for each with one
ALPHA, GAMMA = 0.75, 2.0  # of the focal loss, in the V3 configurations of the object detection API
COORDINATES = 4  # of a box


def multibox_loss(
    offsets: Tensor, logits: Tensor, boxes: Tensor, labels: Tensor, anchors: Tensor, scoring: Scoring
) -> Tensor:
    """The loss of a batch, a scalar in float32: that of the boxes plus that of the classes, over the matches.

    `offsets` (B, N, 4) and `logits` (B, N, K) are the network's; `boxes` (B, M, 4) are corners, `labels`
    (B, M) class indices without background, -1 in rows that fill up; `anchors` (N, 4) are cx, cy, w, h. Boxes
    and anchors are in pixels of the network's input. With "softmax", K is the classes and background first,
    and the loss is torchvision's (SSD.compute_loss): cross-entropy with three hard negatives for each match.
    With "sigmoid", K is the classes, and the loss is that of the object detection API's
    ssdlite_mobilenet_v3 configurations: focal, alpha 0.75 and gamma 2, with the box loss divided by its four
    coordinates too. There may be images without boxes, even a whole batch of them.
    """
    matches = match(boxes, labels, anchors)
    total = (matches >= 0).sum().clamp(min=1)
    classes = target_classes(matches, labels)
    box = box_loss(offsets, boxes, anchors, matches)
    if scoring == "softmax":
        return (box + mined_cross_entropy(logits, classes + 1)) / total
    return (box / COORDINATES + focal_loss(logits, classes)) / total


def target_classes(matches: Tensor, labels: Tensor) -> Tensor:
    """The class each anchor should name (B, N), -1 for none, from `matches` (B, N) and `labels` (B, M)."""
    if labels.shape[1] == 0:
        return matches
    return labels.gather(1, matches.clamp(min=0)).where(matches >= 0, matches)


def box_loss(offsets: Tensor, boxes: Tensor, anchors: Tensor, matches: Tensor) -> Tensor:
    """Summed smooth L1 (Girshick 2015, equation 3) of the offsets (B, N, 4) of anchors with a box."""
    image, anchor = torch.where(matches >= 0)
    wanted = encode(boxes[image, matches[image, anchor]].float(), anchors[anchor].float())
    return F.smooth_l1_loss(offsets[image, anchor].float(), wanted, reduction="sum")


def mined_cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Summed cross-entropy of logits (B, N, K) against classes (B, N), 0 being background.

    All anchors with a box count, and of the rest of each image the three times as many that are furthest
    from background (Liu et al. 2016, section 2.2). An image without boxes therefore adds nothing.
    """
    each = F.cross_entropy(logits.float().flatten(0, 1), classes.flatten(), reduction="none").view_as(classes)
    positive = classes > 0
    rank = each.detach().masked_fill(positive, -torch.inf).argsort(dim=1, descending=True).argsort(dim=1)
    counts = positive | (rank < NEGATIVES * positive.sum(dim=1, keepdim=True))
    return each[counts].sum()


def focal_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Summed sigmoid focal loss (Lin et al. 2017) of logits (B, N, K) against classes (B, N), -1 for none."""
    wanted = F.one_hot(classes + 1, logits.shape[-1] + 1)[..., 1:].float()
    total: Tensor = sigmoid_focal_loss(logits.float(), wanted, alpha=ALPHA, gamma=GAMMA, reduction="sum")
    return total
