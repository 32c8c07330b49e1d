"""Classification: the loss, the metric and the reading of probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def loss(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of logits (B, classes), in float32 whatever the network computed in.

    `targets` are class indices (B,) or shares of classes (B, classes), as `mixed` makes them. `smoothing`
    gives that share of each target to all classes alike (Szegedy et al. 2016, section 7). `weights`
    (classes,) say how much a class counts.
    """
    return F.cross_entropy(logits.float(), targets, weight=weights, label_smoothing=smoothing)


def balanced(counts: Sequence[int]) -> Tensor:
    """Class weights (classes,), float32, under which every class counts alike however many images it has.

    Images divided by classes and by images of the class; a class without images gets 0.
    """
    images = torch.tensor(counts, dtype=torch.float32)
    weights = images.sum() / (len(counts) * images)
    return torch.where(images > 0, weights, torch.zeros_like(weights))


def mixed(pixels: Tensor, targets: Tensor, classes: int, alpha: float, seed: int) -> tuple[Tensor, Tensor]:
    """Mixup: each image (B, 3, H, W) blended with the one at the other end of the batch.

    The share is drawn once for the batch from Beta(alpha, alpha) with `seed`. Returns images and shares of
    classes (B, classes) for `loss` (Zhang et al. 2018; the batch reversed instead of permuted: it comes
    shuffled).
    """
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    whole = F.one_hot(targets, classes).to(pixels.dtype)
    return pixels.lerp(pixels.flip(0), 1 - share), whole.lerp(whole.flip(0), 1 - share)


class Metric:
    """Top-1, top-5, confusion, precision and recall over all that was shown to it."""

    def __init__(self, classes: int) -> None:
        """Start empty. With fewer than five classes, top-5 counts as many as there are."""
        from torchmetrics import MetricCollection  # seconds of import that training alone needs
        from torchmetrics.classification import (
            MulticlassAccuracy,
            MulticlassConfusionMatrix,
            MulticlassPrecision,
            MulticlassRecall,
        )

        self._metrics = MetricCollection(
            {
                "top1": MulticlassAccuracy(classes, average="micro"),
                "top5": MulticlassAccuracy(classes, top_k=min(5, classes), average="micro"),
                "precision": MulticlassPrecision(classes, average=None, zero_division=0),
                "recall": MulticlassRecall(classes, average=None, zero_division=0),
                "confusion": MulticlassConfusionMatrix(classes),
            }
        )

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Take in logits or probabilities (B, classes) and the true classes (B,)."""
        self._metrics.update(scores.float().cpu(), labels.cpu())

    def compute(self) -> dict[str, Any]:
        """`top1` and `top5` as shares from 0 to 1; per class, in class order, the lists `precision` and
        `recall` (0 where there is nothing to judge) and `confusion`, one row per true class.
        """
        return {name: value.tolist() for name, value in self._metrics.compute().items()}


def decode(probabilities: Tensor, labels: Sequence[str], top: int = 1) -> list[list[dict[str, Any]]]:
    """The `top` most probable classes of each row (B, classes), best first: `index`, `label`, `score`."""
    scores, indices = probabilities.sort(
        dim=1, descending=True, stable=True
    )  # equal scores: lower index first
    return [
        [{"index": i, "label": labels[i], "score": score} for i, score in zip(row, values, strict=True)]
        for row, values in zip(indices[:, :top].tolist(), scores[:, :top].tolist(), strict=True)
    ]
