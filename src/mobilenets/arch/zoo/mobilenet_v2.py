"""MobileNetV2 (arXiv 1801.04381, table 2)."""

from math import ceil

from mobilenets.arch.spec import Arch, Block, Classifier, Conv, Inverted
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible

# t (expansion), c (out), n (repeats), s (stride of the first)
TABLE_2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    width: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    dialect: str = "torchvision",
    depth: float = 1.0,
    fixed_ends: bool = False,
) -> Arch:
    """V2 at any width multiplier and input side.

    The 1280 layer grows above width 1.0 and never shrinks (slim, torchvision, Keras and timm agree). Keras
    truncates a block's width to an integer before rounding it, which shows where it lies just above a
    multiple of 8 (keras/src/applications/mobilenet_v2.py), and has no dropout.
    `depth` multiplies the repeats of every stage; with `fixed_ends`, stem and last layer keep their width and
    first and last stage their depth (timm's mobilenetv2_110d and 120d).
    """

    def scaled(out: int) -> int:
        return make_divisible(int(out * width) if dialect == "keras" else out * width)

    ends = 1.0 if fixed_ends else width
    channels = make_divisible(32 * ends)
    blocks: list[Block] = [Conv(kernel=3, out=channels, stride=2)]
    for stage, (expansion, out, repeats, stride) in enumerate(TABLE_2):
        kept = fixed_ends and stage in (0, len(TABLE_2) - 1)
        for repeat in range(repeats if kept else ceil(repeats * depth)):
            block = Inverted(
                kernel=3,
                hidden=channels * expansion,
                out=scaled(out),
                stride=stride if repeat == 0 else 1,
                expand=expansion != 1,
            )
            blocks.append(block)
            channels = block.out
    blocks.append(Conv(kernel=1, out=make_divisible(1280 * max(1.0, ends))))
    head = Classifier(classes, dropout=0.0 if dialect == "keras" else 0.2)
    return Arch("mobilenet_v2", resolution, tuple(blocks), head, find_dialect(dialect, "mobilenet_v2"))
