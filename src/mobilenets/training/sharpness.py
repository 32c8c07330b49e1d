"""Sharpness-aware minimisation: gradients are taken where the loss is highest nearby, so that training ends
in a wide minimum, which serves new images better than a narrow one (Foret et al. 2021, algorithm 1).
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

EPSILON = 1e-12


@contextmanager
def uphill(network: nn.Module, learned: Iterable[nn.Parameter], rho: float) -> Iterator[None]:
    """Within, what is `learned` lies `rho` up its own gradient, and batch norms keep their running
    statistics.

    The gradients that lead there are those present at the beginning. Afterwards the weights are to the bit
    what they were.
    """
    moved = {parameter: parameter.grad for parameter in learned if parameter.grad is not None}
    before = [parameter.detach().clone() for parameter in moved]
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d) and part.training]
    momenta = [part.momentum for part in norms]
    share = rho / (torch.nn.utils.clip_grad_norm_(moved, math.inf) + EPSILON)
    with torch.no_grad():
        for parameter, slope in moved.items():
            parameter.addcmul_(slope, share)
    for part in norms:
        part.momentum = 0.0
    try:
        yield
    finally:
        for part, momentum in zip(norms, momenta, strict=True):
            part.momentum = momentum
        with torch.no_grad():
            for parameter, value in zip(moved, before, strict=True):
                parameter.copy_(value)
