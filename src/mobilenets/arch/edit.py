"""New networks from old ones, one change at a time.

Scaling a whole network by a width is not an edit: it is an argument of the functions in `arch.zoo`, where
each paper's rounding is known (`arch.widths.scaled` scales what is no row of a paper). `arch.widths` says
which widths there are, and narrows several at once.
"""

from dataclasses import replace

from mobilenets.arch.lower import lower
from mobilenets.arch.spec import Arch, Block, Embedder
from mobilenets.arch.widths import expanded, first_of_ties, resized
from mobilenets.base.errors import ArchError


def swap(arch: Arch, index: int, block: Block) -> Arch:
    """Put `block` at `index`. Raises ArchError when there is no such block or the result cannot be."""
    _check(arch, index)
    return replace(arch, blocks=(*arch.blocks[:index], block, *arch.blocks[index + 1 :]))


def narrow(arch: Arch, index: int, hidden: int | None = None, out: int | None = None) -> Arch:
    """Fewer channels at `index`: inside the block (`hidden`), or at its output (`out`).

    A narrower output narrows every block that shares it through residuals, so that they survive (V3, section
    4.2, proposal types 1 and 2), and the hidden width of a following block that has no expansion.
    A block that comes to give as many channels as it reads goes on without adding them.
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
    firsts = first_of_ties(arch)
    return tuple([other for other, first in enumerate(firsts) if first == firsts[index]])


def classes(arch: Arch, count: int) -> Arch:
    """The same network for another number of classes; an embedder has none."""
    return arch if isinstance(arch.head, Embedder) else replace(arch, head=replace(arch.head, classes=count))


def at(arch: Arch, resolution: int) -> Arch:
    """The same network for another input side in pixels."""
    return replace(arch, resolution=resolution)


def _narrow_hidden(arch: Arch, index: int, hidden: int) -> Arch:
    """Fewer channels between expansion and projection."""
    present = expanded(arch.blocks[index])
    if not present:
        raise ArchError(f"blocks[{index}] has no expansion to narrow; narrow its output instead")
    if not 0 < hidden < present:
        raise ArchError(f"blocks[{index}].hidden is {present}; {hidden} is not from 1 to {present - 1}")
    return resized(arch, {f"blocks.{index}.hidden": hidden})


def _narrow_out(arch: Arch, index: int, out: int) -> Arch:
    """Fewer channels at the output of a block and of all that share it."""
    present, first = arch.blocks[index].out, first_of_ties(arch)[index]
    if not 0 < out < present:
        raise ArchError(f"blocks[{index}].out is {present}; {out} is not from 1 to {present - 1}")
    if first == 0 and lower(arch)[0].residual:
        raise ArchError(f"blocks[{index}].out is added to the image itself; it cannot be narrower")
    return resized(arch, {f"blocks.{first}.out": out})


def _check(arch: Arch, index: int) -> None:
    """Raise ArchError when there is no block at `index`."""
    if not 0 <= index < len(arch.blocks):
        raise ArchError(f"{arch.name} has blocks 0 to {len(arch.blocks) - 1}, no blocks[{index}]")
