"""torchvision's detectors and segmenters, under the names that its classifiers and our heads have."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_SSD = re.compile(r"backbone\.features\.([01])\.(\d+)\.(.+)")
_SSD_HEAD = re.compile(r"head\.(classification|regression)_head\.module_list\.(\d+)\.(\d)\.?(\d?)\.(\w+)")
_SSD_EXTRA = re.compile(r"backbone\.extra\.(\d+)\.(\d)\.(\d)\.(\w+)")
_SEGMENTER = re.compile(r"backbone\.(\d+\..+)")
_EXTRA_PARTS = ("reduce", "depthwise", "expand")
_CONV_NORM = ("conv", "norm")
_LRASPP = {
    "classifier.cbr.0": "head.high.conv",
    "classifier.cbr.1": "head.high.norm",
    "classifier.scale.1": "head.gate",
    "classifier.low_classifier": "head.low_classifier",
    "classifier.high_classifier": "head.high_classifier",
}
_DEEPLAB = {
    "classifier.0.project.0": "head.project.conv",
    "classifier.0.project.1": "head.project.norm",
    "classifier.1": "head.refine.conv",
    "classifier.2": "head.refine.norm",
    "classifier.4": "head.classifier",
}
_BRANCH = re.compile(r"classifier\.0\.convs\.(\d+)\.(\d)\.(\w+)")


def plainly_named(state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """The tensors of torchvision's SSDLite, LR-ASPP or DeepLabv3 as its classifiers and our heads name them.

    The backbone's become `features.3...`, the head's ours; any other state dict stays as it is. What serves
    training only (DeepLabv3's auxiliary head) is left out.
    """
    if not any(name.startswith("backbone.") for name in state):
        return dict(state)
    names = dict(_pairs(state))
    return {names[name]: tensor for name, tensor in state.items() if name in names}


def _pairs(state: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Their names to ours."""
    names = list(state)
    cut = max((int(found[2]) for name in names if (found := _SSD.match(name)) and found[1] == "0"), default=0)
    branches = [int(found[1]) for name in names if (found := _BRANCH.match(name))]
    for name in names:
        if new := _ssd(name, cut) or _segmenter(name, max(branches, default=0)):
            yield name, new
        elif not name.startswith("aux_classifier."):
            yield name, name


def _ssd(name: str, cut: int) -> str | None:
    """The name of a tensor of SSDLite, whose backbone is cut behind the expansion of block `cut`."""
    if found := _SSD.fullmatch(name):
        half, index, rest = found[1], int(found[2]), found[3]
        if half == "0":
            return f"features.{index}.{rest}" if index < cut else f"features.{cut}.block.0.{rest}"
        return f"features.{cut + index}.{rest}" if index else f"features.{cut}.block.{rest}"
    if found := _SSD_EXTRA.fullmatch(name):
        return f"head.extras.{found[1]}.{_EXTRA_PARTS[int(found[2])]}.{_CONV_NORM[int(found[3])]}.{found[4]}"
    if found := _SSD_HEAD.fullmatch(name):
        kind = "scores" if found[1] == "classification" else "boxes"
        part = "predict" if found[3] == "1" else f"depthwise.{_CONV_NORM[int(found[4])]}"
        return f"head.{kind}.{found[2]}.{part}.{found[5]}"
    return None


def _segmenter(name: str, last: int) -> str | None:
    """The name of a tensor of LR-ASPP or DeepLabv3; branch `last` is that of the image's mean."""
    if found := _SEGMENTER.fullmatch(name):
        return f"features.{found[1]}"
    if found := _BRANCH.fullmatch(name):
        index, place = int(found[1]), int(found[2])
        if index == last:
            return f"head.mean.{_CONV_NORM[place - 1]}.{found[3]}"
        return f"head.branches.{index}.{_CONV_NORM[place]}.{found[3]}"
    module, _, leaf = name.rpartition(".")
    ours = {**_LRASPP, **_DEEPLAB}.get(module)
    return f"{ours}.{leaf}" if ours else None
