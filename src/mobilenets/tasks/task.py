"""What a task is to the training loop, and how any network is run over held-out images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.data.cache import ImageCache
from mobilenets.data.dataset import Dataset
from mobilenets.data.loader import Feed, eval_batches
from mobilenets.nn import normalise

BATCH = 64


class Choices(Protocol):
    """The training settings that tasks read; `training.settings.Settings` has them."""

    @property
    def augment(self) -> str:
        """The name of an augmentation."""

    @property
    def erasing(self) -> float:
        """The probability of painting over a rectangle."""

    @property
    def flip(self) -> bool | None:
        """Whether images are mirrored; None leaves that to the class names."""

    @property
    def label_smoothing(self) -> float:
        """The share of each target that goes to all classes alike."""

    @property
    def class_weights(self) -> str:
        """Whether rare classes count more: "none" or "balanced"."""

    @property
    def embed_loss(self) -> str:
        """What embeddings are trained by."""


@dataclass(frozen=True)
class Judged:
    """The mean loss on held-out images, and metrics by name, each from 0 to 1 with 1 the best."""

    loss: float
    metrics: dict[str, float]


class Task(Protocol):
    """What the loop is handed for a task. Samples are those of the task's datasets."""

    @property
    def name(self) -> str:
        """As in `--task`."""

    @property
    def metric(self) -> str:
        """Which of the metrics decides between epochs."""

    def train_feed(self, samples: Sequence[Any], card: Card, settings: Choices) -> Feed:
        """Training examples. Raises DataError, StorageError."""

    def val_feed(self, samples: Sequence[Any], card: Card) -> Any:
        """What `evaluate` needs of held-out samples, decoded once. Raises DataError, StorageError."""

    def criterion(self, card: Card, settings: Choices, dataset: Dataset) -> nn.Module:
        """The training loss of (outputs of the network, targets of the feed), a scalar in float32.

        Parameters of its own are trained with the network's head.
        """

    def evaluate(
        self, network: nn.Module, held: Any, card: Card, *, stop: Callable[[], bool] | None = None
    ) -> Judged | None:
        """How well the network does on what `val_feed` gave; None when `stop`, asked at each batch, agrees.

        The network's mode is left as it was.
        """


@torch.no_grad()
def run_over(
    network: nn.Module,
    cache: ImageCache,
    record: Preprocess,
    take: Callable[[range, Any], None],
    *,
    stop: Callable[[], bool] | None = None,
    batch_size: int = BATCH,
) -> bool:
    """Run `network` over all images, preprocessed by the record, in evaluation mode and float32.

    `take` is given the indices of each batch and the network's outputs. False comes back once `stop`, asked
    before each batch, agrees. The network's mode is left as it was.
    """
    training, device = network.training, next(network.parameters()).device
    network.eval()
    try:
        for indices, pixels in eval_batches(cache, record, batch_size=batch_size):
            if stop is not None and stop():
                return False
            take(indices, network(normalise(record, pixels.to(device))))
        return True
    finally:
        network.train(training)


def answers_of(
    network: nn.Module, cache: ImageCache, record: Preprocess, stop: Callable[[], bool] | None
) -> Tensor | None:
    """What a network of one output gives for all images, on the processor; None when it was stopped."""
    found: list[Tensor] = []
    whole = run_over(network, cache, record, lambda _, out: found.append(out.cpu()), stop=stop)
    return torch.cat(found) if whole else None
