"""Detection as the training loop sees it."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mobilenets.arch.anchors import anchors as anchors_of
from mobilenets.arch.card import Card
from mobilenets.arch.spec import Scoring, SSDLite
from mobilenets.data.augment import may_flip
from mobilenets.data.cache import ImageCache, build_cache, build_whole
from mobilenets.data.dataset import BoxedSample, Dataset
from mobilenets.data.feeds import BoxedImages
from mobilenets.tasks.detect import (
    RULES,
    Detections,
    detections,
    mean_average_precision,
    multibox_loss,
)
from mobilenets.tasks.task import Choices, Judged, run_over

FINER = 2  # times the network's side: what training images are kept at, so that windows of them stay sharp


def pixel_anchors(card: Card) -> Tensor:
    """The anchors (N, 4) of a card's network as cx, cy, w, h in pixels of its input."""
    return torch.tensor(anchors_of(card.arch)) * card.arch.resolution


def scores_of(logits: Tensor, scoring: Scoring) -> Tensor:
    """Probabilities (..., N, classes) without background, from the logits (..., N, K) of a head."""
    return logits.sigmoid() if scoring == "sigmoid" else logits.softmax(dim=-1)[..., 1:]


def scales(samples: Sequence[BoxedSample], maps: int = 6) -> tuple[float, ...]:
    """Sizes of anchors as shares of the image's side, one for each map and one more, that suit some boxes.

    They rise by the same factor to the whole image, from twice the size that one box in twenty falls below
    (the finest map halves it again), but from 0.1 at least and 0.2, SSD's own, at most.
    """
    sizes = [
        math.sqrt((box.x2 - box.x1) * (box.y2 - box.y1) / (sample.width * sample.height))
        for sample in samples
        for box in sample.boxes
    ]
    small = sorted(sizes)[len(sizes) // 20] if sizes else 0.1
    first = min(0.2, max(0.1, 2 * small))
    return tuple(round(first ** (1 - index / maps), 4) for index in range(maps + 1))


class Multibox(nn.Module):
    """`multibox_loss` with the anchors of a network, which go with the network's side."""

    anchors: Tensor

    def __init__(self, anchors: Tensor, scoring: Scoring) -> None:
        super().__init__()
        self.scoring = scoring
        self.register_buffer("anchors", anchors, persistent=False)

    def forward(self, outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of offsets and logits (B, N, ...) for boxes and labels (B, M, ...) in pixels."""
        loss: Tensor = multibox_loss(*outputs, *targets, self.anchors, self.scoring)
        return loss


@dataclass(frozen=True)
class Boxes:
    """The boxes of images: corners (M, 4) float32 and classes (M,) int64 of each."""

    corners: Sequence[Tensor]
    labels: Sequence[Tensor]


def boxes_of(samples: Sequence[BoxedSample], sizes: Iterable[tuple[int, int]]) -> Boxes:
    """The boxes to learn, those of crowds left out, in pixels of images scaled to `sizes` (width, height)."""
    corners, labels = [], []
    for sample, (width, height) in zip(samples, sizes, strict=True):
        across, down = width / sample.width, height / sample.height
        kept = [box for box in sample.boxes if not box.crowd]
        rows = [(b.x1 * across, b.y1 * down, b.x2 * across, b.y2 * down) for b in kept]
        corners.append(torch.tensor(rows, dtype=torch.float32).reshape(-1, 4))
        labels.append(torch.tensor([box.label for box in kept], dtype=torch.int64))
    return Boxes(corners, labels)


@dataclass(frozen=True)
class HeldBoxes:
    """Held-out images as the network sees them, their boxes there, and as they were annotated."""

    cache: ImageCache
    boxes: Boxes
    samples: Sequence[BoxedSample]


@dataclass
class _Tally:
    """Loss and detections, gathered batch by batch."""

    held: HeldBoxes
    card: Card
    criterion: Multibox
    losses: list[float] = field(default_factory=list)
    found: list[Detections] = field(default_factory=list)

    def take(self, indices: range, outputs: tuple[Tensor, Tensor]) -> None:
        """Take in the offsets (B, N, 4) and logits (B, N, K) of some images."""
        anchors, side = self.criterion.anchors, self.card.arch.resolution
        for index, *one in zip(indices, *(output.float().cpu() for output in outputs), strict=True):
            offsets, logits = one
            truth = self.held.boxes.corners[index], self.held.boxes.labels[index]
            loss = self.criterion((offsets[None], logits[None]), (truth[0][None], truth[1][None]))
            self.losses.append(loss.item())
            sample, scores = self.held.samples[index], scores_of(logits, self.criterion.scoring)
            size = (sample.width, sample.height)
            self.found.append(detections(offsets, scores, anchors, size, RULES["file"], side=side))


@dataclass(frozen=True)
class Detect:
    """Detection to the training loop."""

    name: str = "detect"
    metric: str = "mAP50"

    def train_feed(self, samples: Sequence[BoxedSample], card: Card, settings: Choices) -> BoxedImages:
        """Images and their boxes."""
        cache = build_whole([sample.path for sample in samples], FINER * card.preprocess.crop)
        boxes = boxes_of(samples, ((width, height) for height, width in cache.sizes.tolist()))
        flip = may_flip(card.labels) if settings.flip is None else settings.flip
        return BoxedImages(cache, boxes.corners, boxes.labels, settings.augment, settings.erasing, flip)

    def val_feed(self, samples: Sequence[BoxedSample], card: Card) -> HeldBoxes:
        """Images and their boxes."""
        cache = build_cache([sample.path for sample in samples], card.preprocess)
        side = card.preprocess.crop
        return HeldBoxes(cache, boxes_of(samples, [(side, side)] * len(samples)), samples)

    def criterion(self, card: Card, settings: Choices, dataset: Dataset[BoxedSample]) -> Multibox:  # noqa: ARG002 - other tasks need them
        """The loss of boxes and classes."""
        assert isinstance(card.arch.head, SSDLite)
        return Multibox(pixel_anchors(card), card.arch.head.scoring)

    def evaluate(
        self, network: nn.Module, held: HeldBoxes, card: Card, *, stop: Callable[[], bool] | None = None
    ) -> Judged | None:
        """Mean loss over the images, and average precision under the rules "file"."""
        assert isinstance(card.arch.head, SSDLite)
        tally = _Tally(held, card, Multibox(pixel_anchors(card), card.arch.head.scoring))
        if not run_over(network, held.cache, card.preprocess, tally.take, stop=stop, batch_size=16):
            return None
        judged = mean_average_precision(tally.found, held.samples, len(card.labels))
        metrics = {name: judged[name] for name in ("mAP", "mAP50", "mAP75")}
        return Judged(sum(tally.losses) / len(tally.losses), metrics)
