"""Segmentation as the training loop sees it: the loss of pixels, and how good masks are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.card import Card
from mobilenets.data.augment import may_flip
from mobilenets.data.cache import ImageCache, build_cache, build_masks, build_whole
from mobilenets.data.dataset import IGNORED, Dataset, MaskedSample
from mobilenets.data.feeds import MaskedImages
from mobilenets.tasks.segment_scored import counted, figures
from mobilenets.tasks.task import Choices, Judged, run_over

FINER = 2  # times the network's side: what training images are kept at, so that windows of them stay sharp
FULL = 1 << 16  # pixels: the masks' own size


class PixelCrossEntropy(nn.Module):
    """Mean cross-entropy over the pixels whose class is known, weighted by class."""

    weights: Tensor | None

    def __init__(self, smoothing: float = 0.0, weights: Tensor | None = None) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        """A scalar in float32 from logits (B, classes, H, W) and masks int64 (B, H, W), 255 left out.

        0 where nothing is known of any pixel.
        """
        total = F.cross_entropy(logits.float(), masks, self.weights, ignore_index=IGNORED, reduction="sum",
                                label_smoothing=self.smoothing)  # fmt: skip
        known = masks[masks != IGNORED]
        share = len(known) if self.weights is None else self.weights[known].sum()
        return total / torch.as_tensor(share, dtype=torch.float32).clamp(min=1e-6)


def balanced(counts: np.ndarray) -> Tensor:
    """Class weights (classes,), float32, from pixels per class: the median share over the class's, its root.

    Plain median-frequency balancing (Eigen and Fergus 2015, section 6.3.2) lets the rarest classes spread
    over their neighbours; its root gives mean IoU more. Weights lie within 0.1 and 10; a class without pixels
    gets 0.
    """
    shares = counts / max(1, counts.sum())
    middle = np.median(shares[shares > 0]) if (shares > 0).any() else 1.0
    with np.errstate(divide="ignore"):
        weights = np.sqrt(middle / shares).clip(0.1, 10)
    return torch.from_numpy(np.where(shares > 0, weights, 0)).float()


@dataclass(frozen=True)
class HeldMasks:
    """Held-out images as the network sees them, and their masks in full size."""

    cache: ImageCache
    masks: ImageCache


@dataclass
class _Tally:
    """Loss and counts of pixels by true and predicted class, gathered batch by batch."""

    held: HeldMasks
    counts: np.ndarray
    losses: list[float] = field(default_factory=list)

    def take(self, indices: range, logits: Tensor) -> None:
        """Take in the logits (B, classes, h, w) of some images, each judged at its mask's own size."""
        for index, scores in zip(indices, logits.cpu(), strict=True):
            mask = self.held.masks[index][0]
            loss, predicted = judged(scores.float(), mask)
            self.losses.append(loss)
            self.counts += counted(mask.numpy(), predicted.numpy(), len(self.counts))


def judged(logits: Tensor, mask: Tensor) -> tuple[float, Tensor]:
    """The mean cross-entropy of logits (classes, h, w) scaled bilinearly to a mask uint8 (H, W), 0 where none
    of its pixels counts; and the highest class of each pixel (H, W), the lower index among equals.

    Class by class: all planes of a large photograph do not fit in memory.
    """
    highest = torch.full(mask.shape, -torch.inf)
    total, true = torch.full(mask.shape, -torch.inf), torch.zeros(mask.shape)
    predicted = torch.zeros(mask.shape, dtype=torch.uint8)
    for label, plane in enumerate(logits):
        scaled = F.interpolate(plane[None, None], mask.shape, mode="bilinear", align_corners=False)[0, 0]
        predicted[scaled > highest] = label
        torch.maximum(highest, scaled, out=highest)
        torch.logaddexp(total, scaled, out=total)
        true = torch.where(mask == label, scaled, true)
    counts = mask != IGNORED
    losses = (total - true)[counts].double()
    return (losses.mean().item() if len(losses) else 0.0), predicted


@dataclass(frozen=True)
class Segment:
    """Segmentation to the training loop."""

    name: str = "segment"
    metric: str = "mIoU"

    def train_feed(self, samples: Sequence[MaskedSample], card: Card, settings: Choices) -> MaskedImages:
        """Images and their masks."""
        longest = FINER * card.preprocess.crop
        return MaskedImages(
            cache=build_whole([sample.path for sample in samples], longest),
            masks=build_masks(samples, longest),
            augment=settings.augment,
            erasing=settings.erasing,
            flip=may_flip(card.labels) if settings.flip is None else settings.flip,
        )

    def val_feed(self, samples: Sequence[MaskedSample], card: Card) -> HeldMasks:
        """Images and their masks."""
        cache = build_cache([sample.path for sample in samples], card.preprocess)
        return HeldMasks(cache, build_masks(samples, FULL))

    def criterion(
        self,
        card: Card,  # noqa: ARG002 - other tasks need it
        settings: Choices,
        dataset: Dataset[MaskedSample],
    ) -> nn.Module:
        """Cross-entropy of the pixels."""
        weights = None
        if settings.class_weights == "balanced":
            weights = balanced(np.sum([sample.pixels for sample in dataset.train], axis=0))
        return PixelCrossEntropy(settings.label_smoothing, weights)

    def evaluate(
        self, network: nn.Module, held: HeldMasks, card: Card, *, stop: Callable[[], bool] | None = None
    ) -> Judged | None:
        """Mean cross-entropy over the images, mean IoU and pixel accuracy, at the masks' own size.

        Logits are scaled bilinearly to the mask. The mean is over the classes that are true of any pixel or
        predicted for one, the counts being those of all images together.
        """
        classes = len(card.labels)
        tally = _Tally(held, np.zeros((classes, classes), np.int64))
        if not run_over(network, held.cache, card.preprocess, tally.take, stop=stop, batch_size=8):
            return None
        n = len(tally.losses)
        return Judged(sum(tally.losses) / n, figures(tally.counts, n))
