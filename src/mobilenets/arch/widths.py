"""Which channel counts of a network can be changed, which must stay equal, and what follows from them.

Changing counts neither makes nor ends a residual: what the network computes stays what it was, on other
channels. NetAdapt narrows by these names; `nn.transplant` fills the result.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from mobilenets.arch.lower import Layer, lower, lower_block
from mobilenets.arch.spec import (
    LRASPP,
    Arch,
    Block,
    Classifier,
    Conv,
    DeepLab,
    Embedder,
    Fused,
    Head,
    Inverted,
    Separable,
    SSDLite,
    Universal,
)
from mobilenets.arch.zoo.rounding import make_divisible
from mobilenets.base.errors import ArchError, shown


@dataclass(frozen=True)
class Width:
    """One set of channels that must stay equal and can be fewer, down to `least`.

    `blocks.3.hidden` is the width inside a block: its expansion, depthwise layer and share of the
    squeeze-and-excitation. `blocks.5.out` is the output that blocks 5, 6, ... add together, named by the
    first. `head.hidden`, `head.channels` and `head.extras.0` are fields of the head.
    """

    name: str
    channels: int
    least: int = 1


def widths(arch: Arch) -> tuple[Width, ...]:
    """Every width that can be narrower, in the order of the network.

    Convolutions in groups, the heads of attention, what is added to the image itself, and what a head gives
    keep their channels.
    """
    layers, firsts = lower(arch), first_of_ties(arch)
    fixed = {firsts[index - 1] for index, block in enumerate(arch.blocks) if index and _grouped(block)}
    if layers[0].residual:
        fixed.add(0)
    found = []
    for index, block in enumerate(arch.blocks):
        if expanded(block) and not _grouped(block):
            found.append(Width(f"blocks.{index}.hidden", expanded(block)))
        if firsts[index] == index and index not in fixed:
            found.append(Width(f"blocks.{index}.out", block.out))
    return tuple([width for width in (*found, *_of_head(arch.head)) if width.channels > width.least])


def narrowed(arch: Arch, counts: Mapping[str, int]) -> Arch:
    """The network with the widths of these names at these counts, and all that follows from them.

    Squeeze-and-excitation keeps its share of the channels that it scales. A block that comes to give as many
    channels as it reads goes on without adding them.
    Raises ArchError for a name that `widths` does not have, or a count that is not from least to present.
    """
    known = {width.name: width for width in widths(arch)}
    for name, count in counts.items():
        if name not in known:
            raise ArchError(f"{arch.name} has no width {shown(name)} that can be narrower; see widths(arch)")
        width = known[name]
        if type(count) is not int or not width.least <= count <= width.channels:
            raise ArchError(
                f"{name} is {width.channels}; {shown(count)} is not from {width.least} to {width.channels}"
            )
    return resized(arch, counts)


def scaled(arch: Arch, factor: float, multiple: int = 8) -> Arch:
    """All widths times `factor`, rounded to a multiple as the zoo does; none crosses its present count.

    The uniform width multiplier for a network that is no longer a row of a paper's table (one that was
    adapted): same blocks, same residuals. `arch.zoo` has each paper's own rule for its own table.
    Raises ArchError for a factor or multiple that is not above 0.
    """
    if not factor > 0 or type(multiple) is not int or multiple < 1:
        raise ArchError(f"factor and multiple must be above 0, got {shown(factor)} and {shown(multiple)}")
    limit = min if factor <= 1 else max
    return resized(
        arch,
        {
            width.name: limit(
                width.channels, max(width.least, make_divisible(width.channels * factor, multiple))
            )
            for width in widths(arch)
        },
    )


def sharing(arch: Arch) -> tuple[tuple[str, ...], ...]:
    """The names of all bottlenecks of one resolution that can be narrower, where there are two or more.

    Finest resolution first. V3's second type of proposal narrows bottlenecks of one size, whose outputs are
    added (section 4.2), which is one width here; to narrow all of one resolution at once is ours. A plain
    convolution, which is the stem or the last layer, is no bottleneck.
    """
    known = {width.name for width in widths(arch)}
    groups: dict[int, list[str]] = {}
    for index, layer in enumerate(lower(arch)[:-1]):
        name = f"blocks.{index}.out"
        if name in known and not isinstance(layer.block, Conv):
            groups.setdefault(layer.side, []).append(name)
    return tuple([tuple(names) for names in groups.values() if len(names) > 1])


def first_of_ties(arch: Arch) -> tuple[int, ...]:
    """For every block, the first of those whose outputs are added together with its own."""
    firsts: list[int] = []
    for index, layer in enumerate(lower(arch)[:-1]):
        firsts.append(firsts[-1] if layer.residual and firsts else index)
    return tuple(firsts)


def expanded(block: Block) -> int:
    """The channels between expansion and projection that are a block's own; 0 where it has none."""
    own = isinstance(block, Fused | Universal) or (isinstance(block, Inverted) and block.expand)
    return block.hidden if own else 0  # type: ignore[union-attr]


def resized(arch: Arch, counts: Mapping[str, int]) -> Arch:
    """`narrowed` without its checks; counts may also be larger."""
    firsts, channels = first_of_ties(arch), 3
    blocks: list[Block] = []
    for index, (block, layer) in enumerate(zip(arch.blocks, lower(arch), strict=False)):
        hidden = counts.get(f"blocks.{index}.hidden", 0) if expanded(block) else channels
        block = _with_hidden(block, hidden) if hidden else block
        block = replace(block, out=counts.get(f"blocks.{firsts[index]}.out", block.out))
        blocks.append(_as_before(block, channels, layer))
        channels = block.out
    return replace(arch, blocks=tuple(blocks), head=_head_at(arch.head, counts))


def _as_before(block: Block, channels: int, layer: Layer) -> Block:
    """The block, which may not add its input of `channels` if it did not in `layer`."""
    if layer.residual or isinstance(block, Conv | Separable):
        return block
    adds = lower_block(block, channels, layer.ops[0].side_in).residual
    return replace(block, residual=False) if adds else block


def _with_hidden(block: Block, hidden: int) -> Block:
    """The block, where it has hidden channels, with so many."""
    match block:
        case Inverted():
            return replace(block, hidden=hidden, squeeze=_share(block.squeeze, block.hidden, hidden))
        case Fused() | Universal():
            return replace(block, hidden=hidden)
        case _:
            return block


def _share(squeeze: int, before: int, after: int) -> int:
    """Channels inside squeeze-and-excitation that scales `after` channels, `squeeze` for `before`.

    Multiples of 8 stay such and are rounded as V3 rounds them (arch.zoo.rounding); 0 stays 0.
    """
    if squeeze % 8:
        return max(1, squeeze * after // before)
    return make_divisible(squeeze * after / before) if squeeze else 0


def _grouped(block: Block) -> bool:
    """Whether a block reads its input in groups, which need as many channels as they have."""
    return isinstance(block, Fused) and block.groups > 1


def _of_head(head: Head) -> Iterator[Width]:
    """The widths of a head: neither what it gives nor what it reads."""
    match head:
        case Classifier():
            yield Width("head.hidden", head.hidden)
        case SSDLite():
            for index, channels in enumerate(head.extras):
                yield Width(f"head.extras.{index}", channels, least=2)
        case LRASPP() | DeepLab():
            yield Width("head.channels", head.channels)
        case Embedder():
            return
        case _:
            assert_never(head)


def _head_at(head: Head, counts: Mapping[str, int]) -> Head:
    """The head with other counts of some widths."""
    match head:
        case Classifier():
            return replace(head, hidden=counts.get("head.hidden", head.hidden))
        case SSDLite():
            extras = [counts.get(f"head.extras.{i}", channels) for i, channels in enumerate(head.extras)]
            return replace(head, extras=tuple(extras))
        case LRASPP() | DeepLab():
            return replace(head, channels=counts.get("head.channels", head.channels))
        case Embedder():
            return head
        case _:
            assert_never(head)
