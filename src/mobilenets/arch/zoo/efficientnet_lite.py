"""EfficientNet-Lite 0 to 4: the MnasNet line's successors for phones (tensorflow/tpu efficientnet/lite).

The baseline is EfficientNet-B0 (arXiv 1905.11946, table 1) without squeeze-and-excitation and with ReLU6;
stem, head, and the depth of first and last stage stay as they are when the network is scaled.
"""

from collections.abc import Callable, Mapping
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

from mobilenets.arch.spec import Arch, Block, Classifier, Conv, Inverted
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible


class Scale(NamedTuple):
    """Width and depth of a member of the series, its published input side, and its dropout."""

    width: float
    depth: float
    resolution: int
    dropout: float


# kernel, expansion, output, repeats, stride of the first
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
SERIES: Mapping[str, Scale] = MappingProxyType(
    {
        "efficientnet_lite0": Scale(1.0, 1.0, 224, 0.2),
        "efficientnet_lite1": Scale(1.0, 1.1, 240, 0.2),
        "efficientnet_lite2": Scale(1.1, 1.2, 260, 0.3),
        "efficientnet_lite3": Scale(1.2, 1.4, 280, 0.3),
        "efficientnet_lite4": Scale(1.4, 1.8, 300, 0.3),
    }
)


def efficientnet_lite(name: str) -> Callable[..., Arch]:
    """The maker of one member of SERIES, with the arguments of every family; `width` multiplies its own."""

    def make(width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "timm") -> Arch:
        scale = SERIES[name]
        blocks = _blocks(scale.width * width, scale.depth)
        head = Classifier(classes, dropout=scale.dropout)
        return Arch(name, resolution, blocks, head, find_dialect(dialect, name))

    return make


def _blocks(width: float, depth: float) -> tuple[Block, ...]:
    """The body at a width and depth."""
    channels = 32
    blocks: list[Block] = [Conv(kernel=3, out=channels, stride=2)]
    for index, (kernel, ratio, out, repeats, stride) in enumerate(STAGES):
        kept = index in (0, len(STAGES) - 1)
        for repeat in range(repeats if kept else ceil(repeats * depth)):
            block = Inverted(
                kernel=kernel,
                hidden=channels * ratio,
                out=make_divisible(out * width),
                stride=stride if repeat == 0 else 1,
                expand=ratio != 1,
            )
            blocks.append(block)
            channels = block.out
    return (*blocks, Conv(kernel=1, out=1280))
