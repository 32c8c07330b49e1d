"""MobileNetV3 Large and Small (arXiv 1905.02244, tables 1 and 2), and the minimalistic networks of slim."""

from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from mobilenets.arch.spec import Activation, Arch, Block, Classifier, Conv, Dialect, Inverted
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible, repeats_at
from mobilenets.base.errors import UnknownName


class Row(NamedTuple):
    """One line of the paper's table; `ratio` is the expansion as slim, Keras and timm write it."""

    kernel: int
    exp: int
    out: int
    se: bool
    nl: Activation
    stride: int
    ratio: float


class Plan(NamedTuple):
    """A network before its widths are settled: rows, channels of stem and hidden layer, last activation."""

    name: str
    rows: tuple[Row, ...]
    hidden: int
    nl: Activation
    stem: int = 16
    original: bool = False


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
KERAS_RATIOS = {3.67: 88 / 24}  # slim and Keras divide; timm writes the quotient down with two decimals
LAST_STAGES = ("redesigned", "original")


def mobilenet_v3_large(
    width: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    dialect: str = "torchvision",
    depth: float = 1.0,
    stem: int = 16,
    last_stage: str = "redesigned",
    early: bool = False,
) -> Arch:
    """V3-Large at any width multiplier and input side; see `_mobilenet_v3` for what each dialect rounds.

    `stem=32` and `last_stage="original"` are the layers before the redesign of the paper's section 5.1: the
    redesign saves 10 M and 30 M multiply-accumulates. `depth` deepens every stage (timm's
    mobilenetv3_large_150d). `early` is timm's first port (mobilenetv3_rw): no addition in the first block, no
    rounding inside squeeze-and-excitation, where the block's activation is used, no bias in the hidden layer.
    Raises UnknownName for another last stage.
    """
    if last_stage not in LAST_STAGES:
        raise UnknownName("last stage", last_stage, LAST_STAGES)
    plan = Plan("mobilenet_v3_large", _deepened(LARGE, depth), 1280, HS, stem, last_stage == "original")
    arch = _mobilenet_v3(plan, width, resolution, classes, dialect, lasts=repeats_at((1,), depth)[0])
    return _early(arch) if early else arch


def mobilenet_v3_small(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "torchvision"
) -> Arch:
    """V3-Small at any width multiplier and input side. All published code has 1024 hidden channels."""
    return _mobilenet_v3(Plan("mobilenet_v3_small", SMALL, 1024, HS), width, resolution, classes, dialect)


def mobilenet_v3_large_minimalistic(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "torchvision"
) -> Arch:
    """V3-Large with 3x3 kernels and ReLU only, and no squeeze-and-excitation (slim README)."""
    plan = Plan("mobilenet_v3_large_minimalistic", _minimalistic(LARGE), 1280, RE)
    return _mobilenet_v3(plan, width, resolution, classes, dialect)


def mobilenet_v3_small_minimalistic(
    width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "torchvision"
) -> Arch:
    """V3-Small with 3x3 kernels and ReLU only, and no squeeze-and-excitation (slim README)."""
    plan = Plan("mobilenet_v3_small_minimalistic", _minimalistic(SMALL), 1024, RE)
    return _mobilenet_v3(plan, width, resolution, classes, dialect)


def _minimalistic(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The same widths and strides."""
    return tuple(row._replace(kernel=3, se=False, nl=RE) for row in rows)


def _deepened(rows: tuple[Row, ...], depth: float) -> tuple[Row, ...]:
    """Every stage, which is the rows of one width, `depth` times as deep; its first row alone strides."""
    found: list[Row] = []
    for _, stage in groupby(rows, key=lambda row: row.out):
        kinds = [list(same) for _, same in groupby(stage, key=lambda row: (row.kernel, row.se, row.ratio))]
        for kind, count in zip(kinds, repeats_at([len(kind) for kind in kinds], depth), strict=True):
            # behind the first of its kind, a row is one that repeats
            found += [kind[0], *[kind[-1]._replace(stride=1)] * (count - 1)]
    return tuple(found)


def _mobilenet_v3(
    plan: Plan, width: float, resolution: int, classes: int, dialect: str, lasts: int = 1
) -> Arch:
    """The rows at a width. Away from width 1.0 the dialects differ:

    torchvision rounds exp * width, and scales stem and hidden layer always;
    timm rounds the block's input * ratio, keeps the stem at 16 below width 0.75, the hidden layer always;
    TensorFlow (Keras) rounds as timm, keeps the stem always and the hidden layer up to 1.0.
    `lasts` is the number of 1x1 convolutions before the pool.
    """
    channels = plan.stem if _stem_is_fixed(dialect, width) else make_divisible(plan.stem * width)
    blocks: list[Block] = [Conv(kernel=3, out=channels, stride=2, activation=plan.nl)]
    for row in plan.rows:
        blocks.append(_bottleneck(row, channels, width, dialect))
        channels = blocks[-1].out
    scaled = make_divisible(plan.rows[-1].exp * width) if dialect == "timm" else 6 * channels
    grown = {"torchvision": width, "timm": 1.0}.get(dialect, max(1.0, width))
    hidden = make_divisible(plan.hidden * grown)
    reading = find_dialect(dialect, plan.name)
    if plan.original:  # figure 5: another bottleneck, and the layer of 1280 channels before the pool
        blocks.append(Inverted(3, scaled, make_divisible(320 * width), 1, plan.nl))
        blocks.append(Conv(kernel=1, out=hidden, activation=plan.nl))
        return Arch(plan.name, resolution, tuple(blocks), Classifier(classes), reading)
    blocks += [Conv(kernel=1, out=scaled, activation=plan.nl)] * lasts
    head = Classifier(classes, hidden=hidden, activation=plan.nl)
    return Arch(plan.name, resolution, tuple(blocks), head, reading)


def _bottleneck(row: Row, channels: int, width: float, dialect: str) -> Inverted:
    """One row at a width; ratio 1, that of the first bottleneck, means no expansion layer."""
    ratio = KERAS_RATIOS.get(row.ratio, row.ratio) if dialect == "keras" else row.ratio
    exp = make_divisible(row.exp * width if dialect == "torchvision" else channels * ratio)
    expand = row.ratio != 1
    exp = exp if expand else channels
    squeeze = make_divisible(exp / 4) if row.se else 0
    return Inverted(row.kernel, exp, make_divisible(row.out * width), row.stride, row.nl, squeeze, expand)


def _early(arch: Arch) -> Arch:
    """The first port of timm, with batch norms of TensorFlow's epsilon (timm, mobilenetv3.py)."""
    blocks = [
        replace(block, squeeze=round(block.hidden / 4), squeeze_activation=block.activation)
        if isinstance(block, Inverted) and block.squeeze
        else block
        for block in arch.blocks
    ]
    if isinstance(first := blocks[1], Inverted):
        blocks[1] = replace(first, residual=False)
    reading: Dialect = replace(arch.dialect, norm_eps=1e-3)
    return replace(arch, blocks=tuple(blocks), head=replace(arch.classifier, shift="none"), dialect=reading)


def _stem_is_fixed(dialect: str, width: float) -> bool:
    """Whether the stem keeps its 16 channels."""
    return dialect in ("tensorflow", "keras") or (dialect == "timm" and width < 0.75)
