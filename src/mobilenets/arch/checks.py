"""What the fields of a description may be; errors name the field and what was given."""

import re
from typing import Any

from mobilenets.base.errors import ArchError, shown

TAP = re.compile(r"blocks\.(0|[1-9][0-9]{0,5})(\.expand|\.depthwise)?")
MOST = 1_000_000  # of anything counted here; a description that asks for more is a mistake or an attack


def geometry(kernel: int, stride: int, **channels: int) -> None:
    """Raise ArchError for a kernel, stride or channel count that cannot be."""
    positive(**channels)
    odd("kernel", kernel)
    if type(stride) is not int or stride not in (1, 2):
        raise ArchError(f"stride must be 1 or 2, got {shown(stride)}")


def odd(name: str, kernel: int) -> None:
    """Raise ArchError for a kernel without a middle."""
    if type(kernel) is not int or not 1 <= kernel <= MOST or kernel % 2 == 0:
        raise ArchError(f"{name} must be an odd number of at least 1, got {shown(kernel)}")


def positive(**numbers: int) -> None:
    """Raise ArchError unless every number is an integer from 1 to MOST."""
    for name, number in numbers.items():
        if type(number) is not int or not 1 <= number <= MOST:
            raise ArchError(f"{name} must be an integer from 1 to {MOST}, got {shown(number)}")


def count(**numbers: int) -> None:
    """Raise ArchError unless every number is 0 (absent) or a channel count."""
    for name, number in numbers.items():
        if type(number) is not int or not 0 <= number <= MOST:
            raise ArchError(f"{name} must be 0 or a channel count up to {MOST}, got {shown(number)}")


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ArchError unless `value` is known."""
    if value not in known:
        raise ArchError(f"{name} must be one of {', '.join(known)}, got {shown(value)}")


def norm(eps: float, momentum: float) -> None:
    """Raise ArchError for constants no batch norm can have."""
    if not 0 < eps < 1 or not 0 < momentum <= 1:
        raise ArchError(
            f"norm_eps and norm_momentum must lie between 0 and 1, got {shown(eps)} and {shown(momentum)}"
        )


def taps(names: tuple[str, ...], count: int | None = None) -> None:
    """Raise ArchError unless these are names of operations of a backbone, and `count` of them."""
    if not names or (count is not None and len(names) != count):
        raise ArchError(f"taps must name {count or 'at least one'} of the operations, got {shown(names)}")
    for name in names:
        if not isinstance(name, str) or not TAP.fullmatch(name):
            raise ArchError(
                f"taps must be like blocks.3, blocks.3.expand or blocks.3.depthwise, got {shown(name)}"
            )
    parts = [name.split(".")[1] for name in names if name.count(".") > 1]
    if len(set(parts)) < len(parts):
        raise ArchError(f"taps must name one part of a block only, got {shown(names)}")


def shapes(anchors: Any, maps: int) -> None:
    """Raise ArchError unless there are widths and heights from 0 to 1 for each of `maps` maps."""
    if len(anchors) != maps or not all(anchors):
        raise ArchError(f"anchors must have boxes for each of {maps} maps, got {shown(anchors)}")
    for index, sizes in enumerate(anchors):
        for size in sizes if isinstance(sizes, tuple) else (sizes,):
            sound = isinstance(size, tuple) and len(size) == 2 and all(_is_share(side) for side in size)
            if not sound:
                raise ArchError(
                    f"anchors[{index}] must hold pairs of shares of the image's side, got {shown(size)}"
                )


def _is_share(number: Any) -> bool:
    """Whether this is a number above 0 and at most 1."""
    return type(number) in (int, float) and 0 < number <= 1
