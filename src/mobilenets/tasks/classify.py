"""Classification: the loss, the metric and the reading of probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.card import Card
from mobilenets.data.augment import may_flip
from mobilenets.data.cache import ImageCache, build_cache
from mobilenets.data.dataset import Dataset, Sample
from mobilenets.data.feeds import LabelledImages
from mobilenets.tasks.task import Choices, Judged, answers_of

DIGITS = 6  # of a score that is shown or stored; float32 holds hardly more


@dataclass(frozen=True)
class Classify:
    """Classification to the training loop."""

    name: str = "classify"
    metric: str = "top1"

    def train_feed(self, samples: Sequence[Sample], card: Card, settings: Choices) -> LabelledImages:
        """Images and their classes."""
        return varied(samples, card, settings, card.labels)

    def val_feed(self, samples: Sequence[Sample], card: Card) -> tuple[ImageCache, list[int]]:
        """Images and their classes."""
        return images(samples, card)

    def criterion(
        self,
        card: Card,  # noqa: ARG002 - other tasks need it
        settings: Choices,
        dataset: Dataset,
    ) -> nn.Module:
        """Cross-entropy of logits and classes."""
        weights = balanced(dataset.counts("train")) if settings.class_weights == "balanced" else None
        return CrossEntropy(settings.label_smoothing, weights)

    def evaluate(
        self,
        network: nn.Module,
        held: tuple[ImageCache, Sequence[int]],
        card: Card,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Judged | None:
        """Mean cross-entropy and top-1."""
        cache, labels = held
        if (logits := answers_of(network, cache, card.preprocess, stop)) is None:
            return None
        truth = torch.tensor(labels)
        return Judged(loss(logits, truth).item(), {"top1": top(1, logits.numpy(), truth.numpy())})


class CrossEntropy(nn.Module):
    """`loss` with its settings."""

    weights: Tensor | None

    def __init__(self, smoothing: float, weights: Tensor | None) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of logits (B, classes)."""
        return loss(logits, targets, smoothing=self.smoothing, weights=self.weights)


def images(samples: Sequence[Sample], card: Card) -> tuple[ImageCache, list[int]]:
    """Decoded images and their classes. Raises DataError, StorageError."""
    cache = build_cache([sample.path for sample in samples], card.preprocess)
    return cache, [sample.label for sample in samples]


def varied(samples: Sequence[Sample], card: Card, settings: Choices, names: Sequence[str]) -> LabelledImages:
    """Images, varied as the settings say, and their classes; `names` of classes say whether to mirror.

    Raises DataError, StorageError.
    """
    flip = may_flip(names) if settings.flip is None else settings.flip
    cache, labels = images(samples, card)
    return LabelledImages(cache, labels, card.preprocess.crop, settings.augment, settings.erasing, flip)


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


@dataclass(frozen=True)
class Scored:
    """Scores (N, classes) for N images below `root`, probabilities or logits, and their true classes (N,)."""

    scores: np.ndarray
    truth: np.ndarray
    samples: Sequence[Sample]
    root: Path

    @property
    def predicted(self) -> np.ndarray:
        """The highest class of each image (N,); among equals the lower index."""
        best: np.ndarray = self.scores.argmax(axis=1)
        return best

    @property
    def metrics(self) -> dict[str, float]:
        """The shares of images whose true class is the highest, and among the five highest, by name."""
        return {f"top{k}": top(k, self.scores, self.truth) for k in (1, 5)}

    @property
    def value(self) -> float:
        """The metric that decides."""
        return self.metrics["top1"]

    def document(self) -> dict[str, Any]:
        """What result.json says of them: metrics (top-5 where it can miss), confusion and predictions."""
        telling = {
            name: value for name, value in self.metrics.items() if int(name[3:]) < self.scores.shape[1]
        }
        return {"metrics": telling, "confusion": self.confusion(), "predictions": self.predictions()}

    def confusion(self) -> list[list[int]]:
        """Counts, one row per true class, one column per predicted class."""
        classes = self.scores.shape[1]
        counts = np.zeros((classes, classes), dtype=int)
        np.add.at(counts, (self.truth, self.predicted), 1)
        return counts.tolist()

    def predictions(self) -> list[dict[str, Any]]:
        """File below `root`, true class, predicted class and its score of every image."""
        return [
            {
                "file": sample.path.relative_to(self.root).as_posix(),
                "label": int(label),
                "predicted": int(guess),
                "score": round(float(row[guess]), DIGITS),
            }
            for sample, label, guess, row in zip(
                self.samples, self.truth, self.predicted, self.scores, strict=True
            )
        ]


def top(k: int, scores: np.ndarray, truth: np.ndarray) -> float:
    """The share of rows of scores (N, classes) whose true class (N,) is among the `k` highest.

    All are, where there are no more classes.
    """
    return float((ranked(scores)[:, :k] == truth[:, None]).any(axis=1).mean())


def ranked(scores: np.ndarray) -> np.ndarray:
    """The classes of each row of scores (N, classes), highest first; among equals the lower index first."""
    order: np.ndarray = np.argsort(-scores, axis=1, kind="stable")
    return order


def decode(probabilities: np.ndarray, labels: Sequence[str], top: int = 1) -> list[list[dict[str, Any]]]:
    """The `top` most probable classes of each row (N, classes), best first: `index`, `label`, `score`."""
    return [
        [{"index": i, "label": labels[i], "score": round(float(row[i]), DIGITS)} for i in best]
        for row, best in zip(probabilities, ranked(probabilities)[:, :top].tolist(), strict=True)
    ]
