"""Where the boxes of a detector lie before the network moves them."""

from mobilenets.arch.lower import lower
from mobilenets.arch.spec import Arch, SSDLite
from mobilenets.base.errors import ArchError

Anchor = tuple[float, float, float, float]


def anchors(arch: Arch) -> tuple[Anchor, ...]:
    """The N boxes (cx, cy, width, height) as shares of the image's side, in the order of the head's outputs.

    Map after map, finest first; row after row; at each pixel the sizes of `SSDLite.anchors` (SSD, section
    2.2; torchvision's anchor_utils.py). Raises ArchError for a network that is no detector.
    """
    if not isinstance(arch.head, SSDLite):
        raise ArchError(f"{arch.name} has no detection head, so it has no anchors")
    sides = [op.side_out for op in lower(arch)[-1].ops if op.name.startswith("boxes.") and op.bias]
    return tuple(
        [
            ((column + 0.5) / side, (row + 0.5) / side, width, height)
            for side, sizes in zip(sides, arch.head.anchors, strict=True)
            for row in range(side)
            for column in range(side)
            for width, height in sizes
        ]
    )
