"""What the authors published their networks to reach on ImageNet: top-1 in per cent by width.

At 224 pixels, except where SIDES says otherwise.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from mobilenets.arch.zoo.efficientnet_lite import SERIES


class Accuracy(NamedTuple):
    """Top-1 on the ImageNet validation set in per cent, and where it was published."""

    top1: float
    source: str


_V1 = "tensorflow/models slim mobilenet_v1.md"
_V2 = "tensorflow/models slim mobilenet README"
_V3 = "arXiv 1905.02244, table 3"
_V3_MINIMALISTIC = "tensorflow/models slim mobilenet README"
_V4 = "arXiv 2404.10518, table 6"
_A1 = "tensorflow/tpu models/official/mnasnet README"
_MNASNET_SMALL = "arXiv 1807.11626, table 4"
_LITE = "tensorflow/tpu models/official/efficientnet/lite README"

TOP1: Mapping[tuple[str, float], Accuracy] = MappingProxyType(
    {
        ("mobilenet_v1", 0.25): Accuracy(49.8, _V1),
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
        ("mobilenet_v3_large_minimalistic", 1.0): Accuracy(72.3, _V3_MINIMALISTIC),
        ("mobilenet_v3_small_minimalistic", 1.0): Accuracy(61.9, _V3_MINIMALISTIC),
        ("mobilenet_v4_conv_small", 1.0): Accuracy(73.8, _V4),
        ("mobilenet_v4_conv_medium", 1.0): Accuracy(79.9, _V4),
        ("mobilenet_v4_conv_large", 1.0): Accuracy(82.9, _V4),
        ("mobilenet_v4_hybrid_medium", 1.0): Accuracy(80.7, _V4),
        ("mobilenet_v4_hybrid_large", 1.0): Accuracy(83.4, _V4),
        ("mnasnet_a1", 0.35): Accuracy(64.1, _A1),
        ("mnasnet_a1", 0.5): Accuracy(68.9, _A1),
        ("mnasnet_a1", 0.75): Accuracy(73.3, _A1),
        ("mnasnet_a1", 1.0): Accuracy(75.2, _A1),
        ("mnasnet_a1", 1.4): Accuracy(77.2, _A1),
        ("mnasnet_small", 1.0): Accuracy(66.0, _MNASNET_SMALL),
        ("efficientnet_lite0", 1.0): Accuracy(75.1, _LITE),
        ("efficientnet_lite1", 1.0): Accuracy(76.7, _LITE),
        ("efficientnet_lite2", 1.0): Accuracy(77.6, _LITE),
        ("efficientnet_lite3", 1.0): Accuracy(79.8, _LITE),
        ("efficientnet_lite4", 1.0): Accuracy(81.5, _LITE),
    }
)
USUAL_SIDE = 224
SIDES: Mapping[str, int] = MappingProxyType(
    {
        "mobilenet_v4_conv_medium": 256,
        "mobilenet_v4_hybrid_medium": 256,
        "mobilenet_v4_conv_large": 384,
        "mobilenet_v4_hybrid_large": 384,
        **{name: scale.resolution for name, scale in SERIES.items()},
    }
)


def published_top1(family: str, width: float, resolution: int = USUAL_SIDE) -> Accuracy | None:
    """The authors' figure for a family at a width and input side, or None where they gave none."""
    return TOP1.get((family, width)) if resolution == published_side(family) else None


def published_side(family: str) -> int:
    """The input side in pixels that the figures of a family are for."""
    return SIDES.get(family, USUAL_SIDE)
