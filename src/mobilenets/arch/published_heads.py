"""What the papers and torchvision state of their detectors and segmenters, beside the networks built here."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mobilenets.arch.heads import EXTRAS, deeplab, lraspp, raspp, ssdlite
from mobilenets.arch.lower import lower
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.arch.zoo.rounding import make_divisible

COCO, CITYSCAPES, VOC = 90, 19, 21  # classes


class Stated(NamedTuple):
    """A row of a published table: millions of parameters, billions of multiply-accumulates, where from.

    `build` makes the network at the square side whose multiply-accumulates are counted; `wide` says that the
    published count is for an image twice as wide. `why` explains the difference.
    """

    name: str
    params: float
    macs: float
    source: str
    build: Callable[[], Arch]
    why: str
    wide: bool = False


def macs_of(row: Stated) -> int:
    """Multiply-accumulates of a row's network for the image of its table: 2 * side wide where it is wide.

    Every operation counts twice there but those on a single pixel: gates and means of the whole image.
    """
    ops = [op for layer in lower(row.build()) for op in layer.ops]
    return sum(op.macs * (2 if row.wide and op.side_out > 1 else 1) for op in ops)


COUNTED = "published figures are rounded; ours count the biases and norms of every predictor"
UNKNOWN = "which layers the paper's count leaves out is not stated"
SCALED = "the last layer and the further maps are scaled by the width, as the paper's counts say"
ODD = "TensorFlow's maps have odd sides (65 by 129 at stride 16), which is 2 %; the rest is not stated"
HALVED = f"{ODD}; what is halved in V2 is not stated either and is taken from V3"


def _coco(name: str, width: float = 1.0, *, halved: bool = False) -> Callable[[], Arch]:
    """An SSDLite of the papers at 320 pixels; below width 1 its last layer and further maps shrink too."""

    def build() -> Arch:
        arch = find(name, width=width, resolution=320)
        if width < 1:
            last = replace(arch.blocks[-1], out=make_divisible(arch.blocks[-1].out * width))
            arch = replace(arch, blocks=(*arch.blocks[:-1], last))
        extras = [max(16, int(depth * width)) for depth in EXTRAS]
        return ssdlite(arch, COCO, halved=halved, extras=extras)

    return build


def _street(name: str, head: str, width: float = 1.0, *, halved: bool = True, channels: int = 128
            ) -> Callable[[], Arch]:  # fmt: skip
    """A segmenter of V3's table 7, at 1024 pixels."""

    def build() -> Arch:
        arch = find(name, width=width, resolution=1024)
        if head == "raspp":
            return raspp(arch, CITYSCAPES, halved=halved)
        return lraspp(arch, CITYSCAPES, reading="tensorflow", halved=halved, channels=channels)

    return build


V1, V2, LARGE, SMALL, MNAS = (
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet_a1",
)  # fmt: skip
DETECTORS = (
    Stated("V1 + SSDLite", 5.1, 1.3, "V2, table 6", _coco(V1), COUNTED),
    Stated("V2 + SSDLite", 4.3, 0.8, "V2, table 6", _coco(V2), UNKNOWN),
    Stated("MnasNet + SSDLite", 4.88, 0.84, "V3, table 6", _coco(MNAS), COUNTED),
    Stated("V3-Large + SSDLite", 4.97, 0.62, "V3, table 6", _coco(LARGE), COUNTED),
    Stated("V3-Large, halved last stage", 3.22, 0.51, "V3, table 6", _coco(LARGE, halved=True), COUNTED),
    Stated("V3-Small + SSDLite", 2.49, 0.21, "V3, table 6", _coco(SMALL), COUNTED),
    Stated("V3-Small, halved last stage", 1.77, 0.16, "V3, table 6", _coco(SMALL, halved=True), COUNTED),
    Stated("V2 0.35 + SSDLite", 0.93, 0.16, "V3, table 6", _coco(V2, 0.35), SCALED),
    Stated("V2 0.5 + SSDLite", 1.54, 0.27, "V3, table 6", _coco(V2, 0.5), SCALED),
    Stated("MnasNet 0.35 + SSDLite", 1.02, 0.18, "V3, table 6", _coco(MNAS, 0.35), SCALED),
    Stated("MnasNet 0.5 + SSDLite", 1.68, 0.29, "V3, table 6", _coco(MNAS, 0.5), SCALED),
    Stated(
        "torchvision's ssdlite320_mobilenet_v3_large",
        3.440060,
        0.583,
        "torchvision",
        lambda: ssdlite(find(LARGE, resolution=320), COCO, reading="torchvision", halved=True),
        "none",
    ),
)
SEGMENTERS = (
    Stated("V2, R-ASPP 256", 2.11, 21.29, "V3, table 7", _street(V2, "raspp", halved=False), ODD, wide=True),
    Stated("V2 halved, R-ASPP 256", 1.15, 13.68, "V3, table 7", _street(V2, "raspp"), HALVED, wide=True),
    Stated(
        "V2 halved, LR-ASPP 256",
        1.02,
        12.83,
        "V3, table 7",
        _street(V2, "lraspp", channels=256),
        HALVED,
        wide=True,
    ),
    Stated("V2 halved, LR-ASPP 128", 0.98, 12.57, "V3, table 7", _street(V2, "lraspp"), HALVED, wide=True),
    Stated(
        "V3-Large, R-ASPP 256",
        3.60,
        18.43,
        "V3, table 7",
        _street(LARGE, "raspp", halved=False),
        ODD,
        wide=True,
    ),
    Stated(
        "V3-Large halved, R-ASPP 256", 1.76, 11.24, "V3, table 7", _street(LARGE, "raspp"), ODD, wide=True
    ),
    Stated(
        "V3-Large halved, LR-ASPP 256",
        1.63,
        10.33,
        "V3, table 7",
        _street(LARGE, "lraspp", channels=256),
        ODD,
        wide=True,
    ),
    Stated(
        "V3-Large halved, LR-ASPP 128", 1.51, 9.74, "V3, table 7", _street(LARGE, "lraspp"), ODD, wide=True
    ),
    Stated(
        "V2 0.5 halved, LR-ASPP 128", 0.28, 4.00, "V3, table 7", _street(V2, "lraspp", 0.5), HALVED, wide=True
    ),
    Stated(
        "V2 0.35 halved, LR-ASPP 128",
        0.16,
        2.54,
        "V3, table 7",
        _street(V2, "lraspp", 0.35),
        HALVED,
        wide=True,
    ),
    Stated(
        "V3-Small halved, LR-ASPP 128", 0.47, 2.90, "V3, table 7", _street(SMALL, "lraspp"), ODD, wide=True
    ),
    Stated(
        "torchvision's lraspp_mobilenet_v3_large",
        3.221538,
        2.086,
        "torchvision",
        lambda: lraspp(find(LARGE, resolution=520), VOC, reading="torchvision"),
        "none",
    ),
    Stated(
        "torchvision's deeplabv3_mobilenet_v3_large",
        11.029328,
        10.452,
        "torchvision",
        lambda: deeplab(find(LARGE, resolution=520), VOC),
        "3,851 parameters and the rest of the count are its auxiliary head, which serves training only",
    ),
)
