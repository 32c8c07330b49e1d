"""What torchvision and timm call the modules that our networks call `blocks.3.expand.conv` and so on."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from mobilenets.arch.lower import Layer, lower
from mobilenets.arch.spec import Arch, Conv

Naming = Literal["ours", "torchvision", "timm"]
_TIMM_PLACE = re.compile(r"blocks\.(\d+)\.(\d+)\.")  # stage and block within the stage
_TORCHVISION_PLACE = re.compile(r"features\.(\d+)\.")
_OUR_PLACE = re.compile(r"blocks\.(\d+)\.")


def naming_of(names: Iterable[str]) -> Naming | None:
    """Whose names the tensors of a state dict have; None when they are no MobileNet's."""
    known = set(names)
    if "blocks.0.conv.weight" in known:
        return "ours"
    if "conv_stem.weight" in known:
        return "timm"
    return "torchvision" if "features.0.0.weight" in known else None


def block_count(names: Iterable[str], naming: Naming) -> int:
    """How many blocks, as our networks count them (stem and last convolution too), a state dict holds."""
    names = set(names)
    match naming:
        case "timm":
            last = "bn2.weight" in names  # V3 and V1 have their last block among the others
            return 1 + len(_timm_places(names)) + last
        case "torchvision":
            return len({found[1] for name in names if (found := _TORCHVISION_PLACE.match(name))})
        case "ours":
            return len({found[1] for name in names if (found := _OUR_PLACE.match(name))})


def module_names(arch: Arch, naming: Naming, names: Iterable[str]) -> dict[str, str]:
    """Our module names to theirs, e.g. `blocks.1.depthwise.norm` to `features.1.conv.0.1`.

    `names` are the tensors of the state dict: timm counts blocks by stage, and where a stage begins does not
    show in settled channel counts, but their order does. It must have as many blocks as `arch`.
    """
    match naming:
        case "torchvision":
            return dict(_torchvision(arch))
        case "timm":
            return dict(_timm(arch, _timm_places(names)))
        case "ours":
            return {name: name for name, _ in _torchvision(arch)}


def _timm_places(names: Iterable[str]) -> list[str]:
    """The prefixes `blocks.STAGE.BLOCK` in order."""
    places = {(int(found[1]), int(found[2])) for name in names if (found := _TIMM_PLACE.match(name))}
    return [f"blocks.{stage}.{block}" for stage, block in sorted(places)]


def _parts(layer: Layer) -> tuple[str, ...]:
    """What a block is made of, in order: expand, depthwise, squeeze, project."""
    return tuple(dict.fromkeys(op.name.partition(".")[0] for op in layer.ops))


def _torchvision(arch: Arch) -> Iterator[tuple[str, str]]:
    """Pairs for torchvision. V3 wraps every convolution of a block; V2 lays the last one flat."""
    third = bool(arch.head.hidden)
    *layers, _ = lower(arch)
    for index, layer in enumerate(layers):
        ours, theirs = f"blocks.{index}", f"features.{index}"
        if isinstance(layer.block, Conv):
            yield from _pair(ours, f"{theirs}.0", f"{theirs}.1")
            continue
        for place, part in enumerate(_parts(layer)):
            inner = f"{theirs}.{'block' if third else 'conv'}.{place}"
            if part == "squeeze":
                yield f"{ours}.squeeze.reduce", f"{inner}.fc1"
                yield f"{ours}.squeeze.expand", f"{inner}.fc2"
            elif part == "project" and not third:
                yield from _pair(f"{ours}.{part}", inner, f"{theirs}.conv.{place + 1}")
            else:
                yield from _pair(f"{ours}.{part}", f"{inner}.0", f"{inner}.1")
    if third:
        yield "head.hidden", "classifier.0"
    yield "head.classifier", "classifier.3" if third else "classifier.1"


def _timm(arch: Arch, places: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs for timm. Batch norms count from 1; the last 1x1 convolution of V2 stands outside the stages."""
    *layers, _ = lower(arch)
    yield from _pair("blocks.0", "conv_stem", "bn1")
    for index, layer in enumerate(layers[1:], start=1):
        ours = f"blocks.{index}"
        if index > len(places):
            yield from _pair(ours, "conv_head", "bn2")
            continue
        theirs = places[index - 1]
        if isinstance(layer.block, Conv):
            yield from _pair(ours, f"{theirs}.conv", f"{theirs}.bn1")
            continue
        expanded = "expand" in _parts(layer)
        names = {"expand": "conv_pw", "depthwise": "conv_dw", "pointwise": "conv_pw",
                 "project": "conv_pwl" if expanded else "conv_pw"}  # fmt: skip
        for count, part in enumerate((part for part in _parts(layer) if part != "squeeze"), start=1):
            yield from _pair(f"{ours}.{part}", f"{theirs}.{names[part]}", f"{theirs}.bn{count}")
        if "squeeze" in _parts(layer):
            yield f"{ours}.squeeze.reduce", f"{theirs}.se.conv_reduce"
            yield f"{ours}.squeeze.expand", f"{theirs}.se.conv_expand"
    if arch.head.hidden:
        yield "head.hidden", "conv_head"
    yield "head.classifier", "classifier"


def _pair(ours: str, conv: str, norm: str) -> Iterator[tuple[str, str]]:
    """A convolution and its batch norm."""
    yield f"{ours}.conv", conv
    yield f"{ours}.norm", norm
