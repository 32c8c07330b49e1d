"""MobileNetV4 Conv and Hybrid (arXiv 2404.10518, tables 11 to 15; Hybrid-M as the published code has it)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from mobilenets.arch.spec import (
    Activation,
    Antialias,
    Arch,
    Attention,
    Block,
    Classifier,
    Conv,
    Fused,
    Universal,
)
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible


class C(NamedTuple):
    """A convolution: kernel, output, stride."""

    kernel: int
    out: int
    stride: int = 1


class F(NamedTuple):
    """A fused inverted bottleneck: kernel, expansion, output, stride."""

    kernel: int
    ratio: int
    out: int
    stride: int = 1


class U(NamedTuple):
    """A universal inverted bottleneck: its two depthwise kernels (0: none), expansion, output, stride."""

    start: int
    kernel: int
    ratio: int
    out: int
    stride: int = 1


class A(NamedTuple):
    """Mobile MQA: heads, channels of a head, output, stride of keys and values."""

    heads: int
    dim: int
    out: int
    shrink: int = 1


class Plan(NamedTuple):
    """A network before its widths are settled: stem channels, rows, activation, gains, dropout."""

    stem: int
    rows: tuple[C | F | U | A, ...]
    activation: Activation = "relu"
    gain: bool = False
    dropout: float = 0.2


MEDIUM_START = (F(3, 4, 48, 2), U(3, 5, 4, 80, 2), U(3, 3, 2, 80), U(3, 5, 6, 160, 2))
LARGE_START = (
    F(3, 4, 48, 2), U(3, 5, 4, 96, 2), U(3, 3, 4, 96),
    U(3, 5, 4, 192, 2), U(3, 3, 4, 192), U(3, 3, 4, 192), U(3, 3, 4, 192), U(3, 5, 4, 192),
)  # fmt: skip
LARGE_LAST = (
    U(5, 5, 4, 512, 2), U(5, 5, 4, 512), U(5, 5, 4, 512), U(5, 5, 4, 512),
    U(5, 0, 4, 512), U(5, 3, 4, 512), U(5, 0, 4, 512), U(5, 0, 4, 512), U(5, 3, 4, 512), U(5, 5, 4, 512),
)  # fmt: skip
CONV_SMALL = (
    C(3, 32, 2), C(1, 32), C(3, 96, 2), C(1, 64),
    U(5, 5, 3, 96, 2), U(0, 3, 2, 96), U(0, 3, 2, 96), U(0, 3, 2, 96), U(0, 3, 2, 96), U(3, 0, 4, 96),
    U(3, 3, 6, 128, 2), U(5, 5, 4, 128), U(0, 5, 4, 128), U(0, 5, 3, 128), U(0, 3, 4, 128), U(0, 3, 4, 128),
    C(1, 960),
)  # fmt: skip
CONV_MEDIUM = (
    *MEDIUM_START,
    U(3, 3, 4, 160), U(3, 3, 4, 160), U(3, 5, 4, 160), U(3, 3, 4, 160), U(3, 0, 4, 160), U(0, 0, 2, 160),
    U(3, 0, 4, 160),
    U(5, 5, 6, 256, 2), U(5, 5, 4, 256), U(3, 5, 4, 256), U(3, 5, 4, 256), U(0, 0, 4, 256), U(3, 0, 4, 256),
    U(3, 5, 2, 256), U(5, 5, 4, 256), U(0, 0, 4, 256), U(0, 0, 4, 256), U(5, 0, 2, 256),
    C(1, 960),
)  # fmt: skip
CONV_LARGE = (
    *LARGE_START,
    U(5, 3, 4, 192), U(5, 3, 4, 192), U(5, 3, 4, 192), U(5, 3, 4, 192), U(5, 3, 4, 192), U(3, 0, 4, 192),
    *LARGE_LAST, U(5, 0, 4, 512), U(5, 0, 4, 512), U(5, 0, 4, 512),
    C(1, 960),
)  # fmt: skip
# The paper's table 13 differs from the code its authors released, whose weights are what exists.
HYBRID_MEDIUM = (
    *MEDIUM_START,
    U(0, 0, 2, 160), U(3, 3, 4, 160), U(3, 5, 4, 160), A(4, 64, 160, 2), U(3, 3, 4, 160), A(4, 64, 160, 2),
    U(3, 0, 4, 160), A(4, 64, 160, 2), U(3, 3, 4, 160), A(4, 64, 160, 2), U(3, 0, 4, 160),
    U(5, 5, 6, 256, 2), U(5, 5, 4, 256), U(3, 5, 4, 256), U(3, 5, 4, 256), U(0, 0, 2, 256), U(3, 5, 2, 256),
    U(0, 0, 2, 256), U(0, 0, 4, 256), A(4, 64, 256), U(3, 0, 4, 256), A(4, 64, 256), U(5, 5, 4, 256),
    A(4, 64, 256), U(5, 0, 4, 256), A(4, 64, 256), U(5, 0, 4, 256),
    C(1, 960),
)  # fmt: skip
HYBRID_LARGE = (
    *LARGE_START,
    U(5, 3, 4, 192), U(5, 3, 4, 192), A(8, 48, 192, 2), U(5, 3, 4, 192), A(8, 48, 192, 2), U(5, 3, 4, 192),
    A(8, 48, 192, 2), U(5, 3, 4, 192), A(8, 48, 192, 2), U(3, 0, 4, 192),
    *LARGE_LAST, A(8, 64, 512), U(5, 0, 4, 512), A(8, 64, 512), U(5, 0, 4, 512), A(8, 64, 512),
    U(5, 0, 4, 512), A(8, 64, 512), U(5, 0, 4, 512),
    C(1, 960),
)  # fmt: skip
PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "mobilenet_v4_conv_small": Plan(32, CONV_SMALL, dropout=0.3),
        "mobilenet_v4_conv_medium": Plan(32, CONV_MEDIUM),
        "mobilenet_v4_conv_large": Plan(24, CONV_LARGE),
        "mobilenet_v4_hybrid_medium": Plan(32, HYBRID_MEDIUM, gain=True),
        "mobilenet_v4_hybrid_large": Plan(24, HYBRID_LARGE, activation="gelu", gain=True),
    }
)


def mobilenet_v4(name: str) -> Callable[..., Arch]:
    """The maker of one member of PLANS, with the arguments of every family.

    Below width 1.0 the stem keeps its channels; the layer of 1280 never shrinks, and grows in TensorFlow's
    reading. `antialias` replaces the strides behind the stem (timm's conv_aa and conv_blur networks).
    """

    def make(
        width: float = 1.0,
        resolution: int = 224,
        classes: int = 1000,
        dialect: str = "timm",
        antialias: Antialias = "none",
    ) -> Arch:
        plan = PLANS[name]
        blocks = _blocks(plan, width, antialias)
        grown = 1.0 if dialect == "timm" else max(1.0, width)
        head = Classifier(classes, make_divisible(1280 * grown), plan.activation, plan.dropout, "norm")
        return Arch(name, resolution, blocks, head, find_dialect(dialect, name))

    return make


def _blocks(plan: Plan, width: float, antialias: Antialias) -> tuple[Block, ...]:
    """The body at a width."""
    channels = make_divisible(plan.stem * max(1.0, width))
    blocks: list[Block] = [Conv(3, channels, 2, plan.activation)]
    for row in plan.rows:
        blocks.append(_block(plan, row, channels, make_divisible(row.out * width), antialias))
        channels = blocks[-1].out
    return tuple(blocks)


def _block(plan: Plan, row: C | F | U | A, channels: int, out: int, antialias: Antialias) -> Block:
    """One row with `out` channels on an input of `channels`."""
    match row:
        case C():
            return Conv(row.kernel, out, row.stride, plan.activation)
        case F():
            hidden = make_divisible(channels * row.ratio)
            return Fused(row.kernel, hidden, out, row.stride, plan.activation, antialias=antialias)
        case U():
            hidden = make_divisible(channels * row.ratio)
            return Universal(
                row.start, row.kernel, hidden, out, row.stride, plan.activation, plan.gain, antialias
            )
        case A():
            return Attention(out, row.heads, row.dim, row.dim, row.shrink, gain=plan.gain)
