"""Evolution towards all networks that no other beats in quality and every cost.

Sorting by fronts, crowding and the binary tournament are NSGA-II's (Deb et al. 2002, IEEE TEVC 6:182,
sections III A to C). It is asked one by one, so there are no generations: the population is the best of all
trials.
"""

from collections.abc import Sequence

import numpy as np

from mobilenets.nas.reward import Outcome
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import TRIES, Strategy, Told

POPULATION = 20
CROSSED = 0.9


class Pareto(Strategy):
    """Children of parents from the best fronts. The reward is not looked at."""

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        space, chance, taken = self.problem.space, self.chance(number), self.taken(pending)
        alive = [trial for trial in self.told if trial.outcome is not None]
        if len(self.told) + len(pending) < POPULATION or len(alive) < 2:
            return self.fresh((space.sample(chance) for _ in range(TRIES)), taken, chance)
        parents = survivors(alive, POPULATION)
        return self.fresh((self._child(parents, chance) for _ in range(TRIES)), taken, chance)

    def _child(self, parents: Sequence[Told], chance: np.random.Generator) -> Genotype:
        """Every decision from one of two parents, about one of them taken otherwise."""
        first, second = (int(chance.integers(len(parents), size=2).min()) for _ in range(2))
        one: Genotype = parents[first].genotype
        other: Genotype = parents[second].genotype
        if chance.random() < CROSSED:
            one = tuple(
                a if keep else b for a, b, keep in zip(one, other, chance.random(len(one)) < 0.5, strict=True)
            )
        for _ in range(max(1, chance.binomial(len(one), 1 / len(one)))):
            one = self.problem.space.mutate(one, chance)
        return one


def survivors(trials: Sequence[Told], count: int) -> list[Told]:
    """The best `count` trials that did not fail, the best first: by front, then by the room around them."""
    alive = [(trial, trial.outcome) for trial in trials if trial.outcome is not None]
    table = np.array([(one.quality, *(-cost for cost in one.costs)) for _, one in alive])
    kept: list[Told] = []
    for members in fronts(table, count):
        room = crowding([alive[k][1] for k in members])
        kept += [alive[members[k]][0] for k in np.argsort(-room, kind="stable")]
    return kept[:count]


def fronts(table: np.ndarray, count: int) -> list[list[int]]:
    """Rows of what should be large (n, d), by fronts: those that no other beats, then those of the rest.

    Only as many fronts as hold `count` rows.
    """
    no_worse, better = (
        np.ones((len(table), len(table)), dtype=bool),
        np.zeros((len(table), len(table)), dtype=bool),
    )
    for column in table.T:
        no_worse &= column[:, None] >= column
        better |= column[:, None] > column
    beats = no_worse & better
    above = beats.sum(axis=0)  # by how many rows that are left each one is beaten
    found: list[list[int]] = []
    placed = 0
    while placed < min(count, len(table)):
        members = np.flatnonzero(above == 0)
        above -= beats[members].sum(axis=0)
        above[members] = -1
        found.append(members.tolist())
        placed += len(members)
    return found


def crowding(outcomes: Sequence[Outcome]) -> np.ndarray:
    """For each outcome of a front, how far apart its neighbours are in all of quality and costs: (n,)."""
    table = np.array([(one.quality, *one.costs) for one in outcomes])
    room = np.zeros(len(table))
    for column in table.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        room[order[[0, -1]]] = np.inf
        if spread > 0:
            room[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return room
