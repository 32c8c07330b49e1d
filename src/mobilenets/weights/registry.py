"""Published ImageNet weights as facts: where they lie, what they are, how their images were prepared.

Addresses and preprocessing are those that torchvision 0.29 (`torchvision.models`) and timm 1.0.31
(`default_cfgs`) state. Both publishers put the leading digits of the SHA-256 into the file name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from types import MappingProxyType

from mobilenets.arch.preprocess import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocess
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import FAMILIES


@dataclass(frozen=True)
class Published:
    """One published file. `sha256` is whole, or the leading digits that its publisher gives.

    `top1` and `top5` are in per cent of the ImageNet validation images, at `resolution`, after `preprocess`.
    """

    name: str
    family: str
    width: float
    dialect: str
    url: str
    sha256: str
    licence: str
    top1: float
    top5: float | None
    preprocess: Preprocess
    source: str

    @cached_property
    def arch(self) -> Arch:
        """The network these weights belong to, with ImageNet's 1000 classes."""
        return FAMILIES[self.family](width=self.width, resolution=self.resolution, dialect=self.dialect)

    @property
    def resolution(self) -> int:
        """The input side in pixels that `top1` was measured at."""
        return self.preprocess.crop

    @property
    def file(self) -> str:
        """The name of the file."""
        return PurePosixPath(self.url).name


def fitted(record: Preprocess, side: int) -> Preprocess:
    """`record` for another input side in pixels: the same share of the picture is seen."""
    return replace(record, crop=side, resize=round(side * record.resize / record.crop))


def published_for(arch: Arch) -> Published | None:
    """The best published weights whose network `arch` is, at whatever class count and resolution.

    Those of the dialect that `arch` names come first, then those of a dialect that computes the same; among
    them the highest top-1. None where nobody published any.
    """
    same = [entry for entry in PUBLISHED.values() if belongs(entry, arch)]
    return max(same, key=lambda entry: (entry.dialect == arch.dialect.name, entry.top1), default=None)


def belongs(entry: Published, arch: Arch) -> bool:
    """Whether `arch` computes what `entry` was trained as, apart from its classes and resolution."""
    return _network(entry.arch) == _network(arch)


@lru_cache(maxsize=256)
def _network(arch: Arch) -> Arch:
    """`arch` without what its weights do not depend on."""
    hidden = arch.dialect.hidden if arch.head.hidden else "linear"
    return replace(
        arch,
        name="",
        resolution=224,
        head=replace(arch.head, classes=1000, dropout=0.0),
        dialect=replace(arch.dialect, name="", norm_momentum=0.1, hidden=hidden),
    )


HALF = (0.5, 0.5, 0.5)
_TORCHVISION = "https://download.pytorch.org/models/"
_TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/"
_TIMM_RESULTS = "timm results/results-imagenet.csv"


def _torchvision(
    name: str, family: str, file: str, top1: float, top5: float, resize: int = 256
) -> tuple[str, Published]:
    """An entry of torchvision: width 1.0, 224 pixels, bilinear."""
    name = f"torchvision/{family}.{name}"
    return name, Published(
        name, family, 1.0, "torchvision", _TORCHVISION + file, _digits(file), "BSD-3-Clause", top1, top5,
        Preprocess(crop=224, resize=resize), "torchvision.models, weights metadata",
    )  # fmt: skip


def _timm(
    name: str,
    family: str,
    width: float,
    file: str,
    top1: float,
    top5: float | None = None,
    interpolation: Interpolation = "bicubic",
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> tuple[str, Published]:
    """An entry of timm: 224 pixels, which are 0.875 of the shorter side."""
    name = f"timm/{name}"
    return name, Published(
        name, family, width, "tensorflow" if "/tf_" in name else "timm", _TIMM + file, _digits(file),
        "Apache-2.0", top1, top5, Preprocess(224, 256, interpolation, mean, std), _TIMM_RESULTS,
    )  # fmt: skip


def _digits(file: str) -> str:
    """The leading digits of the SHA-256 in a published file name."""
    return PurePosixPath(file).stem.rpartition("-")[2]


V2, LARGE, SMALL = "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"
PUBLISHED: Mapping[str, Published] = MappingProxyType(
    dict([
        _torchvision("imagenet1k_v1", V2, "mobilenet_v2-b0353104.pth", 71.878, 90.286),
        _torchvision("imagenet1k_v2", V2, "mobilenet_v2-7ebf99e0.pth", 72.154, 90.822, resize=232),
        _torchvision("imagenet1k_v1", LARGE, "mobilenet_v3_large-8738ca79.pth", 74.042, 91.340),
        _torchvision("imagenet1k_v2", LARGE, "mobilenet_v3_large-5c1a4163.pth", 75.274, 92.566, resize=232),
        _torchvision("imagenet1k_v1", SMALL, "mobilenet_v3_small-047dcff4.pth", 67.668, 87.402),
        _timm("mobilenetv2_050.lamb_in1k", V2, 0.5, "v0.1-weights/mobilenetv2_050-3d30d450.pth",
              65.928, 86.114),
        _timm("mobilenetv2_100.ra_in1k", V2, 1.0, "v0.1-weights/mobilenetv2_100_ra-b33bc2c4.pth", 72.910),
        _timm("mobilenetv2_140.ra_in1k", V2, 1.4, "v0.1-weights/mobilenetv2_140_ra-21a4e913.pth", 76.528),
        _timm("mobilenetv3_large_100.ra_in1k", LARGE, 1.0,
              "v0.1-weights/mobilenetv3_large_100_ra-f55367f5.pth", 75.784, 92.528),
        _timm("mobilenetv3_large_100.miil_in21k_ft_in1k", LARGE, 1.0,
              "v0.1-tresnet/mobilenetv3_large_100_1k_miil_78_0-66471c13.pth", 77.920, 92.894,
              "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        _timm("mobilenetv3_small_050.lamb_in1k", SMALL, 0.5,
              "v0.1-weights/mobilenetv3_small_050_lambc-4b7bbe87.pth", 57.918),
        _timm("mobilenetv3_small_075.lamb_in1k", SMALL, 0.75,
              "v0.1-weights/mobilenetv3_small_075_lambc-384766db.pth", 65.284),
        _timm("mobilenetv3_small_100.lamb_in1k", SMALL, 1.0,
              "v0.1-weights/mobilenetv3_small_100_lamb-266a294c.pth", 67.636),
        _timm("tf_mobilenetv3_large_075.in1k", LARGE, 0.75,
              "v0.1-weights/tf_mobilenetv3_large_075-150ee8b0.pth", 73.442, None, "bilinear", HALF, HALF),
        _timm("tf_mobilenetv3_large_100.in1k", LARGE, 1.0,
              "v0.1-weights/tf_mobilenetv3_large_100-427764d5.pth", 75.510, 92.600, "bilinear", HALF, HALF),
        _timm("tf_mobilenetv3_small_075.in1k", SMALL, 0.75,
              "v0.1-weights/tf_mobilenetv3_small_075-da427f52.pth", 65.706, None, "bilinear", HALF, HALF),
        _timm("tf_mobilenetv3_small_100.in1k", SMALL, 1.0,
              "v0.1-weights/tf_mobilenetv3_small_100-37f49e2b.pth", 67.922, 87.686, "bilinear", HALF, HALF),
    ])
)  # fmt: skip
