"""Local search: the neighbours of the best network, then of the next best where those are used up.

White et al. 2020, arXiv 2005.02960, found it hard to beat on tables; here a better neighbour is followed at
once, without looking at the rest of the neighbourhood, and nothing is thrown away at a local optimum.
"""

from collections.abc import Sequence

import numpy as np

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import TRIES, Problem, Strategy

START = 10  # random networks to begin with


class Local(Strategy):
    """Neighbours, in random order, of the best network that has unknown ones."""

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self._spent: set[Genotype] = set()  # networks all of whose neighbours are known, to save time

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        space, chance, taken = self.problem.space, self.chance(number), self.taken(pending)
        if len(self.told) + len(pending) >= START:
            alive = [one for one in self.told if one.outcome is not None and one.genotype not in self._spent]
            for trial in sorted(alive, key=self.reward, reverse=True):
                around = list(space.neighbours(trial.genotype))
                # by an order of its own, so that it makes no difference what was found to be spent before
                for k in np.random.default_rng([self.seed, *trial.genotype]).permutation(len(around)):
                    found = self.canonical(around[k])
                    if found not in taken and self.excess(found) <= 1:
                        return found
                if all(one in self.known or self.excess(one) > 1 for one in map(self.canonical, around)):
                    self._spent.add(trial.genotype)
        return self.fresh((space.sample(chance) for _ in range(TRIES)), taken, chance)
