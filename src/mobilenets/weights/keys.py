"""What torchvision and timm call the modules that our networks call `blocks.3.expand.conv` and so on."""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from mobilenets.arch.lower import Layer, Op, lower
from mobilenets.arch.spec import Arch, Attention, Block, Classifier, Conv, Fused, Head, Universal

Naming = Literal["ours", "torchvision", "timm"]
Pairs = Iterator[tuple[str, str]]
_TIMM_PLACE = re.compile(r"blocks\.(\d+)\.(\d+)\.")  # stage and block within the stage
_MNASNET_PLACE = re.compile(r"layers\.(\d+)\.(\d+)\.")
_TORCHVISION_PLACE = re.compile(r"features\.(\d+)\.")
_OUR_PLACE = re.compile(r"blocks\.(\d+)\.")
# Operations whose modules timm does not number through: convolution and norm, or one module with the weights
_UNIVERSAL = {"start": "dw_start", "expand": "pw_exp", "depthwise": "dw_mid", "project": "pw_proj"}
_ATTENTION: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "norm": ("norm",),
        "query": ("attn.query.proj",),
        "key_shrink": ("attn.key.down_conv", "attn.key.norm"),
        "key": ("attn.key.proj",),
        "value_shrink": ("attn.value.down_conv", "attn.value.norm"),
        "value": ("attn.value.proj",),
        "project": ("attn.output.proj",),
        "gain": ("layer_scale",),
    }
)


def naming_of(names: Iterable[str]) -> Naming | None:
    """Whose names the tensors of a state dict have; None when they are no MobileNet's."""
    known = set(names)
    if "blocks.0.conv.weight" in known:
        return "ours"
    if "conv_stem.weight" in known:
        return "timm"
    if "features.0.0.weight" in known or _is_mnasnet(known):
        return "torchvision"
    return None


def block_count(names: Iterable[str], naming: Naming) -> int:
    """How many blocks, as our networks count them (stem and last convolution too), a state dict holds."""
    names = set(names)
    match naming:
        case "timm":
            last = "bn2.weight" in names  # V3, V4 and V1 have their last block among the others
            return 1 + len(_places(_TIMM_PLACE, names)) + last
        case "torchvision" if _is_mnasnet(names):
            return len(_places(_MNASNET_PLACE, names)) + 3  # stem, separable block and last convolution
        case "torchvision":
            return len({found[1] for name in names if (found := _TORCHVISION_PLACE.match(name))})
        case "ours":
            return len({found[1] for name in names if (found := _OUR_PLACE.match(name))})


def module_names(arch: Arch, naming: Naming, names: Iterable[str]) -> dict[str, str]:
    """Our module names to theirs, e.g. `blocks.1.depthwise.norm` to `features.1.conv.0.1`.

    `names` are the tensors of the state dict: timm and torchvision's MNASNet count blocks by stage, and where
    a stage begins does not show in settled channel counts, but their order does. It must have as many blocks
    as `arch`.
    """
    names = set(names)
    ours = [module for name, op in lower(arch).named_ops() for module in _modules(name, op)]
    match naming:
        case "torchvision" if _is_mnasnet(names):
            theirs = dict(_mnasnet(arch, _places(_MNASNET_PLACE, names)))
        case "torchvision":
            theirs = dict(_torchvision(arch, third=any(".block." in name for name in names)))
        case "timm":
            theirs = dict(_timm(arch, _places(_TIMM_PLACE, names)))
        case "ours":
            theirs = {}
    # what they have no counterpart of keeps our name, which will not be found among theirs
    return {module: theirs.get(module, module) for module in ours}


def _is_mnasnet(names: Iterable[str]) -> bool:
    """Whether these are torchvision's MNASNet's, which has no `features`."""
    return {"layers.0.weight", "layers.3.weight", "layers.14.weight"} <= set(names)


def _places(pattern: re.Pattern[str], names: Iterable[str]) -> list[tuple[int, int]]:
    """Stage and block of every block that has two numbers, in order."""
    return sorted({(int(found[1]), int(found[2])) for name in names if (found := pattern.match(name))})


def _modules(name: str, op: Op) -> tuple[str, ...]:
    """Our modules that hold the weights of an operation."""
    if op.kind == "conv" and op.norm:
        return f"{name}.conv", f"{name}.norm"
    return (name,) if op.params else ()


def _parts(layer: Layer) -> dict[str, Op]:
    """What a block is made of, in order: expand, depthwise, squeeze, project and so on."""
    return {op.name.partition(".")[0]: op for op in layer.ops if op.params}


def _torchvision(arch: Arch, *, third: bool) -> Pairs:
    """Pairs for torchvision. V3 (`third`) wraps every convolution of a block; V2 lays the last one flat."""
    *layers, _ = lower(arch)
    for index, layer in enumerate(layers):
        ours, theirs = f"blocks.{index}", f"features.{index}"
        if isinstance(layer.block, Conv):
            yield from _pair(ours, f"{theirs}.0", f"{theirs}.1")
            continue
        for place, part in enumerate(_parts(layer)):
            inner = f"{theirs}.{'block' if third else 'conv'}.{place}"
            if part == "squeeze":
                yield from _squeeze(ours, f"{inner}.fc1", f"{inner}.fc2")
            elif part == "project" and not third:
                yield from _pair(f"{ours}.{part}", inner, f"{theirs}.conv.{place + 1}")
            else:
                yield from _pair(f"{ours}.{part}", f"{inner}.0", f"{inner}.1")
    if isinstance(arch.head, Classifier):
        yield "head.hidden", "classifier.0"
        yield "head.classifier", "classifier.3" if third else "classifier.1"


def _mnasnet(arch: Arch, places: list[tuple[int, int]]) -> Pairs:
    """Pairs for torchvision's MNASNet, which numbers convolutions, norms and activations in one row."""
    *layers, _ = lower(arch)
    yield from _pair("blocks.0", "layers.0", "layers.1")
    for index, layer in enumerate(layers[1:-1], start=1):
        stage, first = ("", 3) if index == 1 else ("{}.{}.layers.".format(*places[index - 2]), 0)
        for place, part in enumerate(_parts(layer)):
            conv = first + 3 * place  # the norm follows, then the activation
            yield from _pair(f"blocks.{index}.{part}", f"layers.{stage}{conv}", f"layers.{stage}{conv + 1}")
    yield from _pair(f"blocks.{len(layers) - 1}", "layers.14", "layers.15")
    yield "head.classifier", "classifier.1"


def _timm(arch: Arch, places: list[tuple[int, int]]) -> Pairs:
    """Pairs for timm. The last 1x1 convolution of V2 and MnasNet stands outside the stages."""
    *layers, _ = lower(arch)
    yield from _pair("blocks.0", "conv_stem", "bn1")
    for index, layer in enumerate(layers[1:], start=1):
        ours = f"blocks.{index}"
        if index > len(places):
            yield from _pair(ours, "conv_head", "bn2")
            continue
        stage, block = places[index - 1]
        for part, theirs in _timm_block(layer.block, _parts(layer)):
            yield f"{ours}{part}", f"blocks.{stage}.{block}.{theirs}"
    yield "head.hidden", "conv_head"
    yield from _pair("head.hidden", "conv_head", "norm_head")  # V4's has a norm
    yield "head.classifier", "classifier"


def _timm_block(block: Block | Head, parts: Mapping[str, Op]) -> Pairs:
    """The modules inside one block. Most have their batch norms counted from 1."""
    match block:
        case Conv():
            yield from _pair("", "conv", "bn1")
        case Attention():
            for part, op in parts.items():
                yield from zip(_modules(f".{part}", op), _ATTENTION[part], strict=True)
        case Universal():
            for part in _UNIVERSAL.keys() & parts.keys():
                yield from _pair(f".{part}", f"{_UNIVERSAL[part]}.conv", f"{_UNIVERSAL[part]}.bn")
            yield ".gain", "layer_scale"
        case _:
            yield from _timm_numbered(block, parts)


def _timm_numbered(block: Block | Head, parts: Mapping[str, Op]) -> Pairs:
    """Separable, inverted and fused blocks."""
    expand = "conv_exp" if isinstance(block, Fused) else "conv_pw"
    project = "conv_pwl" if "expand" in parts else "conv_pw"
    names = {"expand": expand, "depthwise": "conv_dw", "pointwise": "conv_pw", "project": project}
    for count, part in enumerate((part for part in parts if part != "squeeze"), start=1):
        yield from _pair(f".{part}", names[part], f"bn{count}")
    if "squeeze" in parts:
        yield from _squeeze("", "se.conv_reduce", "se.conv_expand")


def _squeeze(ours: str, reduce: str, expand: str) -> Pairs:
    """Both convolutions of squeeze-and-excitation."""
    yield f"{ours}.squeeze.reduce", reduce
    yield f"{ours}.squeeze.expand", expand


def _pair(ours: str, conv: str, norm: str) -> Pairs:
    """A convolution and its batch norm."""
    yield f"{ours}.conv", conv
    yield f"{ours}.norm", norm
