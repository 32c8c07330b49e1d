"""Anchors, batches of boxes and detections for the tests of detection."""

from pathlib import Path

import torch
from torchvision.ops import box_convert

from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.tasks.detect import Detections

SIDE = 320


def grid(side=SIDE):
    """Anchors (N, 4) as cx, cy, w, h in pixels: two maps, three shapes at each place."""
    rows = []
    for cells, size in ((10, 0.2), (4, 0.5)):
        centres = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        for ratio in (0.5, 1.0, 2.0):
            shape = torch.tensor([size * ratio**0.5, size / ratio**0.5]).expand(cells * cells, 2)
            rows.append(torch.cat((torch.stack((x, y), dim=-1).view(-1, 2), shape), dim=1))
    return torch.cat(rows) * side


ANCHORS = grid()
CORNERS = box_convert(ANCHORS, "cxcywh", "xyxy")


def targets(seed, counts, classes=4):
    """Boxes (B, M, 4) and labels (B, M), as many in each image as `counts` says, the rest filled up."""
    random = torch.Generator().manual_seed(seed)
    most = max(counts)
    low = torch.rand(len(counts), most, 2, generator=random) * SIDE * 0.8
    sides = 4 + torch.rand(len(counts), most, 2, generator=random) * SIDE * 0.6
    labels = torch.randint(classes, (len(counts), most), generator=random)
    empty = torch.arange(most) >= torch.tensor(counts)[:, None]
    boxes = torch.cat((low, (low + sides).clamp(max=SIDE)), dim=2)
    return boxes.masked_fill(empty[..., None], 0), labels.masked_fill(empty, -1)


def found(boxes, labels, scores):
    """Detections from lists."""
    return Detections(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(scores, dtype=torch.float32),
    )


def sample(*boxes, width=200, height=100):
    """An image with boxes, each a tuple as `Box` takes it."""
    return BoxedSample(Path("image.png"), width, height, tuple(Box(*box) for box in boxes))
