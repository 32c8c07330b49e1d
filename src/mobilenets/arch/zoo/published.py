"""What the authors published their networks to reach on ImageNet: top-1 in per cent by width, at 224
pixels.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Accuracy(NamedTuple):
    """Top-1 on the ImageNet validation set in per cent, and where it was published."""

    top1: float
    source: str


_V1 = "tensorflow/models slim mobilenet_v1.md"
_V2 = "tensorflow/models slim mobilenet README"
_V3 = "arXiv 1905.02244, table 3"

TOP1: Mapping[tuple[str, float], Accuracy] = MappingProxyType(
    {
        ("mobilenet_v1", 0.5): Accuracy(63.3, _V1),
        ("mobilenet_v1", 0.75): Accuracy(68.4, _V1),
        ("mobilenet_v1", 1.0): Accuracy(70.9, _V1),
        ("mobilenet_v2", 0.35): Accuracy(60.3, _V2),
        ("mobilenet_v2", 0.5): Accuracy(65.4, _V2),
        ("mobilenet_v2", 0.75): Accuracy(69.8, _V2),
        ("mobilenet_v2", 1.0): Accuracy(71.8, _V2),
        ("mobilenet_v2", 1.3): Accuracy(74.4, _V2),
        ("mobilenet_v2", 1.4): Accuracy(75.0, _V2),
        ("mobilenet_v3_large", 0.75): Accuracy(73.3, _V3),
        ("mobilenet_v3_large", 1.0): Accuracy(75.2, _V3),
        ("mobilenet_v3_small", 0.75): Accuracy(65.4, _V3),
        ("mobilenet_v3_small", 1.0): Accuracy(67.4, _V3),
    }
)


def published_top1(family: str, width: float) -> Accuracy | None:
    """The authors' figure for a family at a width, or None where they gave none."""
    return TOP1.get((family, width))
