"""The networks of the papers, one file per paper; `find` knows our, torchvision's and timm's names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo.dialects import DIALECTS
from mobilenets.arch.zoo.mobilenet_v1 import mobilenet_v1
from mobilenets.arch.zoo.mobilenet_v2 import mobilenet_v2
from mobilenets.arch.zoo.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from mobilenets.base.errors import UnknownName, UsageError

__all__ = ["ALIASES", "FAMILIES", "find", "names"]

FAMILIES: Mapping[str, Callable[..., Arch]] = MappingProxyType(
    {
        "mobilenet_v1": mobilenet_v1,
        "mobilenet_v2": mobilenet_v2,
        "mobilenet_v3_large": mobilenet_v3_large,
        "mobilenet_v3_small": mobilenet_v3_small,
    }
)
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.25, 1.3, 1.4)
LEAST_SIDE = 32  # the networks halve their input five times

# timm's names: family and the arguments that make the same network
ALIASES: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "mobilenetv1_100": ("mobilenet_v1", {"width": 1.0, "dialect": "timm"}),
        "mobilenetv1_100h": ("mobilenet_v1", {"width": 1.0, "dialect": "timm", "head": 1024}),
        "mobilenetv1_125": ("mobilenet_v1", {"width": 1.25, "dialect": "timm"}),
        "mobilenetv2_035": ("mobilenet_v2", {"width": 0.35, "dialect": "timm"}),
        "mobilenetv2_050": ("mobilenet_v2", {"width": 0.5, "dialect": "timm"}),
        "mobilenetv2_075": ("mobilenet_v2", {"width": 0.75, "dialect": "timm"}),
        "mobilenetv2_100": ("mobilenet_v2", {"width": 1.0, "dialect": "timm"}),
        "mobilenetv2_140": ("mobilenet_v2", {"width": 1.4, "dialect": "timm"}),
        "mobilenetv3_large_075": ("mobilenet_v3_large", {"width": 0.75, "dialect": "timm"}),
        "mobilenetv3_large_100": ("mobilenet_v3_large", {"width": 1.0, "dialect": "timm"}),
        "mobilenetv3_small_050": ("mobilenet_v3_small", {"width": 0.5, "dialect": "timm"}),
        "mobilenetv3_small_075": ("mobilenet_v3_small", {"width": 0.75, "dialect": "timm"}),
        "mobilenetv3_small_100": ("mobilenet_v3_small", {"width": 1.0, "dialect": "timm"}),
        "tf_mobilenetv3_large_075": ("mobilenet_v3_large", {"width": 0.75, "dialect": "tensorflow"}),
        "tf_mobilenetv3_large_100": ("mobilenet_v3_large", {"width": 1.0, "dialect": "tensorflow"}),
        "tf_mobilenetv3_small_075": ("mobilenet_v3_small", {"width": 0.75, "dialect": "tensorflow"}),
        "tf_mobilenetv3_small_100": ("mobilenet_v3_small", {"width": 1.0, "dialect": "tensorflow"}),
    }
)


def names() -> tuple[str, ...]:
    """Every name `find` takes."""
    return (*FAMILIES, *ALIASES)


def find(
    name: str,
    width: float | None = None,
    resolution: int = 224,
    classes: int = 1000,
    dialect: str | None = None,
) -> Arch:
    """The network called `name`: ours and torchvision's names, or timm's, which settle width and dialect.

    Raises UnknownName with the nearest names; UsageError for a width or resolution that cannot be.
    """
    if name not in FAMILIES and name not in ALIASES:
        raise UnknownName("model", name, names())
    if dialect is not None and dialect not in DIALECTS:
        raise UnknownName("dialect", dialect, DIALECTS)
    if width is not None and not 0.05 <= width <= 4:
        raise UsageError(
            f"width must be from 0.05 to 4, got {width}; the papers use {', '.join(map(str, WIDTHS))}"
        )
    if not LEAST_SIDE <= resolution <= 4096:
        raise UsageError(f"resolution must be from {LEAST_SIDE} to 4096 pixels, got {resolution}")
    family, fixed = ALIASES.get(name, (name, {}))
    for key, asked in (("width", width), ("dialect", dialect)):
        if asked is not None and fixed.get(key, asked) != asked:
            raise UsageError(
                f"{name} has {key} {fixed[key]}, {asked} was asked; use {family} with --{key} {asked}"
            )
    asked_for = {"width": width, "dialect": dialect}
    settings = {**{key: value for key, value in asked_for.items() if value is not None}, **fixed}
    return FAMILIES[family](resolution=resolution, classes=classes, **settings)
