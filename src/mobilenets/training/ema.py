"""A running average of the weights, which generalises better than the last step's."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mobilenets.nn import Network


class Average:
    """An exponential moving average of a network, as a second network in evaluation mode.

    The decay of the n-th update is min(decay, (1 + n) / (4 + n)): in short trainings the average reaches
    about a third of the way back, so that their first weights do not hold it up (TensorFlow's
    ExponentialMovingAverage with num_updates has 10 for 4, which reaches back a ninth).
    Running statistics are averaged too; whole numbers are copied.
    """

    def __init__(self, network: Network, decay: float) -> None:
        """Begin with a copy of `network`."""
        self.network = deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, n: int) -> None:
        """Take in the weights after the update number `n`, counted from 1."""
        decay = min(self.decay, (1 + n) / (4 + n))
        means, values = _tensors(self.network), _tensors(network)
        for mean, value in zip(means, values, strict=True):
            if not mean.is_floating_point():
                mean.copy_(value)
        numbers = [k for k, mean in enumerate(means) if mean.is_floating_point()]
        blend = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        blend([means[k] for k in numbers], [values[k] for k in numbers], n)


def _tensors(network: nn.Module) -> list[Tensor]:
    """Everything learned or counted, in a fixed order."""
    return [*network.parameters(), *network.buffers()]
