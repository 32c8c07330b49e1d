"""The heads of the papers' other tasks, put on any classifier of the zoo: `with_head(arch, "detect", 3)`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from math import sqrt
from types import MappingProxyType
from typing import Any

from mobilenets.arch.lower import lower
from mobilenets.arch.spec import (
    LRASPP,
    Arch,
    Block,
    Classifier,
    Conv,
    DeepLab,
    Embedder,
    Fused,
    Inverted,
    Sizes,
    SSDLite,
    Universal,
    check_task,
)
from mobilenets.arch.zoo import find, side_of
from mobilenets.arch.zoo.rounding import make_divisible
from mobilenets.arch.zoo.strides import at_output_stride
from mobilenets.base.errors import ArchError, UnknownName, UsageError

READINGS = ("tensorflow", "torchvision")
EXTRAS = (512, 256, 256, 128)
# Of the image's side, from the finest map to the coarsest, and what follows it (SSD, section 2.2).
SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
VECTOR = 128  # entries of an embedding


def named(name: str) -> Arch | None:
    """The detector or segmenter that torchvision calls `name`, with the classes of its weights; else None.

    COCO's 90 classes to detect; Pascal VOC's 20 and the background to segment.
    """
    large = "mobilenet_v3_large"
    match name:
        case "ssdlite320_mobilenet_v3_large":
            arch = find(large, resolution=320)
            arch = replace(arch, dialect=replace(arch.dialect, norm_momentum=0.03))
            return ssdlite(arch, 90, reading="torchvision", halved=True)
        case "lraspp_mobilenet_v3_large":
            return lraspp(find(large, resolution=520), 21, reading="torchvision")
        case "deeplabv3_mobilenet_v3_large":
            return deeplab(find(large, resolution=520), 21)
        case _:
            return None


def called(
    name: str, width: float | None = None, resolution: int | None = None, dialect: str | None = None
) -> Arch:
    """The network of a name: a classifier of the zoo, at 224 pixels if not given, or a detector or segmenter
    as torchvision names them, at its own.

    Raises UnknownName; UsageError for a width or dialect of the latter, which have theirs.
    """
    arch = named(name)
    if arch is None:
        return find(name, width, side_of(resolution), dialect=dialect)
    if width is not None or dialect is not None:
        raise UsageError(f"{name} has a width and dialect of its own; leave --width and --dialect out")
    return replace(arch, resolution=side_of(resolution, arch.resolution))


def with_head(arch: Arch, task: str, classes: int, head: str | None = None, **options: Any) -> Arch:
    """`arch` with a head for a task in place of its own: the first of `HEADS`, or the one called `head`.

    `options` are those of the function of that name here.
    Raises UnknownName for another task or head, UsageError for an option that the head does not have,
    ArchError where the blocks cannot carry the head.
    """
    check_task(task)
    if task == "classify":
        _refuse_options("a classifier", {"head": head, **options})
        return replace(arch, head=replace(arch.classifier, classes=classes))
    makers = HEADS[task]
    name = head or next(iter(makers))
    if name not in makers:
        raise UnknownName(f"head to {task}", name, makers)
    known = signature(makers[name]).parameters
    _refuse_options(name, {key: value for key, value in options.items() if key not in known})
    return makers[name](arch, *([classes] if "classes" in known else []), **options)


def _refuse_options(what: str, options: Mapping[str, Any]) -> None:
    """Raise UsageError for options that are given."""
    if spare := [key for key, value in options.items() if value is not None]:
        raise UsageError(f"{what} has no {' and no '.join(spare)}; leave it out")


def ssdlite(
    arch: Arch,
    classes: int,
    *,
    reading: str = "tensorflow",
    halved: bool = False,
    scales: Sequence[float] = SCALES,
    extras: Sequence[int] = EXTRAS,
) -> Arch:
    """SSDLite on the map at stride 16, the last map and four that follow (V2, section 6.2; V3, section 6.3).

    At stride 16 the expansion before the last halving is read, where the blocks have one.
    `reading` "tensorflow" scores each class by itself and has three boxes at each pixel of the finest map,
    the least of half the scale; "torchvision" has a background class and six boxes everywhere. `halved`
    halves the channels behind stride 16 (V3, table 6). `scales` are the sizes of the boxes as shares of the
    image, one for each map and one more.
    """
    if reading not in READINGS:
        raise UnknownName("reading of SSDLite", reading, READINGS)
    arch = halve(arch) if halved else arch
    maps = 2 + len(extras)
    if len(scales) != maps + 1:
        raise ArchError(f"SSDLite on {maps} maps needs {maps + 1} scales, got {len(scales)}")
    sizes = [_sizes(scale, scales[index + 1]) for index, scale in enumerate(scales[:-1])]
    if reading == "tensorflow":
        sizes[0] = _finest_sizes(scales[0])
    else:
        sizes = [(one, extra, two, half, three, third) for one, two, half, three, third, extra in sizes]
    head = SSDLite(
        classes=classes,
        taps=(fine_tap(arch, 16), f"blocks.{len(arch.blocks) - 1}"),
        extras=tuple(extras),
        anchors=tuple(sizes),
        scoring="sigmoid" if reading == "tensorflow" else "softmax",
    )
    return replace(arch, head=head)


def lraspp(
    arch: Arch,
    classes: int,
    *,
    reading: str = "tensorflow",
    output_stride: int = 16,
    halved: bool = False,
    channels: int = 128,
) -> Arch:
    """Lite R-ASPP on the last map and a finer one at stride 8 (V3, section 6.4).

    `reading` "tensorflow" takes the filtered expansion of the last block at stride 8 (tensorflow/models
    research/deeplab), "torchvision" the first output there (its lraspp.py). The last map is kept at
    `output_stride`. `halved` halves the channels of the last stage ("RF2" in V3, table 7). Networks whose
    last layer only widens the map for a classifier (V2's) go without it.
    """
    if reading not in READINGS:
        raise UnknownName("reading of LR-ASPP", reading, READINGS)
    fine = f"blocks.{_first_at(arch, 8)}" if reading == "torchvision" else _filtered_tap(arch, 8)
    arch = _dense(arch, output_stride, halved=halved)  # behind: at stride 8 every later block is at 8
    taps = (fine, f"blocks.{len(arch.blocks) - 1}")
    return replace(arch, head=LRASPP(classes, taps, channels))


def deeplab(
    arch: Arch,
    classes: int,
    *,
    output_stride: int = 16,
    rates: Sequence[int] = (12, 24, 36),
    refine: bool = True,
    dropout: float = 0.5,
    channels: int = 256,
    halved: bool = False,
) -> Arch:
    """DeepLabv3 as torchvision has it on V3-Large; see `raspp` for the form without spread convolutions."""
    arch = _dense(arch, output_stride, halved=halved)
    taps = (f"blocks.{len(arch.blocks) - 1}",)
    return replace(arch, head=DeepLab(classes, taps, channels, tuple(rates), refine, dropout))


def raspp(arch: Arch, classes: int, *, output_stride: int = 16, halved: bool = False) -> Arch:
    """R-ASPP: a 1x1 convolution beside the image's mean, 256 channels each (V2, section 6.3; V3, table 7)."""
    return deeplab(
        arch, classes, output_stride=output_stride, rates=(), refine=False, dropout=0.0, halved=halved
    )


def embedder(arch: Arch, *, size: int = VECTOR, dropout: float = 0.0) -> Arch:
    """A vector of `size` entries and length 1 for each image."""
    return replace(arch, head=Embedder(size, dropout))


HEADS: Mapping[str, Mapping[str, Callable[..., Arch]]] = MappingProxyType(
    {
        "detect": {"ssdlite": ssdlite},
        "segment": {"lraspp": lraspp, "raspp": raspp, "deeplab": deeplab},
        "embed": {"embedder": embedder},
    }
)


def fine_tap(arch: Arch, stride: int) -> str:
    """The widest map at `stride`: the expansion of the block that halves it, else the last output there."""
    *layers, _ = lower(arch)
    last = max((i for i, layer in enumerate(layers) if _stride(arch, i) == stride), default=None)
    if last is None or last + 1 == len(layers):
        raise ArchError(f"{arch.name} has no map at stride {stride} before its last; use another network")
    following = layers[last + 1]
    expands = any(op.name == "expand" and op.side_out == layers[last].side for op in following.ops)
    expands = expands and not isinstance(following.block, Fused)
    return f"blocks.{last + 1}.expand" if expands else f"blocks.{last}"


def _filtered_tap(arch: Arch, stride: int) -> str:
    """The depthwise output of the last block at `stride`; its own output where it is built otherwise."""
    last = max((index for index in range(len(arch.blocks)) if _stride(arch, index) == stride), default=None)
    if last is None:
        raise ArchError(f"{arch.name} has no map at stride {stride}; use another network")
    return f"blocks.{last}.depthwise" if isinstance(arch.blocks[last], Inverted) else f"blocks.{last}"


def halve(arch: Arch, *, expansion: bool = False) -> Arch:
    """Half the channels behind stride 16 (V3, section 6.3; torchvision's `reduced_tail`).

    The block that halves the map keeps its expansion, which detectors read, unless `expansion` says otherwise
    (as for segmentation).
    """
    blocks: list[Block] = list(arch.blocks)
    start = _first_at(arch, 32)
    for index in range(start, len(blocks)):
        block = replace(blocks[index], out=make_divisible(blocks[index].out / 2))
        if isinstance(block, Inverted | Universal | Fused) and (expansion or index > start):
            hidden = make_divisible(block.hidden / 2)
            if isinstance(block, Inverted) and block.squeeze:
                block = replace(block, squeeze=make_divisible(block.squeeze / 2))
            block = replace(block, hidden=hidden)
        blocks[index] = block
    return replace(arch, blocks=tuple(blocks))


def _sizes(scale: float, following: float) -> Sizes:
    """Widths and heights at a scale: ratios 1, 2, 1/2, 3 and 1/3, and a square half way to the next scale."""
    boxes = [(scale * sqrt(ratio), scale / sqrt(ratio)) for ratio in (1, 2, 1 / 2, 3, 1 / 3)]
    boxes.append((sqrt(scale * following),) * 2)
    return tuple([(min(1.0, width), min(1.0, height)) for width, height in boxes])


def _finest_sizes(scale: float) -> Sizes:
    """A square of half the scale, ratios 2 and 1/2 at it (TensorFlow's reduce_boxes_in_lowest_layer)."""
    return ((scale / 2, scale / 2), *_sizes(scale, scale)[1:3])


def _dense(arch: Arch, output_stride: int, *, halved: bool) -> Arch:
    """The backbone of a segmenter: without a last 1x1 convolution that only feeds a classifier (V2's, whose
    head has no hidden layer), perhaps halved, its last map at a stride.
    """
    last, head = arch.blocks[-1], arch.head
    feeds = isinstance(head, Classifier) and not head.hidden
    if feeds and isinstance(last, Conv) and last.kernel == 1:
        arch = replace(arch, blocks=arch.blocks[:-1])
    arch = halve(arch, expansion=True) if halved else arch
    return at_output_stride(arch, output_stride) if output_stride != 32 else arch


def _first_at(arch: Arch, stride: int) -> int:
    """The first block whose output is smaller than the image by `stride`."""
    for index in range(len(arch.blocks)):
        if _stride(arch, index) == stride:
            return index
    raise ArchError(f"{arch.name} has no map at stride {stride}; use another network")


def _stride(arch: Arch, index: int) -> int:
    """What the output of a block is smaller than the image by."""
    product = 1
    for block in arch.blocks[: index + 1]:
        product *= block.stride
    return product
