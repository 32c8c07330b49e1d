"""Random networks around given ones, and which of their pieces to measure."""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf, log2
from typing import assert_never

from mobilenets.arch.lower import lower
from mobilenets.arch.spec import (
    Arch,
    Attention,
    Block,
    Classifier,
    Conv,
    Fused,
    Inverted,
    Separable,
    Universal,
)  # fmt: skip
from mobilenets.arch.stages import stages
from mobilenets.arch.widths import narrowed, widths
from mobilenets.base.errors import UsageError
from mobilenets.bench.pieces import Piece

MULTIPLE = 8
KERNELS = (3, 5)
SHARES = (0.5, 1.3)  # of a seed's widths
EXPANSIONS = (2.0, 6.5)


def varied(seed: Arch, number: int, kernels: Sequence[int] = KERNELS) -> Arch:
    """A random network of the space around `seed`; `number` repeats it.

    Stages keep their strides and activations. Drawn are, for every stage, its output and one block more or
    fewer; for every block, its kernel and expansion, and squeeze-and-excitation where the seed has it
    anywhere; and the widths of stem, last layer and hidden layer. Widths are multiples of 8.
    Raises UsageError for a network whose head reads more than the last block.
    """
    if seed.head.taps:
        raise UsageError(
            f"random networks are drawn around classifiers, {seed.name} is there to {seed.head.task}"
        )
    chance = random.Random(f"{seed.name} {seed.resolution} {number}")  # noqa: S311 - no secret
    squeezes = any(isinstance(block, Inverted) and block.squeeze for block in seed.blocks)
    blocks: list[Block] = []
    channels = 3
    for stage in stages(lower(seed)[:-1]):
        members = [seed.blocks[index] for index in stage]
        out = _near(members[0].out, chance)
        for block in _resized(members, chance):
            blocks.append(_varied(block, channels, out, squeezes, kernels, chance))
            channels = out
    head = seed.head
    if isinstance(head, Classifier) and head.hidden:
        head = replace(head, hidden=_near(head.hidden, chance))
    return replace(seed, name=f"{seed.name} random {number}", blocks=tuple(blocks), head=head)


def narrower(start: Arch, number: int) -> Arch:
    """The network with every width a random multiple of 8 from 8 to its present one; `number` repeats it.

    A share is drawn for the whole network and spread around it, so that all sizes occur, lopsided ones too.
    """
    chance = random.Random(f"{start.name} {start.resolution} {number}")  # noqa: S311 - no secret
    share = chance.uniform(0.1, 1.0)
    chosen = {}
    for width in widths(start):
        wanted = width.channels * min(1.0, max(0.05, share * chance.uniform(0.5, 1.6)))
        least = max(width.least, min(MULTIPLE, width.channels))
        chosen[width.name] = min(width.channels, max(least, round(wanted / MULTIPLE) * MULTIPLE))
    return narrowed(start, chosen)


def spread(
    wanted: Iterable[Piece],
    offered: Iterable[Piece],
    most: Callable[[Piece], int],
    known: Collection[Piece] = (),
) -> list[Piece]:
    """The pieces to measure: all of `wanted`, and of those `offered` the ones farthest from any chosen.

    Of one family (`Piece` without its widths) and side, at most `most(piece)` are chosen, those that are
    `known` already among them. So a table that is extended grows by what it lacks.
    """
    groups: dict[tuple[object, ...], list[Piece]] = {}
    settled: dict[tuple[object, ...], list[Piece]] = {}
    for piece in dict.fromkeys(offered):
        groups.setdefault(group(piece), []).append(piece)
    first = list(dict.fromkeys(wanted))
    for piece in {**dict.fromkeys(known), **dict.fromkeys(first)}:
        settled.setdefault(group(piece), []).append(piece)
    chosen = [piece for piece in first if piece not in set(known)]
    for key in {**settled, **groups}:
        chosen += _farthest(settled.get(key, []), groups.get(key, []), most)
    return chosen


def group(piece: Piece) -> tuple[object, ...]:
    """What pieces share that differ in widths only."""
    sizes = () if piece.kind == "squeeze" else piece.sizes
    return (
        piece.kind, piece.side, piece.kernel, piece.stride, piece.groups, piece.dilation, piece.padding,
        piece.activation, sizes,
    )  # fmt: skip


def place(piece: Piece) -> tuple[float, ...]:
    """Where a piece lies among those of its group: its widths, in octaves."""
    inner = piece.sizes if piece.kind == "squeeze" else ()
    return tuple(log2(width) for width in (piece.cin, piece.cout, *inner))


def _farthest(settled: list[Piece], offered: list[Piece], most: Callable[[Piece], int]) -> list[Piece]:
    """Of those offered, one after another that which is farthest from all that are settled."""
    chosen: list[Piece] = []
    left = sorted(set(offered) - set(settled))
    distance = {piece: min((_apart(piece, other) for other in settled), default=inf) for piece in left}
    while left and len(settled) + len(chosen) < most(left[0]):
        # begin at the largest: what is beyond it cannot be interpolated
        best = max(left, key=lambda piece: (distance[piece], piece.cin * piece.cout))
        if distance[best] < 0.05:
            break
        chosen.append(best)
        left.remove(best)
        for piece in left:
            distance[piece] = min(distance[piece], _apart(piece, best))
    return chosen


def _apart(one: Piece, other: Piece) -> float:
    """The distance of two pieces of a group, in octaves."""
    return max(abs(a - b) for a, b in zip(place(one), place(other), strict=True))


def _resized(stage: list[Block], chance: random.Random) -> Iterator[Block]:
    """The blocks of a stage, one fewer or one more; a stage of one block that cannot repeat keeps it."""
    change = chance.choice((-1, 0, 0, 1))
    if len(stage) > 1 and change < 0:
        stage = stage[:-1]
    elif len(stage) > 1 and change > 0:
        stage = [*stage, stage[-1]]
    yield from stage


def _varied(
    block: Block, channels: int, out: int, squeezes: bool, kernels: Sequence[int], chance: random.Random
) -> Block:
    """One block on an input of so many channels."""
    hidden, kernel = _rounded(channels * chance.uniform(*EXPANSIONS)), chance.choice(kernels)
    match block:
        case Inverted():
            hidden = hidden if block.expand else channels
            squeeze = _rounded(hidden / 4) if squeezes and chance.random() < 0.5 else 0
            return replace(block, kernel=kernel, hidden=hidden, out=out, squeeze=squeeze)
        case Separable():
            return replace(block, kernel=kernel, out=out)
        case Fused():
            return replace(block, hidden=hidden, out=out, groups=1)
        case Universal():
            return replace(block, hidden=hidden, out=out)
        case Conv() | Attention():
            return replace(block, out=out)
        case _:
            assert_never(block)


def _near(width: int, chance: random.Random) -> int:
    """A multiple of 8 around a width."""
    return _rounded(width * chance.uniform(*SHARES))


def _rounded(width: float) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(MULTIPLE, round(width / MULTIPLE) * MULTIPLE)
