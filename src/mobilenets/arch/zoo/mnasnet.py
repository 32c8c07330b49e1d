"""MnasNet A1, B1 and Small (arXiv 1807.11626, figure 7; tensorflow/tpu models/official/mnasnet)."""

from typing import NamedTuple

from mobilenets.arch.spec import Arch, Block, Classifier, Conv, Inverted
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible


class Stage(NamedTuple):
    """Kernel, expansion, output, repeats, stride of the first, squeeze-and-excitation, additions allowed."""

    kernel: int
    ratio: int
    out: int
    repeats: int
    stride: int
    se: bool = False
    residual: bool = True


# The first stage is separable: ratio 1 stands for no expansion layer.
A1 = (
    Stage(3, 1, 16, 1, 1, residual=False),
    Stage(3, 6, 24, 2, 2),
    Stage(5, 3, 40, 3, 2, se=True),
    Stage(3, 6, 80, 4, 2),
    Stage(3, 6, 112, 2, 1, se=True),
    Stage(5, 6, 160, 3, 2, se=True),
    Stage(3, 6, 320, 1, 1),
)
B1 = (
    Stage(3, 1, 16, 1, 1, residual=False),
    Stage(3, 3, 24, 3, 2),
    Stage(5, 3, 40, 3, 2),
    Stage(5, 6, 80, 3, 2),
    Stage(3, 6, 96, 2, 1),
    Stage(5, 6, 192, 4, 2),
    Stage(3, 6, 320, 1, 1, residual=False),
)
SMALL = (
    Stage(3, 1, 8, 1, 1),
    Stage(3, 3, 16, 1, 2),
    Stage(3, 6, 16, 2, 2),
    Stage(5, 6, 32, 4, 2, se=True),
    Stage(3, 6, 32, 3, 1, se=True),
    Stage(5, 6, 88, 3, 2, se=True),
    Stage(3, 6, 144, 1, 1),
)


def mnasnet_a1(width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "timm") -> Arch:
    """A1, with squeeze-and-excitation, at any width multiplier and input side (timm's semnasnet)."""
    return _mnasnet("mnasnet_a1", A1, 32, width, resolution, classes, dialect)


def mnasnet_b1(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "torchvision"
) -> Arch:
    """B1, without squeeze-and-excitation (torchvision's MNASNet, timm's mnasnet)."""
    return _mnasnet("mnasnet_b1", B1, 32, width, resolution, classes, dialect)


def mnasnet_small(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "timm"
) -> Arch:
    """The small network of the published code; its authors train it without dropout."""
    return _mnasnet("mnasnet_small", SMALL, 8, width, resolution, classes, dialect)


def _mnasnet(
    name: str, stages: tuple[Stage, ...], stem: int, width: float, resolution: int, classes: int, dialect: str
) -> Arch:
    """The stages at a width: stem and outputs are scaled, the last layer of 1280 channels never.

    Squeeze-and-excitation has a quarter of the block's input as its inner channels, not rounded to 8, and a
    sigmoid gate.
    """
    channels = make_divisible(stem * width)
    blocks: list[Block] = [Conv(kernel=3, out=channels, stride=2, activation="relu")]
    for stage in stages:
        for repeat in range(stage.repeats):
            block = Inverted(
                kernel=stage.kernel,
                hidden=channels * stage.ratio,
                out=make_divisible(stage.out * width),
                stride=stage.stride if repeat == 0 else 1,
                activation="relu",
                squeeze=max(1, int(0.25 * channels)) if stage.se else 0,
                expand=stage.ratio != 1,
                gate="sigmoid",
                residual=stage.residual,
            )
            blocks.append(block)
            channels = block.out
    blocks.append(Conv(kernel=1, out=1280, activation="relu"))
    head = Classifier(classes, dropout=0.0 if name == "mnasnet_small" else 0.2)
    return Arch(name, resolution, tuple(blocks), head, find_dialect(dialect, name))
