"""MobileNetV3 Large and Small (arXiv 1905.02244, tables 1 and 2)."""

from typing import NamedTuple

from mobilenets.arch.spec import Activation, Arch, Block, Classifier, Conv, Inverted
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible


class Row(NamedTuple):
    """One line of the paper's table; `ratio` is the expansion as slim, Keras and timm write it."""

    kernel: int
    exp: int
    out: int
    se: bool
    nl: Activation
    stride: int
    ratio: float


RE: Activation = "relu"
HS: Activation = "hardswish"

# Early versions of the paper printed stride 1 on row 12 of Large and 2 on row 13; this is the published code.
LARGE = (
    Row(3, 16, 16, False, RE, 1, 1),
    Row(3, 64, 24, False, RE, 2, 4),
    Row(3, 72, 24, False, RE, 1, 3),
    Row(5, 72, 40, True, RE, 2, 3),
    Row(5, 120, 40, True, RE, 1, 3),
    Row(5, 120, 40, True, RE, 1, 3),
    Row(3, 240, 80, False, HS, 2, 6),
    Row(3, 200, 80, False, HS, 1, 2.5),
    Row(3, 184, 80, False, HS, 1, 2.3),
    Row(3, 184, 80, False, HS, 1, 2.3),
    Row(3, 480, 112, True, HS, 1, 6),
    Row(3, 672, 112, True, HS, 1, 6),
    Row(5, 672, 160, True, HS, 2, 6),
    Row(5, 960, 160, True, HS, 1, 6),
    Row(5, 960, 160, True, HS, 1, 6),
)
SMALL = (
    Row(3, 16, 16, True, RE, 2, 1),
    Row(3, 72, 24, False, RE, 2, 4.5),
    Row(3, 88, 24, False, RE, 1, 3.67),
    Row(5, 96, 40, True, HS, 2, 4),
    Row(5, 240, 40, True, HS, 1, 6),
    Row(5, 240, 40, True, HS, 1, 6),
    Row(5, 120, 48, True, HS, 1, 3),
    Row(5, 144, 48, True, HS, 1, 3),
    Row(5, 288, 96, True, HS, 2, 6),
    Row(5, 576, 96, True, HS, 1, 6),
    Row(5, 576, 96, True, HS, 1, 6),
)


def mobilenet_v3_large(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "torchvision"
) -> Arch:
    """V3-Large at any width multiplier and input side; see `_mobilenet_v3` for what each dialect rounds."""
    return _mobilenet_v3("mobilenet_v3_large", LARGE, 1280, width, resolution, classes, dialect)


def mobilenet_v3_small(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "torchvision"
) -> Arch:
    """V3-Small at any width multiplier and input side. All published code has 1024 hidden channels."""
    return _mobilenet_v3("mobilenet_v3_small", SMALL, 1024, width, resolution, classes, dialect)


def _mobilenet_v3(
    name: str, rows: tuple[Row, ...], hidden: int, width: float, resolution: int, classes: int, dialect: str
) -> Arch:
    """The rows at a width. Away from width 1.0 the dialects differ:

    torchvision rounds exp * width, and scales stem and hidden layer always;
    timm rounds the block's input * ratio, keeps the stem at 16 below width 0.75, the hidden layer below 1.0;
    TensorFlow (Keras) does as timm, with the stem always at 16.
    """
    tv = dialect == "torchvision"
    channels = 16 if _stem_is_fixed(dialect, width) else make_divisible(16 * width)
    blocks: list[Block] = [Conv(kernel=3, out=channels, stride=2, activation=HS)]
    for row in rows:
        exp = make_divisible(row.exp * width if tv else channels * row.ratio)
        expand = row is not rows[0]  # the first bottleneck has ratio 1 and no expansion layer
        exp = exp if expand else channels
        out = make_divisible(row.out * width)
        squeeze = make_divisible(exp / 4) if row.se else 0
        blocks.append(Inverted(row.kernel, exp, out, row.stride, row.nl, squeeze, expand))
        channels = out
    last = make_divisible(rows[-1].exp * width) if dialect == "timm" else 6 * channels
    blocks.append(Conv(kernel=1, out=last, activation=HS))
    head = Classifier(classes, hidden=make_divisible(hidden * (width if tv else max(1.0, width))))
    return Arch(name, resolution, tuple(blocks), head, find_dialect(dialect, name))


def _stem_is_fixed(dialect: str, width: float) -> bool:
    """Whether the stem keeps its 16 channels."""
    return dialect in ("tensorflow", "keras") or (dialect == "timm" and width < 0.75)
