"""Published ImageNet weights as facts: where they lie, what they are, how their images were prepared.

The facts are in published.json, which docs/weights/collect.py writes from what torchvision and timm state.
Both publishers put the leading digits of the SHA-256 into the file name. What lies on the Hugging Face hub
alone has no published hash; the hub names every file by its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from mobilenets.arch.preprocess import Preprocess, decode
from mobilenets.arch.spec import Arch, Classifier, HiddenKind
from mobilenets.arch.zoo import find

HUB_FILE = "model.safetensors"  # of timm, in each of its places on the hub
IMAGENET = 1000  # classes


@dataclass(frozen=True)
class Published:
    """One published file of the network that `find(model)` gives, at an address or on the hub.

    `sha256` is whole, or the leading digits that its publisher gives, or None on the hub. `top1` and `top5`
    are in per cent of the ImageNet validation images, at `resolution`, after `preprocess`, None where no
    source gives them.
    """

    name: str
    model: str
    url: str | None
    hub: str | None
    sha256: str | None
    licence: str
    classes: int
    top1: float | None
    top5: float | None
    source: str | None
    preprocess: Preprocess

    @cached_property
    def arch(self) -> Arch:
        """The network these weights belong to, with their classes."""
        return find(self.model, resolution=self.resolution, classes=self.classes)

    @property
    def resolution(self) -> int:
        """The input side in pixels that `top1` was measured at."""
        return self.preprocess.crop

    @property
    def file(self) -> str:
        """The name of the file."""
        return PurePosixPath(self.url).name if self.url else f"{self.name.rpartition('/')[2]}.safetensors"


def fitted(record: Preprocess, side: int) -> Preprocess:
    """`record` for another input side in pixels: the same share of the picture is seen."""
    return replace(record, crop=side, resize=round(side * record.resize / record.crop))


def published_for(arch: Arch, *, anywhere: bool = False) -> Published | None:
    """The best published weights whose network `arch` is, at whatever class count and resolution.

    Those of the dialect that `arch` names come first, then those of a dialect that computes the same; among
    them the highest top-1, weights without a figure last. Those of other classes than ImageNet's 1000 do not
    count, nor what lies on the hub alone where huggingface_hub is not installed, unless `anywhere`: a network
    chosen for weights that cannot be had would be trained from scratch. None where nobody published any.
    """
    here = anywhere or hub_is_here()
    same = [entry for entry in _by_network().get(network(arch), ()) if entry.url or here]
    ranks = [(entry.arch.dialect.name == arch.dialect.name, entry.top1 or 0) for entry in same]
    return same[ranks.index(max(ranks))] if same else None


def belongs(entry: Published, arch: Arch) -> bool:
    """Whether `arch` computes what `entry` was trained as, apart from its classes and resolution."""
    return network(entry.arch) == network(arch)


def hub_is_here() -> bool:
    """Whether the extra `hub` is installed; it is not loaded."""
    return find_spec("huggingface_hub") is not None


@lru_cache(maxsize=1)
def _by_network() -> dict[Arch, list[Published]]:
    """Published weights by the network that they fit."""
    found: dict[Arch, list[Published]] = {}
    for entry in PUBLISHED.values():
        if entry.classes == IMAGENET:
            found.setdefault(network(entry.arch), []).append(entry)
    return found


@lru_cache(maxsize=1024)
def network(arch: Arch) -> Arch:
    """`arch` without what its weights do not depend on."""
    head = arch.head
    hidden: HiddenKind = "linear"
    if isinstance(head, Classifier):
        hidden = arch.dialect.hidden if head.hidden else "linear"
        head = replace(head, classes=IMAGENET, dropout=0.0)
    return replace(
        arch,
        name="",
        resolution=224,
        head=head,
        dialect=replace(arch.dialect, name="", norm_momentum=0.1, hidden=hidden),
    )


def _entry(facts: dict[str, Any]) -> Published:
    """One record of published.json."""
    return Published(**{**facts, "preprocess": decode(facts["preprocess"])})


def _read() -> dict[str, Published]:
    """The records of published.json by name."""
    text = files("mobilenets.weights").joinpath("published.json").read_text(encoding="utf-8")
    return {facts["name"]: _entry(facts) for facts in json.loads(text)}


PUBLISHED: Mapping[str, Published] = MappingProxyType(_read())
