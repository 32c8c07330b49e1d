"""The networks of the papers, one file per paper; `find` knows our, torchvision's and timm's names."""

from collections.abc import Callable, Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any

from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo.aliases import ALIASES
from mobilenets.arch.zoo.dialects import DIALECTS
from mobilenets.arch.zoo.efficientnet_lite import SERIES, efficientnet_lite
from mobilenets.arch.zoo.mnasnet import mnasnet_a1, mnasnet_b1, mnasnet_small
from mobilenets.arch.zoo.mobilenet_edgetpu import PLANS as EDGETPU
from mobilenets.arch.zoo.mobilenet_edgetpu import mobilenet_edgetpu
from mobilenets.arch.zoo.mobilenet_v1 import mobilenet_v1
from mobilenets.arch.zoo.mobilenet_v2 import mobilenet_v2
from mobilenets.arch.zoo.mobilenet_v3 import (
    mobilenet_v3_large,
    mobilenet_v3_large_minimalistic,
    mobilenet_v3_small,
    mobilenet_v3_small_minimalistic,
)
from mobilenets.arch.zoo.mobilenet_v4 import PLANS as V4
from mobilenets.arch.zoo.mobilenet_v4 import mobilenet_v4
from mobilenets.arch.zoo.strides import at_output_stride
from mobilenets.base.errors import UnknownName, UsageError

__all__ = ["ALIASES", "FAMILIES", "at_output_stride", "find", "names", "side_of"]

FAMILIES: Mapping[str, Callable[..., Arch]] = MappingProxyType(
    {
        "mobilenet_v1": mobilenet_v1,
        "mobilenet_v2": mobilenet_v2,
        "mobilenet_v3_large": mobilenet_v3_large,
        "mobilenet_v3_small": mobilenet_v3_small,
        "mobilenet_v3_large_minimalistic": mobilenet_v3_large_minimalistic,
        "mobilenet_v3_small_minimalistic": mobilenet_v3_small_minimalistic,
        **{name: mobilenet_v4(name) for name in V4},
        "mnasnet_a1": mnasnet_a1,
        "mnasnet_b1": mnasnet_b1,
        "mnasnet_small": mnasnet_small,
        **{name: efficientnet_lite(name) for name in SERIES},
        **{name: mobilenet_edgetpu(name) for name in EDGETPU},
    }
)
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.25, 1.3, 1.4)
LEAST_SIDE = 32  # the networks halve their input five times


def names() -> tuple[str, ...]:
    """Every name `find` takes."""
    return (*FAMILIES, *ALIASES)


def find(
    name: str,
    width: float | None = None,
    resolution: int = 224,
    classes: int = 1000,
    dialect: str | None = None,
    output_stride: int = 32,
    **options: Any,
) -> Arch:
    """The network called `name`: ours and torchvision's names, or timm's, which settle width and dialect.

    `output_stride` is what the last map is smaller by than the image: 32, or 16 and 8 for backbones made of
    inverted residuals. `options` are those that a family has beside these, e.g. `last_stage` of V3-Large.
    Raises UnknownName with the nearest names; UsageError for a width, resolution or stride that cannot be.
    """
    if name not in FAMILIES and name not in ALIASES:
        raise UnknownName("model", name, names())
    if dialect is not None and dialect not in DIALECTS:
        raise UnknownName("dialect", dialect, DIALECTS)
    if width is not None and not 0.05 <= width <= 4:
        raise UsageError(
            f"width must be from 0.05 to 4, got {width}; the papers use {', '.join(map(str, WIDTHS))}"
        )
    side_of(resolution)
    family, fixed = ALIASES.get(name, (name, {}))
    asked_for = {"width": width, "dialect": dialect, **options}
    asked_for = {key: value for key, value in asked_for.items() if value is not None}
    for key, asked in asked_for.items():
        _check_option(family, key)
        if fixed.get(key, asked) != asked:
            raise UsageError(
                f"{name} has {key} {fixed[key]}, {asked} was asked; use {family} with --{key} {asked}"
            )
    arch = FAMILIES[family](resolution=resolution, classes=classes, **{**asked_for, **fixed})
    return at_output_stride(arch, output_stride) if output_stride != 32 else arch


def side_of(resolution: int | None, usual: int = 224) -> int:
    """The input side in pixels that is asked for, the `usual` one where none is. Raises UsageError."""
    side = usual if resolution is None else resolution
    if not LEAST_SIDE <= side <= 4096:
        raise UsageError(f"resolution must be from {LEAST_SIDE} to 4096 pixels, got {side}")
    return side


def _check_option(family: str, key: str) -> None:
    """Raise UnknownName unless the makers of `family` take an argument `key`."""
    known = signature(FAMILIES[family]).parameters
    if key not in known:
        raise UnknownName(f"option of {family}", key, tuple(known))
