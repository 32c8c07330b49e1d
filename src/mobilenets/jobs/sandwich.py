"""Which networks of a space are trained together where weights are shared, and what holds them all."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mobilenets.base.errors import UsageError, shown
from mobilenets.nas.space import Genotype, Space

if TYPE_CHECKING:
    from mobilenets.nn.shared import Candidate

RANDOM = 2  # networks of a step beside the largest and the smallest


@dataclass(frozen=True)
class Sandwich:
    """The networks of each step of a training of shared weights."""

    space: Space
    largest: Genotype
    smallest: Genotype

    @classmethod
    def of(cls, space: Space) -> "Sandwich":
        """Of a space whose blocks have places. Raises UsageError for another."""
        check_places(space)
        return cls(space, _largest(space), _smallest(space))

    def __call__(self, seed: int) -> "list[Candidate]":
        """The largest network, the smallest, and some at random."""
        chance = np.random.default_rng(seed)
        drawn = [self.space.sample(chance) for _ in range(RANDOM)]
        return [candidate(self.space, one) for one in (self.largest, self.smallest, *drawn)]

    def all(self) -> "Iterator[Candidate]":
        """Networks that have, between them, the largest shape of everything: the largest, and each that
        differs from it in one decision.
        """
        yield candidate(self.space, self.largest)
        for one in self.space.neighbours(self.largest):
            yield candidate(self.space, one)


def check_places(space: Space) -> None:
    """Raise UsageError for a space that does not say where its blocks stand."""
    if space.places is None:
        raise UsageError(
            f"the space {shown(space.name)} does not say which blocks of its networks are the same, so "
            "they cannot share weights; use --evaluator short, or a space of nas.parts.composed"
        )


def candidate(space: Space, genotype: Genotype) -> "Candidate":
    """A network of a space with the places of its blocks."""
    from mobilenets.nn.shared import Candidate

    assert space.places is not None
    return Candidate(space.arch(genotype), space.places(space.values(genotype)))


def _largest(space: Space) -> Genotype:
    """The last option of every decision, or another that holds it: options mostly grow, but not all do."""
    from mobilenets.nn.shared import holds, shapes

    best = tuple(len(decision.options) - 1 for decision in space.decisions)
    for k, decision in enumerate(space.decisions):
        own = shapes(candidate(space, best))
        for other in range(len(decision.options)):
            way = (*best[:k], other, *best[k + 1 :])
            wider = shapes(candidate(space, way))
            if wider != own and holds(wider, own):
                best, own = way, wider
    return best


def _smallest(space: Space) -> Genotype:
    """That of the fewest parameters, every decision in turn taken so."""
    from mobilenets.nn.shared import shapes

    def size(genotype: Genotype) -> int:
        """How many parameters a network has."""
        return sum(prod(shape) for shape in shapes(candidate(space, genotype)).values())

    best: Genotype = (0,) * len(space.decisions)
    for k, decision in enumerate(space.decisions):
        best = min(((*best[:k], way, *best[k + 1 :]) for way in range(len(decision.options))), key=size)
    return best
