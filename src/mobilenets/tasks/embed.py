"""Embeddings: the losses that draw images of one class together, and the metrics of looking them up again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.card import Card
from mobilenets.arch.spec import Embedder
from mobilenets.base.errors import ArchError, DataError, UnknownName, needs
from mobilenets.data.cache import ImageCache
from mobilenets.data.dataset import Dataset, Sample
from mobilenets.data.feeds import LabelledImages
from mobilenets.nn import Network
from mobilenets.tasks.classify import images, varied
from mobilenets.tasks.task import Choices, Judged, answers_of

LOSSES = ("softmax", "classify", "arcface", "proxy_anchor", "multi_similarity", "supcon")
KS = (1, 5, 10)  # of recall
TEMPERATURE = (
    0.05  # of the softmax over cosines; pytorch-metric-learning's, and that of its paper's best runs
)
LENGTH = 16.0  # to which the class layer of "classify" sees the vectors stretched at first
BLOCK = 256  # queries looked up at once


@dataclass(frozen=True)
class Embed:
    """Embeddings to the training loop.

    The held-out images look each other up (leave one out). The training images would take part at the price
    of running over all of them after every epoch, and since the loss has drawn them into a knot per class,
    a lookup among them hardly differs from naming the class. What is reported at the end of a run is measured
    against the images that a user would have indexed.
    """

    name: str = "embed"
    metric: str = "recall1"

    def train_feed(self, samples: Sequence[Sample], card: Card, settings: Choices) -> LabelledImages:
        """Images and their classes. Without classes on the card, folders' names say whether to mirror."""
        return varied(samples, card, settings, sorted({sample.path.parent.name for sample in samples}))

    def val_feed(self, samples: Sequence[Sample], card: Card) -> tuple[ImageCache, list[int]]:
        """Images and their classes. Raises DataError where no class has two images to find each other."""
        check_held(samples)
        return images(samples, card)

    def criterion(self, card: Card, settings: Choices, dataset: Dataset[Sample]) -> nn.Module:
        """The loss of unit vectors (B, size) and classes (B,); class proxies are its parameters."""
        if not isinstance(card.arch.head, Embedder):
            raise ArchError(
                f"{card.arch.name} has no head for embeddings; put one on with arch.heads.with_head"
            )
        size, smoothing = card.arch.head.size, settings.label_smoothing
        return criterion(settings.embed_loss, len(dataset.labels), size, smoothing)

    def evaluate(
        self,
        network: nn.Module,
        held: tuple[ImageCache, Sequence[int]],
        card: Card,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Judged | None:
        """Recall and mAP@R of the held-out images among each other; the loss is what mAP@R lacks of 1."""
        cache, labels = held
        if (vectors := answers_of(network, cache, card.preprocess, stop)) is None:
            return None
        metrics = retrieval(vectors.numpy(), np.asarray(labels))
        return Judged(1 - metrics["map_at_r"], metrics)


def check_held(samples: Sequence[Sample]) -> None:
    """Raise DataError where no class has two images on the val split, to find each other."""
    _, counts = np.unique([sample.label for sample in samples], return_counts=True)
    if counts.max(initial=0) < 2:
        raise DataError(
            "no class has two images in the val split, so that none can find another; "
            "hold back more with --val"
        )


def criterion(loss: str, classes: int, size: int, smoothing: float = 0.0) -> nn.Module:
    """A loss of unit vectors (B, size) and classes int64 (B,), from pytorch-metric-learning but for one.

    With a learned vector per class: "softmax" of the cosines to it (Zhai and Wu 2019), "arcface" the same
    with a margin (Deng et al. 2019), "proxy_anchor" (Kim et al. 2020). Between the images of a batch alone:
    "multi_similarity" (Wang et al. 2019), "supcon" (Khosla et al. 2020). "classify" is a plain linear layer
    behind the vectors. `smoothing` is for "softmax" and "classify". Raises UnknownName, MissingPackage.
    """
    if loss not in LOSSES:
        raise UnknownName("loss", loss, LOSSES)
    if loss == "classify":
        return Classes(size, classes, smoothing)
    with needs("pytorch-metric-learning", "embed"):
        from pytorch_metric_learning import losses
    match loss:
        case "softmax":
            return Smoothed(losses.NormalizedSoftmaxLoss(classes, size, TEMPERATURE), smoothing)
        case "arcface":
            return InFloat32(losses.ArcFaceLoss(classes, size, margin=28.6, scale=16))
        case "proxy_anchor":
            return InFloat32(losses.ProxyAnchorLoss(classes, size))
        case "multi_similarity":
            return InFloat32(losses.MultiSimilarityLoss())
        case _:
            return InFloat32(losses.SupConLoss())


class InFloat32(nn.Module):
    """A loss that is given float32 whatever the network computed in."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of unit vectors (B, size) of classes (B,)."""
        value: Tensor = self.loss(vectors.float(), targets)
        return value


class Smoothed(InFloat32):
    """Normalised softmax whose targets give a share to all classes alike."""

    def __init__(self, loss: Any, smoothing: float) -> None:
        super().__init__(loss)
        loss.cross_entropy = nn.CrossEntropyLoss(reduction="none", label_smoothing=smoothing)


class Classes(nn.Module):
    """Cross-entropy of a linear layer on the vectors, stretched to a learned length: cosines are small."""

    def __init__(self, size: int, classes: int, smoothing: float) -> None:
        super().__init__()
        self.classifier = nn.Linear(size, classes)
        self.length = nn.Parameter(torch.tensor(LENGTH))
        self.smoothing = smoothing

    def forward(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of unit vectors (B, size) of classes (B,)."""
        logits = self.classifier(vectors.float() * self.length)
        return F.cross_entropy(logits, targets, label_smoothing=self.smoothing)


def vectors_of(network: Network, x: Tensor) -> Tensor:
    """Unit vectors (B, size) of normalised images (B, 3, H, W).

    Those that an embedder gives; of any other network the mean of its last map, before what its head makes of
    it. For a classifier that is what its linear or hidden layer sees.
    """
    if isinstance(network.arch.head, Embedder):
        vectors: Tensor = network(x)
        return vectors
    for block in network.blocks:
        x = block(x)
    return F.normalize(x.mean(dim=(2, 3)), dim=1)


def retrieval(
    vectors: np.ndarray,
    labels: np.ndarray,
    gallery: np.ndarray | None = None,
    gallery_labels: np.ndarray | None = None,
) -> dict[str, float]:
    """How well vectors (N, size) of classes (N,) find those of their class in a gallery: shares from 0 to 1.

    `recall1`, `recall5`, `recall10`: the share of queries with one of their class among so many nearest by
    cosine. `map_at_r`: with R of its class in the gallery, the mean over the R nearest of the precision so
    far where one is of the class, else 0 (Musgrave et al. 2020, "A metric learning reality check", section
    3.2). Without a gallery the vectors are it, each without itself. Queries without any of their class do not
    count. Raises DataError when none counts.
    """
    own = gallery is None
    stock = _unit(vectors if gallery is None else gallery)
    truth = torch.as_tensor(labels if gallery_labels is None else gallery_labels)
    queries, wanted = _unit(vectors), torch.as_tensor(labels)
    counts = torch.bincount(truth, minlength=int(wanted.max()) + 1)
    share = counts[wanted] - int(own)  # R of each query
    counted = torch.nonzero(share > 0).flatten()
    if not len(counted):
        raise DataError("no image has another of its class to find; give classes with two images and more")
    depth = min(len(stock) - int(own), max(int(share.max()), *KS))
    sums = dict.fromkeys((*(f"recall{k}" for k in KS), "map_at_r"), 0.0)
    for rows in torch.split(counted, BLOCK):
        alike = queries[rows] @ stock.T
        if own:
            alike[torch.arange(len(rows)), rows] = -torch.inf
        hits = truth[alike.topk(depth).indices] == wanted[rows, None]  # (b, depth)
        for k in KS:
            sums[f"recall{k}"] += hits[:, :k].any(dim=1).sum().item()
        sums["map_at_r"] += _map_at_r(hits, share[rows]).sum().item()
    return {name: value / len(counted) for name, value in sums.items()}


def _map_at_r(hits: Tensor, share: Tensor) -> Tensor:
    """mAP@R of each query (b,) from its hits (b, depth) by rank and the R of each (b,)."""
    rank = torch.arange(1, hits.shape[1] + 1)
    within = hits & (rank <= share[:, None])
    return (within * hits.cumsum(dim=1) / rank).sum(dim=1, dtype=torch.float64) / share


def _unit(vectors: np.ndarray) -> Tensor:
    """Vectors scaled to length 1, as a tensor."""
    return F.normalize(torch.as_tensor(vectors).float(), dim=1)
