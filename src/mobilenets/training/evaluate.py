"""How well a torch network does on cached images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilenets.arch.preprocess import Preprocess
from mobilenets.data.cache import ImageCache
from mobilenets.data.loader import eval_batches
from mobilenets.nn import normalise
from mobilenets.tasks import classify

BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """Probabilities (N, classes) in the order of the images, true classes (N,), mean cross-entropy, top-1."""

    probabilities: Tensor
    truth: Tensor
    loss: float
    top1: float


@torch.no_grad()
def evaluate(
    network: nn.Module,
    cache: ImageCache,
    labels: Sequence[int],
    record: Preprocess,
    *,
    batch_size: int = BATCH,
    stop: Callable[[], bool] | None = None,
) -> Evaluation | None:
    """Run `network` over all images, preprocessed by the record, in evaluation mode and float32.

    `stop` is asked before each batch; when it agrees, None comes back. The network's mode is left as it was.
    """
    training, weight = network.training, next(network.parameters())
    network.eval()
    logits, truth = [], []
    for pixels, targets in eval_batches(cache, labels, record, batch_size=batch_size):
        if stop is not None and stop():
            network.train(training)
            return None
        logits.append(network(normalise(record, pixels.to(weight.device))).cpu())
        truth.append(targets)
    network.train(training)
    scores, classes = torch.cat(logits), torch.cat(truth)
    return Evaluation(
        probabilities=scores.softmax(dim=1),
        truth=classes,
        loss=classify.loss(scores, classes).item(),
        top1=classify.Scored(scores.numpy(), classes.numpy()).top1,
    )
