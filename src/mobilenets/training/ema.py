"""A running average of the weights, which generalises better than the last step's."""

from copy import deepcopy

import torch
from torch import Tensor, nn

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
        rest = 1 - min(self.decay, (1 + n) / (4 + n))
        for mean, value in zip(_tensors(self.network), _tensors(network), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, rest)
            else:
                mean.copy_(value)


def _tensors(network: nn.Module) -> list[Tensor]:
    """Everything learned or counted, in a fixed order."""
    return list(network.state_dict().values())
