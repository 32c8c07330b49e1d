"""Spaces of networks that are put together of parts, each a row of blocks about which something is decided.

space = composed("mine", seed, [Part((Decision("kernel", (3, 5)),), blocks), ...])
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from itertools import product
from typing import Any

from mobilenets.arch import lower
from mobilenets.arch.lower import lower_block
from mobilenets.arch.spec import Arch, Block, Inverted
from mobilenets.arch.stages import stages
from mobilenets.base.errors import UsageError, shown
from mobilenets.nas.space import Decision, Genotype, Option, Places, Space, Stretch

SIDE = 32  # at which choices are compared: whether two mean the same does not depend on it
OTHER = 10.0  # how much blocks of different kinds differ, and one from none
CHANNELS = 16  # of the input that blocks are counted for

Options = tuple[Option, ...]


@dataclass(frozen=True)
class Part:
    """Some blocks in a row. `blocks` makes them of chosen options, for an input of so many channels. `like`
    are those of the seed that stand there.
    """

    decisions: tuple[Decision, ...]
    blocks: Callable[[Options, int], tuple[Block, ...]]
    like: tuple[Block, ...] = ()


def composed(name: str, seed: Arch, parts: Sequence[Part]) -> Space:
    """The space of networks of these parts, with the seed's resolution, head and dialect.

    Choices that lower to the same operations are one network, found part by part. Raises UsageError.
    """
    if not any(part.decisions for part in parts):
        raise UsageError(f"the space {shown(name)} is empty")
    decisions = tuple(decision for part in parts for decision in part.decisions)

    def build(values: Mapping[str, Option]) -> Arch:
        """The network of chosen options."""
        blocks: list[Block] = []
        for part in parts:
            chosen = tuple(values[decision.name] for decision in part.decisions)
            blocks += part.blocks(chosen, blocks[-1].out if blocks else 3)
        mark = hashlib.sha256(repr(tuple(values.items())).encode()).hexdigest()[:8]
        return replace(seed, name=f"{name}_{mark}", blocks=tuple(blocks))

    @lru_cache(maxsize=65536)
    def same(index: int, local: Genotype, channels: int) -> tuple[Genotype, int]:
        """One of all local choices that make the same operations, the same for each, and their channels."""
        part = parts[index]
        wanted = _operations(part, local, channels)
        for k in range(len(local)):
            for other in range(local[k]):
                found = (*local[:k], other, *local[k + 1 :])
                if _operations(part, found, channels) == wanted:
                    local = found
                    break
        return local, part.blocks(_options(part, local), channels)[-1].out

    def simplify(genotype: Genotype) -> Genotype:
        """The first of all choices for the same operations, part by part."""
        found: Genotype = ()
        channels = 3
        for index, part in enumerate(parts):
            local = genotype[len(found) : len(found) + len(part.decisions)]
            local, channels = same(index, local, channels)
            found += local
        return found

    return Space(name, decisions, build, simplify, seed, _places(parts), _start(parts))


def parts_of(seed: Arch, kind: type[Block], part: Callable[[str, Sequence[Any]], Part]) -> Iterator[Part]:
    """Each stage that is all of one kind of block as what `part` makes of it, the others as they are."""
    number = 0
    for stage in stages(lower(seed)[:-1]):
        members = [seed.blocks[index] for index in stage]
        if all(isinstance(block, kind) for block in members):
            number += 1
            yield part(f"stage{number}", members)
        else:
            yield Part((), partial(_fixed, tuple(members)), tuple(members))


def _fixed(members: tuple[Block, ...], _: Options, channels: int) -> tuple[Block, ...]:
    """Blocks as they are; one that does not expand has the width of its input."""
    first = members[0]
    if isinstance(first, Inverted) and not first.expand:
        return (replace(first, hidden=channels), *members[1:])
    return members


def _start(parts: Sequence[Part]) -> dict[str, Option] | None:
    """The options whose blocks differ least from the seed's; None where a part does not know these."""
    found: dict[str, Option] = {}
    channels = 3
    for part in parts:
        if not part.like:
            return None
        options = _options(part, _nearest(part, channels))
        found |= {one.name: option for one, option in zip(part.decisions, options, strict=True)}
        channels = part.like[-1].out
    return found


def _nearest(part: Part, channels: int) -> Genotype:
    """The choices that differ least from the seed, every decision in turn taken so, twice."""

    def apart(local: Genotype) -> float:
        """How far choices are from the seed."""
        blocks = part.blocks(_options(part, local), channels)
        return abs(len(blocks) - len(part.like)) * OTHER + sum(map(_difference, blocks, part.like))

    best: Genotype = (0,) * len(part.decisions)
    for _ in range(2):
        for k, decision in enumerate(part.decisions):
            best = min(((*best[:k], way, *best[k + 1 :]) for way in range(len(decision.options))), key=apart)
    return best


def _difference(one: Block, other: Block) -> float:
    """How much two blocks differ: sizes by their ratio, what is no size by whether it does."""
    if type(one) is not type(other):
        return OTHER
    pairs = [(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)]
    return sum(
        float(a != b) if isinstance(a, bool | str) else abs(math.log((1 + a) / (1 + b))) for a, b in pairs
    )


def _places(parts: Sequence[Part]) -> Places:
    """Where the blocks of composed networks stand: in a stretch for each part, called as its decisions are.

    Which decisions change the number of blocks is found by taking each otherwise.
    """
    stretches = []
    for index, part in enumerate(parts):
        first = tuple(one.options[0] for one in part.decisions)

        def count(options: Options, part: Part = part) -> int:
            """How many blocks the options make, whatever their input."""
            return len(part.blocks(options, CHANNELS))

        deciding = [
            k for k, one in enumerate(part.decisions)
            if len({count((*first[:k], option, *first[k + 1 :])) for option in one.options}) > 1
        ]  # fmt: skip
        counts = {}
        for chosen in product(*(part.decisions[k].options for k in deciding)):
            taken = dict(zip(deciding, chosen, strict=True))
            counts[chosen] = count(tuple(taken.get(k, option) for k, option in enumerate(first)))
        name = part.decisions[0].name.partition(".")[0] if part.decisions else f"fixed{index}"
        stretches.append(Stretch(name, tuple(part.decisions[k].name for k in deciding), counts))
    return Places(tuple(stretches))


def _options(part: Part, local: Genotype) -> Options:
    """What is chosen about a part."""
    return tuple(one.options[index] for one, index in zip(part.decisions, local, strict=True))


def _operations(part: Part, local: Genotype, channels: int) -> tuple[Any, ...]:
    """What a part computes: its operations, and where inputs are added."""
    found: list[Any] = []
    side = SIDE
    for block in part.blocks(_options(part, local), channels):
        layer = lower_block(block, channels, side)
        found.append((layer.ops, layer.residual))
        channels, side = layer.channels, layer.side
    return tuple(found)
