"""How widths and depths are rounded when a multiplier is applied."""

from collections.abc import Sequence
from math import ceil


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `value`, at least `divisor` and at least nine tenths of `value`.

    Source: tensorflow/models, research/slim/nets/mobilenet/mobilenet.py; the same in torchvision and timm.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def repeats_at(repeats: Sequence[int], depth: float) -> tuple[int, ...]:
    """How often each kind of block of one stage is repeated when the stage is `depth` times as deep.

    The whole stage is rounded up (EfficientNet's rule); the surplus is shared out from the last kind to the
    first, in proportion, for the first, which strides, gains least by it (timm, _efficientnet_builder.py).
    """
    left, wanted, found = sum(repeats), ceil(sum(repeats) * depth), []
    for count in reversed(repeats):
        share = max(1, round(count / left * wanted))
        found.append(share)
        left, wanted = left - count, wanted - share
    return tuple(reversed(found))
