"""Random search: every strategy has to beat it."""

from collections.abc import Sequence

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import TRIES, Strategy


class Random(Strategy):
    """Networks drawn evenly, none twice while there are others."""

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        space, chance = self.problem.space, self.chance(number)
        draws = (space.sample(chance) for _ in range(TRIES))
        return self.fresh(draws, self.taken(pending), chance)
