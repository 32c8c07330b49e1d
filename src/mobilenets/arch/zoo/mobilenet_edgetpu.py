"""MobileNet-EdgeTPU, both versions (arXiv 2204.14007; tensorflow/models official/projects/edgetpu)."""

from collections.abc import Callable, Mapping
from math import gcd
from types import MappingProxyType
from typing import NamedTuple

from mobilenets.arch.spec import Arch, Block, Classifier, Conv, Fused, Inverted
from mobilenets.arch.zoo.dialects import dialect as find_dialect
from mobilenets.arch.zoo.rounding import make_divisible


class Row(NamedTuple):
    """Repeated blocks: fused or not, kernel, expansion, output, stride of the first, channels of a group."""

    fused: bool
    kernel: int
    ratio: int
    out: int
    repeats: int
    stride: int
    group: int = 0
    residual: bool = True


class Plan(NamedTuple):
    """A network before its widths are settled: stem kernel and channels, first 1x1, rows, last channels."""

    kernel: int
    stem: int
    first: int
    rows: tuple[Row, ...]
    last: int = 1280


FIRST = Plan(
    3, 32, 16,
    (
        Row(True, 3, 8, 32, 1, 2), Row(True, 3, 4, 32, 3, 1),
        Row(True, 3, 8, 48, 1, 2), Row(True, 3, 4, 48, 3, 1),
        Row(False, 3, 8, 96, 1, 2), Row(False, 3, 4, 96, 3, 1),
        Row(False, 3, 8, 96, 1, 1, residual=False), Row(False, 3, 4, 96, 3, 1),
        Row(False, 5, 8, 160, 1, 2), Row(False, 5, 4, 160, 3, 1),
        Row(False, 3, 8, 192, 1, 1),
    ),
)  # fmt: skip


def _second(kernel: int, stem: int, group: int, widths: tuple[int, ...], last: int = 1280) -> Plan:
    """A member of the second version: all have the same blocks."""
    first, second, third, fourth, fifth, sixth, seventh = widths
    rows = (
        Row(True, 3, 8, second, 1, 2), Row(True, 3, 4, second, 1, 1, group),
        Row(True, 3, 8, third, 1, 2), Row(True, 3, 4, third, 1, 1, group),
        Row(True, 3, 4, third, 1, 1), Row(True, 3, 4, third, 1, 1, group),
        Row(True, 3, 8, fourth, 1, 2), Row(False, 3, 4, fourth, 3, 1),
        Row(False, 3, 8, fifth, 1, 1), Row(False, 3, 4, fifth, 3, 1),
        Row(False, 3, 8, sixth, 1, 2), Row(False, 3, 4, sixth, 3, 1),
        Row(False, 3, 8, seventh, 1, 1),
    )  # fmt: skip
    return Plan(kernel, stem, first, rows, last)


PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "mobilenet_edgetpu": FIRST,
        "mobilenet_edgetpu_v2_xs": _second(3, 32, 64, (16, 32, 48, 96, 144, 160, 192)),
        "mobilenet_edgetpu_v2_s": _second(5, 64, 64, (24, 48, 64, 128, 160, 192, 256)),
        "mobilenet_edgetpu_v2_m": _second(5, 64, 64, (32, 64, 80, 160, 192, 240, 320), 1344),
        "mobilenet_edgetpu_v2_l": _second(7, 64, 128, (32, 64, 96, 192, 240, 256, 384), 1408),
    }
)


def mobilenet_edgetpu(name: str) -> Callable[..., Arch]:
    """The maker of one member of PLANS, with the arguments of every family."""

    def make(width: float = 1.0, resolution: int = 224, classes: int = 1000, dialect: str = "timm") -> Arch:
        blocks = _blocks(PLANS[name], width)
        return Arch(name, resolution, blocks, Classifier(classes), find_dialect(dialect, name))

    return make


def _blocks(plan: Plan, width: float) -> tuple[Block, ...]:
    """The body at a width; the last layer keeps its own."""
    channels = make_divisible(plan.first * width)
    blocks: list[Block] = [
        Conv(plan.kernel, make_divisible(plan.stem * width), 2, "relu"),
        Conv(1, channels, 1, "relu"),
    ]
    for row in plan.rows:
        for repeat in range(row.repeats):
            hidden, out = make_divisible(channels * row.ratio), make_divisible(row.out * width)
            stride = row.stride if repeat == 0 else 1
            # where another width leaves no whole groups of that size, the nearest that divides all
            groups = gcd(hidden // row.group, hidden, channels) if row.group else 1
            blocks.append(
                Fused(row.kernel, hidden, out, stride, "relu", groups)
                if row.fused
                else Inverted(row.kernel, hidden, out, stride, "relu", residual=row.residual)
            )
            channels = out
    return (*blocks, Conv(1, plan.last, 1, "relu"))
