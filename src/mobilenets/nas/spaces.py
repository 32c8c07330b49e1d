"""The papers' search spaces, each a function of the network that it is laid around, and spaces as JSON.

A space keeps the seed's stem, last layer and head, and the strides and activations of its stages; `Part` says
what is decided about the blocks of one stage.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from mobilenets.arch import codec, lower, zoo
from mobilenets.arch.edit import at
from mobilenets.arch.reading import expect, expect_each, expect_keys, expect_schema, parse
from mobilenets.arch.spec import Arch, Block, Conv, Inverted, Universal
from mobilenets.arch.widths import scaled
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.arch.zoo.rounding import make_divisible
from mobilenets.base.errors import UnknownName, UsageError, shown
from mobilenets.nas.parts import Options, Part, composed, parts_of
from mobilenets.nas.space import Decision, Genotype, Option, Space

SCHEMA = 1
WIDTHS = (0.35, 0.5, 0.75, 1.0)
RESOLUTIONS = (96, 128, 160, 192, 224)
FILTERS = (0.75, 1.0, 1.25)  # of the seed's, for every stage (MnasNet, section 4.1)
DEEPER = (-1, 0, 1)  # blocks more than the seed's, likewise
BLOCKS = ("0-3", "0-5", "3-0", "5-0", "3-3", "3-5", "5-3", "5-5", "0-0")  # V4's: kernels before and after


def mnasnet(seed: Arch) -> Space:
    """MnasNet's factorised hierarchical space (arXiv 1807.11626, section 4.1) around a seed, V2 in the paper.

    For every stage: the operation (a convolution, a depthwise separable one, inverted bottlenecks of
    expansion 3 and 6), kernel, squeeze-and-excitation with a quarter of the input's channels, whether blocks
    add their inputs, filters and layers. The paper's third way to skip, pooling, is left out; so are
    squeeze-and-excitation and skips for the plain convolution. Raises UsageError for a seed without inverted
    bottlenecks.
    """
    return _laid("mnasnet", seed, Inverted, _mnasnet_part)


def v3(seed: Arch) -> Space:
    """The layer-wise space of MobileNetV3's kind (TuNAS, arXiv 2008.06120, table 1): for every block kernel
    3, 5 or 7, expansion 1 to 6 and squeeze-and-excitation; for every stage filters, layers, and ReLU or
    h-swish. Raises UsageError for a seed without inverted bottlenecks.
    """
    return _laid("v3", seed, Inverted, _v3_part)


def v3_strides(seed: Arch) -> Space:
    """`v3` in which every stage that halves its maps may also leave them as they are: what was drawn for 224
    pixels ends in maps of 2 x 2 at 64. Raises UsageError as `v3`.
    """
    return _laid("v3_strides", seed, Inverted, partial(_v3_part, striding=True))


def v4(seed: Arch) -> Space:
    """MobileNetV4's second search (arXiv 2404.10518, section 5) and its first in one: for every block which
    depthwise layers it has, before and after the expansion, and how far it expands; for every stage filters
    and layers. Raises UsageError for a seed without universal bottlenecks.
    """
    return _laid("v4", seed, Universal, _v4_part)


def width(seed: Arch) -> Space:
    """The uniform width multiplier: by the rule of the seed's own paper where the seed is of the zoo."""
    wider = partial(_wider, seed)

    def simplify(genotype: Genotype) -> Genotype:
        """The first width that rounds to the same channels."""
        wanted = lower(wider(WIDTHS[genotype[0]]))
        same = (k for k, share in enumerate(WIDTHS) if _alike(lower(wider(share)), wanted))
        return (next(same),)

    decisions = (Decision("width", WIDTHS),)
    return Space("width", decisions, lambda values: wider(float(values["width"])), simplify, seed)


def resolution(seed: Arch) -> Space:
    """The resolution multiplier: one network at several input sides."""
    decisions = (Decision("resolution", RESOLUTIONS),)
    return Space("resolution", decisions, lambda values: at(seed, int(values["resolution"])), seed=seed)


SPACES: Mapping[str, Callable[[Arch], Space]] = MappingProxyType(
    {
        "mnasnet": mnasnet,
        "v3": v3,
        "v3_strides": v3_strides,
        "v4": v4,
        "width": width,
        "resolution": resolution,
    }
)
HOMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mnasnet": ("mobilenet_v2", "mnasnet_small"),
        "v3": ("mobilenet_v3_small", "mobilenet_v3_large"),
        "v3_strides": ("mobilenet_v3_small", "mobilenet_v3_large"),
        "v4": ("mobilenet_v4_conv_small",),
    }
)


def space_around(name: str, seed: Arch) -> Space:
    """The space called `name` around a seed. Raises UnknownName, UsageError for another seed."""
    if name not in SPACES:
        raise UnknownName("space", name, SPACES)
    if seed.head.taps:
        raise UsageError(
            f"a space is laid around a classifier, {seed.name} is there to {seed.head.task}; "
            "other heads are put onto what was found"
        )
    return SPACES[name](seed)


def at_resolutions(space: Space, sides: Sequence[int]) -> Space:
    """The same space with the input side to be chosen too. Raises UsageError."""
    last = len(space.decisions)

    def build(values: Mapping[str, Option]) -> Arch:
        """The network at its side."""
        rest = {name: option for name, option in values.items() if name != "resolution"}
        return at(space.build(rest), int(values["resolution"]))

    def simplify(genotype: Genotype) -> Genotype:
        """Sides are never the same."""
        return (*space.canonical(genotype[:last]), genotype[last])

    decisions = (*space.decisions, Decision("resolution", tuple(sides)))
    seed, start = space.seed, space.start
    if seed and start:
        start = {**start, "resolution": min(sides, key=lambda side: abs(side - seed.resolution))}
    return Space(space.name, decisions, build, simplify, seed, space.places, start)


def dumps(space: Space, indent: int | None = None) -> str:
    """A space of SPACES, with whatever was left out of it, as JSON text. Raises UsageError for any other."""
    return json.dumps(document(space), indent=indent)


def document(space: Space) -> dict[str, Any]:
    """A space as plain data."""
    if space.name not in SPACES or space.seed is None:
        raise UsageError(
            f"the space {shown(space.name)} is none of {', '.join(SPACES)}; only these have JSON"
        )
    return {
        "schema": SCHEMA,
        "space": space.name,
        "seed": codec.encode(space.seed),
        "options": {decision.name: list(decision.options) for decision in space.decisions},
    }


def loads(text: str | bytes) -> Space:
    """The space in JSON text; `options` may be of some decisions only. Raises ArchError naming the path of
    whatever is wrong, UnknownName and UsageError for what does not belong to the space.
    """
    found = parse(text, "space")
    expect_schema(found, "space", SCHEMA)
    expect_keys(found, "space", ("schema", "space", "seed", "options"), required=("schema", "space", "seed"))
    expect(found["space"], "space", str)
    options = found.get("options", {})
    expect(options, "options", dict)
    for name, several in options.items():
        expect(several, f"options.{name}", list)
    whole = space_around(found["space"], codec.decode(found["seed"]))
    if "resolution" in options and whole.name != "resolution":
        expect_each(options["resolution"], "options.resolution", int)
        whole = at_resolutions(whole, options["resolution"])
    return whole.limited(options)


def _laid(name: str, seed: Arch, kind: type[Block], part: Callable[[str, Sequence[Any]], Part]) -> Space:
    """A space of one part for each stage that is all of one kind of block. Raises UsageError without any."""
    parts = list(parts_of(seed, kind, part))
    if not any(one.decisions for one in parts):
        raise UsageError(
            f"{seed.name} has no stage that the space {shown(name)} knows; {', '.join(HOMES[name])} have"
        )
    return composed(name, seed, parts)


def _stage(name: str, members: Sequence[Block]) -> tuple[Decision, Decision]:
    """What all stages decide: filters and layers, as numbers."""
    filters = dict.fromkeys(make_divisible(members[0].out * share) for share in FILTERS)
    layers = dict.fromkeys(max(1, len(members) + more) for more in DEEPER)
    return Decision(f"{name}.filters", tuple(filters)), Decision(f"{name}.layers", tuple(layers))


def _mnasnet_part(name: str, members: Sequence[Inverted]) -> Part:
    """One block of MnasNet's space: its layers share everything, the first strides."""
    first = members[0]

    def blocks(options: Options, channels: int) -> tuple[Block, ...]:
        """The layers."""
        operation, kernel, squeeze, skip, filters, layers = options
        found: list[Block] = []
        for index in range(int(layers)):
            cin, stride = (int(filters), 1) if index else (channels, first.stride)
            if operation == "conv":
                found.append(Conv(int(kernel), int(filters), stride, first.activation))
                continue
            expansion = {"separable": 1, "bottleneck3": 3, "bottleneck6": 6}[str(operation)]
            found.append(Inverted(
                int(kernel), expansion * cin, int(filters), stride, first.activation,
                squeeze=max(1, int(float(squeeze) * cin)) if squeeze else 0, expand=expansion > 1,
                gate="sigmoid", residual=skip == "identity",
            ))  # fmt: skip
        return tuple(found)

    filters, layers = _stage(name, members)
    decisions = (
        Decision(f"{name}.operation", ("conv", "separable", "bottleneck3", "bottleneck6")),
        Decision(f"{name}.kernel", (3, 5)),
        Decision(f"{name}.squeeze", (0, 0.25)),
        Decision(f"{name}.skip", ("none", "identity")),
        filters,
        layers,
    )
    return Part(decisions, blocks, tuple(members))


def _v3_part(name: str, members: Sequence[Inverted], striding: bool = False) -> Part:
    """A stage of V3's kind: every block has its own kernel, expansion and squeeze-and-excitation; if
    `striding`, the stage has its stride.
    """
    first = members[0]
    strides = (1, first.stride) if striding and first.stride > 1 else (first.stride,)
    stage = (*_stage(name, members), Decision(f"{name}.activation", ("relu", "hardswish")))
    most = int(stage[1].options[-1])
    own = [
        (Decision(f"{name}.{index}.kernel", (3, 5, 7)),
         Decision(f"{name}.{index}.expansion", (1, 2, 3, 4, 5, 6)),
         Decision(f"{name}.{index}.squeeze", (0, 1)))
        for index in range(most)
    ]  # fmt: skip
    decisions = (*stage, *(decision for block in own for decision in block))

    def blocks(options: Options, channels: int) -> tuple[Block, ...]:
        """The blocks that are there."""
        filters, layers, activation = options[:3]
        stride = int(options[-1]) if len(strides) > 1 else first.stride
        found = []
        for index in range(int(layers)):
            kernel, expansion, squeeze = options[3 + 3 * index : 6 + 3 * index]
            cin, step = (int(filters), 1) if index else (channels, stride)
            hidden = cin * int(expansion)
            found.append(Inverted(
                int(kernel), hidden, int(filters), step, cast("Any", activation),
                squeeze=make_divisible(hidden / 4) if squeeze else 0, expand=expansion != 1,
                gate=first.gate, squeeze_activation=first.squeeze_activation,
            ))  # fmt: skip
        return tuple(found)

    if len(strides) > 1:
        decisions = (*decisions, Decision(f"{name}.stride", strides))
    return Part(decisions, blocks, tuple(members))


def _v4_part(name: str, members: Sequence[Universal]) -> Part:
    """A stage of V4's kind: every block has its own depthwise layers and expansion."""
    first = members[0]
    stage = _stage(name, members)
    most = int(stage[1].options[-1])

    def blocks(options: Options, channels: int) -> tuple[Block, ...]:
        """The blocks that are there."""
        filters, layers = options[:2]
        found = []
        for index in range(int(layers)):
            kernels, expansion = options[2 + 2 * index : 4 + 2 * index]
            start, kernel = map(int, str(kernels).split("-"))
            cin, like = (int(filters), members[-1]) if index else (channels, first)
            stride = 1 if index else first.stride
            found.append(replace(like, start=start, kernel=kernel, hidden=cin * int(expansion),
                                 out=int(filters), stride=stride))  # fmt: skip
        return tuple(found)

    strides = BLOCKS[:-1] if first.stride > 1 else BLOCKS
    own = [
        (Decision(f"{name}.{index}.depthwise", BLOCKS if index else strides),
         Decision(f"{name}.{index}.expansion", (2, 3, 4, 6)))
        for index in range(most)
    ]  # fmt: skip
    return Part((*stage, *(decision for block in own for decision in block)), blocks, tuple(members))


def _wider(seed: Arch, share: float) -> Arch:
    """The seed at a width."""
    fixed: dict[str, Any] = {
        "resolution": seed.resolution, "classes": seed.classifier.classes, "dialect": seed.dialect.name
    }  # fmt: skip
    try:
        known = (1.0, 0.25, *zoo.WIDTHS, 1.5) if seed.name in FAMILIES else ()
        own = next((width for width in known if find(seed.name, width, **fixed) == seed), None)
        return find(seed.name, own * share, **fixed) if own else scaled(seed, share)
    except UsageError:  # a family without a width multiplier
        return scaled(seed, share)


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two networks compute the same."""
    return len(one) == len(other) and all(
        a.ops == b.ops and a.residual == b.residual for a, b in zip(one, other, strict=True)
    )
