"""New networks from old ones, one change at a time.

Scaling a whole network by a width is not an edit: it is an argument of the functions in `arch.zoo`, where
each paper's rounding is known.
"""

from dataclasses import replace

from mobilenets.arch.lower import lower
from mobilenets.arch.spec import Arch, Block, Embedder, Fused, Inverted, Universal
from mobilenets.base.errors import ArchError


def swap(arch: Arch, index: int, block: Block) -> Arch:
    """Put `block` at `index`. Raises ArchError when there is no such block or the result cannot be."""
    _check(arch, index)
    return replace(arch, blocks=(*arch.blocks[:index], block, *arch.blocks[index + 1 :]))


def narrow(arch: Arch, index: int, hidden: int | None = None, out: int | None = None) -> Arch:
    """Fewer channels at `index`: inside the block (`hidden`), or at its output (`out`).

    A narrower output narrows every block that shares it through residuals, so that they survive (V3, section
    4.2, proposal types 1 and 2), and the hidden width of a following block that has no expansion.
    Where the new count happens to equal that of a neighbour at stride 1, the two become a residual.
    Raises ArchError when a count is not below the present one or the block has no such width.
    """
    _check(arch, index)
    if hidden is not None:
        arch = _narrow_hidden(arch, index, hidden)
    if out is not None:
        arch = _narrow_out(arch, index, out)
    return arch


def tied(arch: Arch, index: int) -> tuple[int, ...]:
    """The blocks whose outputs are added together with that of `index`, itself included."""
    layers = lower(arch)
    first, last = index, index
    while first > 0 and layers[first].residual:
        first -= 1
    while layers[last + 1].residual:  # the head, which comes last, is none
        last += 1
    return tuple(range(first, last + 1))


def classes(arch: Arch, count: int) -> Arch:
    """The same network for another number of classes; an embedder has none."""
    return arch if isinstance(arch.head, Embedder) else replace(arch, head=replace(arch.head, classes=count))


def at(arch: Arch, resolution: int) -> Arch:
    """The same network for another input side in pixels."""
    return replace(arch, resolution=resolution)


def _narrow_hidden(arch: Arch, index: int, hidden: int) -> Arch:
    """Fewer channels between expansion and projection."""
    block = arch.blocks[index]
    if not isinstance(block, Inverted | Fused | Universal) or (
        isinstance(block, Inverted) and not block.expand
    ):
        raise ArchError(f"blocks[{index}] has no expansion to narrow; narrow its output instead")
    if not 0 < hidden < block.hidden:
        raise ArchError(
            f"blocks[{index}].hidden is {block.hidden}; {hidden} is not from 1 to {block.hidden - 1}"
        )
    return swap(arch, index, _with_hidden(block, hidden))


def _narrow_out(arch: Arch, index: int, out: int) -> Arch:
    """Fewer channels at the output of a block and of all that share it."""
    if not 0 < out < arch.blocks[index].out:
        present = arch.blocks[index].out
        raise ArchError(f"blocks[{index}].out is {present}; {out} is not from 1 to {present - 1}")
    blocks = list(arch.blocks)
    shared = tied(arch, index)
    if shared[0] == 0 and lower(arch)[0].residual:
        raise ArchError(f"blocks[{index}].out is added to the image itself; it cannot be narrower")
    for i in shared:
        blocks[i] = replace(blocks[i], out=out)
    for i in (*shared, shared[-1] + 1):
        if i > shared[0] and i < len(blocks):
            following = blocks[i]
            if isinstance(following, Inverted) and not following.expand:
                blocks[i] = _with_hidden(following, out)
    return replace(arch, blocks=tuple(blocks))


def _with_hidden(block: Inverted | Fused | Universal, hidden: int) -> Block:
    """The block with other hidden channels; squeeze-and-excitation keeps its share of them."""
    if not isinstance(block, Inverted):
        return replace(block, hidden=hidden)
    squeeze = max(1, block.squeeze * hidden // block.hidden) if block.squeeze else 0
    return replace(block, hidden=hidden, squeeze=squeeze)


def _check(arch: Arch, index: int) -> None:
    """Raise ArchError when there is no block at `index`."""
    if not 0 <= index < len(arch.blocks):
        raise ArchError(f"{arch.name} has blocks 0 to {len(arch.blocks) - 1}, no blocks[{index}]")
