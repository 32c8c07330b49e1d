"""Regularised evolution (Real et al. 2018, arXiv 1802.01548, algorithm 1): the oldest die, not the worst."""

from collections.abc import Sequence

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import TRIES, Strategy

POPULATION = 50  # of the paper 100, for budgets of tens of thousands
SAMPLE = 10  # of the paper 25: as large a share of the population


class Evolution(Strategy):
    """One mutation of the best of a few that are drawn from the last trials that ended."""

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        space, chance, taken = self.problem.space, self.chance(number), self.taken(pending)
        alive = [trial for trial in self.told[-POPULATION:] if trial.outcome is not None]
        if len(self.told) + len(pending) < POPULATION or not alive:
            return self.fresh((space.sample(chance) for _ in range(TRIES)), taken, chance)
        drawn = chance.choice(len(alive), min(SAMPLE, len(alive)), replace=False)
        parent = max((alive[k] for k in drawn), key=self.reward)
        return self.fresh((space.mutate(parent.genotype, chance) for _ in range(TRIES)), taken, chance)
