"""Many small modules converted in one go, since starting a conversion costs far more than a small module."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

Shapes = tuple[tuple[int, ...], ...]


class Parts(nn.Module):
    """Modules side by side: each takes its own inputs and gives one output.

    With `channels_last`, maps come in and go out as (1, H, W, C), as they lie within a converted network.
    """

    def __init__(self, modules: Sequence[nn.Module], shapes: Sequence[Shapes], channels_last: bool) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)
        self.counts = [len(each) for each in shapes]
        self.channels_last = channels_last

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """The inputs of the first module, of the second, ..., to an output of each."""
        left = iter(values)
        groups = [[next(left) for _ in range(count)] for count in self.counts]
        if not self.channels_last:
            return tuple(part(*group) for part, group in zip(self.parts, groups, strict=True))
        return tuple(_last(part(*map(_first, group))) for part, group in zip(self.parts, groups, strict=True))


def examples(shapes: Sequence[Shapes], channels_last: bool) -> tuple[Tensor, ...]:
    """An input of ones for each shape (1, C, H, W) or (1, C)."""
    return tuple(_last(torch.ones(shape)) if channels_last else torch.ones(shape) for shape in _flat(shapes))


def _flat(shapes: Sequence[Shapes]) -> Iterator[tuple[int, ...]]:
    """All shapes in a row."""
    for each in shapes:
        yield from each


def _last(x: Tensor) -> Tensor:
    """(1, C, H, W) to (1, H, W, C); vectors as they are."""
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def _first(x: Tensor) -> Tensor:
    """(1, H, W, C) to (1, C, H, W); vectors as they are."""
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x
