"""Random search: every strategy has to beat it."""

from collections.abc import Sequence

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import Strategy

TRIES = 100  # before a small space counts as used up


class Random(Strategy):
    """Networks drawn evenly, none twice while there are others."""

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        space, chance = self.problem.space, self.chance(number)
        known = {space.canonical(one) for one in (*(trial.genotype for trial in self.told), *pending)}
        for _ in range(TRIES):
            found = space.canonical(space.sample(chance))
            if found not in known:
                return found
        return found
