"""Many small modules converted in one go, since starting a conversion costs far more than a small module."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]


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


class Guarded(nn.Module):
    """A module between depthwise 1x1 convolutions, one on each map that it takes and on the one it gives.

    Among convolutions a converter lays maps out as in a whole network; alone it may leave transposes around
    what would have been content with either layout. The guards are there to be cut off again. Those before
    the module are clamped, so that nothing of it can be folded into their weights.
    """

    def __init__(self, module: nn.Module, shapes: Shapes) -> None:
        super().__init__()
        self.module = module
        with torch.no_grad():
            given = module(*map(torch.ones, shapes))
        self.before = nn.ModuleList(
            nn.Sequential(guard(shape), nn.ReLU()) if len(shape) == 4 else nn.Identity() for shape in shapes
        )
        self.after = guard(tuple(given.shape))

    def forward(self, *values: Tensor) -> Tensor:
        """As the module, but for the guards."""
        taken = [one(x) for one, x in zip(self.before, values, strict=True)]
        given: Tensor = self.after(self.module(*taken))
        return given


def guard(shape: Shape) -> nn.Module:
    """A depthwise 1x1 convolution for maps (1, C, H, W), nothing for vectors."""
    if len(shape) != 4:
        return nn.Identity()
    return nn.Conv2d(shape[1], shape[1], 1, groups=shape[1], bias=False)


def examples(shapes: Sequence[Shapes], channels_last: bool) -> tuple[Tensor, ...]:
    """An input of ones for each shape (1, C, H, W) or (1, C)."""
    return tuple(_last(torch.ones(shape)) if channels_last else torch.ones(shape) for shape in _flat(shapes))


def _flat(shapes: Sequence[Shapes]) -> Iterator[Shape]:
    """All shapes in a row."""
    for each in shapes:
        yield from each


def _last(x: Tensor) -> Tensor:
    """(1, C, H, W) to (1, H, W, C); vectors as they are."""
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def _first(x: Tensor) -> Tensor:
    """(1, H, W, C) to (1, C, H, W); vectors as they are."""
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x
