"""Which channels matter, seen on images: scores in the form that `transplant(importance=)` takes.

A channel is judged where it is read: at the inputs of the layers that make other channels of it. What writes
it, filters it or scales it on the way is in that, and so is every sum that it is part of.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from mobilenets.arch.lower import lower
from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.nn.channels import Channels, Reader
from mobilenets.nn.network import Network

Kind = Literal["norm", "activation", "taylor"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Batches = Iterable[tuple[Tensor, Any]]
Loss = Callable[[Any, Any], Tensor]


def scores(network: Network, kind: str = "norm", batches: Batches | None = None,
           loss: Loss | None = None) -> dict[str, Tensor]:  # fmt: skip
    """A score for every channel of every operation that first makes it: {"blocks.3.expand": (channels,)}.

    "norm" gives none: `transplant` then goes by the L2 norms of the filters (NetAdapt, section 3.3).
    "activation" is the mean magnitude over images and pixels; what several layers read counts as its share of
    their mean. "taylor" is how much the loss would change to first order if the channel were zero, in size,
    mean over images (Molchanov et al., arXiv 1611.06440, section 2.2): `loss` takes the network's outputs and
    a batch's targets and gives their mean over the images.
    `batches` are pairs of normalised images (B, 3, H, W) and targets, on the network's device. The network
    runs in evaluation mode; it is left as it was, gradients included.
    Raises UnknownName for another kind, UsageError without what it needs.
    """
    if kind not in KINDS:
        raise UnknownName("importance", kind, KINDS)
    if kind == "norm":
        return {}
    if batches is None or (kind == "taylor" and loss is None):
        raise UsageError(f"importance by {kind} needs batches{' and a loss' * (kind == 'taylor')}")
    readers = _readers(network)
    names = sorted({reader.path for parts in readers.values() for reader in parts})
    with _evaluating(network):
        if kind == "taylor":
            assert loss is not None
            return _taylor(network, readers, names, batches, loss)
        return _activation(network, readers, names, batches)


def _activation(network: Network, readers: Mapping[str, list[Reader]], names: list[str],
                batches: Batches) -> dict[str, Tensor]:  # fmt: skip
    """Mean magnitudes of what is read, in shares of each reader's mean."""
    sums, count = dict.fromkeys(names, torch.zeros(())), 0

    def see(name: str, x: Tensor) -> Tensor:
        sums[name] = sums[name] + _pixels(x.abs()).sum(0).cpu().double()
        return x

    with _seeing(network, names, see), torch.no_grad():
        for images, _ in batches:
            network(images)
            count += len(images)
    means = {name: total / _some(count) for name, total in sums.items()}

    def judged(reader: Reader) -> Tensor:
        mean = reader.of(means[reader.path])
        return mean / mean.mean().clamp_min(1e-30)

    return {path: sum(map(judged, parts), torch.zeros(())) for path, parts in readers.items()}


def _taylor(network: Network, readers: Mapping[str, list[Reader]], names: list[str], batches: Batches,
            loss: Loss) -> dict[str, Tensor]:  # fmt: skip
    """What the loss would lose with every channel.

    Each reader's input is multiplied by ones, one for each image and channel: their gradient is the sum of
    activation times gradient over the pixels, and needs no gradient of any weight.
    """
    ones: dict[str, Tensor] = {}
    sums, count = dict.fromkeys(readers, torch.zeros(())), 0

    def see(name: str, x: Tensor) -> Tensor:
        shape = (*x.shape[:2], *(1,) * (x.dim() - 2))
        ones[name] = torch.ones(shape, dtype=x.dtype, device=x.device, requires_grad=True)
        return x * ones[name]

    with _seeing(network, names, see), torch.enable_grad():
        for images, targets in batches:
            value = loss(network(images), targets) * len(images)  # of each image, not its share in the mean
            slopes = torch.autograd.grad(value, [ones[name] for name in names], allow_unused=True)
            read = {name: _slope(slope, ones[name]) for name, slope in zip(names, slopes, strict=True)}
            for path, parts in readers.items():
                changes = torch.stack([reader.of(read[reader.path]) for reader in parts]).sum(
                    0
                )  # (B, channels)
                sums[path] = sums[path] + changes.abs().sum(0)
            count += len(images)
    return {path: total / _some(count) for path, total in sums.items()}


def _readers(network: Network) -> dict[str, list[Reader]]:
    """For the channels that an operation makes, by its name: the layers that make others of them."""
    lowered = lower(network.arch)
    alone = {path for path, op in lowered.named_ops() if op.depthwise}
    return Channels(lowered, frozenset(alone), {}, network.arch.dialect.norm_eps, {}).readers()


@contextmanager
def _evaluating(network: Network) -> Iterator[None]:
    """The network in evaluation mode, each of its modules afterwards as it was."""
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, was in training.items():
            module.training = was


@contextmanager
def _seeing(network: Network, names: Iterable[str], see: Callable[[str, Tensor], Tensor]) -> Iterator[None]:
    """While it lasts, the modules called so read what `see` makes of their name and input."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor]], Tensor]:
        return lambda _, given: see(name, given[0])

    hooks = [network.get_submodule(name).register_forward_pre_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def _pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) or (B, C) to means over pixels (B, C)."""
    return x.flatten(2).mean(2) if x.dim() > 2 else x


def _slope(slope: Tensor | None, ones: Tensor) -> Tensor:
    """A gradient as (B, C) in float64; zeros where the loss does not depend on what was read."""
    return (torch.zeros_like(ones) if slope is None else slope).detach().flatten(1).cpu().double()


def _some(count: int) -> int:
    """The number of images. Raises UsageError for none."""
    if not count:
        raise UsageError("importance needs at least one batch of images, got none")
    return count
