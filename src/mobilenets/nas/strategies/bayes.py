"""Thompson sampling on a Bayesian model of the choices: the default.

What is tried next is the best network under one draw of what the model believes, so that proposals made at
once differ, and what is uncertain is tried as often as it may be best (Thompson 1933; Russo et al. 2018,
arXiv 1707.02038). Quality is modelled, and so are the costs that the reward looks at; where costs can be told
beforehand, the networks that seem best are priced before one of them is chosen.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.beliefs import Beliefs, Drawn
from mobilenets.nas.strategies.strategy import Problem, Strategy, Told, networks

SPREAD = 32  # random networks of which a first proposal is the one farthest from all before
NEAR = 2  # one proposal of so many is a neighbour of one of the best `CENTRES`: the model may be wrong
CENTRES = 3
FINALISTS = 8  # networks that are put into canonical form and priced
RANDOM, PARENTS = 20, 12  # of a large space, what climbs: networks drawn, and the best so far
STRIDES = 30  # steps of a climb, at most


class Bayes(Strategy):
    """The best network under a draw from the model, after a few first ones that are spread out."""

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self.beliefs = Beliefs(problem)
        self.start = 2 + len(problem.space.decisions) // 4
        everything = networks(problem.space)
        self._pool = None if everything is None else np.array(everything)
        self._rows = None if self._pool is None else self.beliefs.encoding.rows(self._pool)
        self._place = {} if everything is None else {one: k for k, one in enumerate(everything)}
        self._exact: np.ndarray | None = None  # costs of all networks of a small space
        self._prices: dict[Genotype, tuple[float, ...]] = {}

    def tell(self, trial: Told) -> None:
        """As `Strategy.tell`."""
        super().tell(trial)
        self.beliefs.tell(self.canonical(trial.genotype), trial.outcome)

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        chance, taken = self.chance(number), self.taken(pending)
        if self.beliefs.succeeded < 2 or len(self.told) + len(pending) < self.start:
            return self._apart(chance, taken)
        drawn = self.beliefs.draw(chance)
        ordered = self._ordered(self._near(drawn, taken), drawn, taken) if number % NEAR == 0 else []
        if not ordered:
            found = self._climbed(drawn, chance) if self._pool is None else self._listed(drawn, taken)
            ordered = self._ordered(found, drawn, taken)
        return self.fresh(ordered, taken, chance)

    def _apart(self, chance: np.random.Generator, taken: set[Genotype]) -> Genotype:
        """The one of some random networks that shares the fewest choices with what is known or pending."""
        draws = [self.canonical(self.problem.space.sample(chance)) for _ in range(SPREAD)]
        known = np.array(sorted(taken), dtype=int).reshape(-1, len(self.problem.space.decisions))
        agree = [int((known == np.array(one)).sum(1).max(initial=0)) for one in draws]
        best = [draws[k] for k in np.argsort(agree, kind="stable")]
        return self.fresh(best, taken, chance)

    def _near(self, drawn: Drawn, taken: set[Genotype]) -> list[Genotype]:
        """The best neighbours, as they are drawn, of the best networks so far."""
        neighbours = self.problem.space.neighbours
        around = list(dict.fromkeys(one for best in self._best(CENTRES) for one in neighbours(best)))
        if not around:
            return []
        worth = drawn.worth(self.beliefs.encoding.rows(np.array(around)))
        ordered = (self.canonical(around[k]) for k in np.argsort(-worth, kind="stable"))
        return _distinct((one for one in ordered if one not in taken), FINALISTS)

    def _best(self, count: int) -> list[Genotype]:
        """So many different networks of the highest rewards."""
        ordered = (trial.genotype for trial in sorted(self.told, key=self.reward, reverse=True))
        return _distinct(ordered, count)

    def _listed(self, drawn: Drawn, taken: set[Genotype]) -> list[Genotype]:
        """The best networks of a small space, as they are drawn."""
        assert self._pool is not None
        assert self._rows is not None
        if self._exact is None and self.problem.costs and self.beliefs.costs:
            self._exact = np.array([self._price(one) for one in self._place])
        worth = drawn.worth(self._rows, self._exact)
        worth[[self._place[one] for one in taken]] = -np.inf
        order = np.argsort(-worth, kind="stable")[:FINALISTS]
        return [tuple(one) for one in self._pool[order].tolist() if tuple(one) not in taken]

    def _climbed(self, drawn: Drawn, chance: np.random.Generator) -> list[Genotype]:
        """The best networks of a large space that no one other choice betters, as they are drawn."""
        encoding = self.beliefs.encoding
        random = chance.integers(encoding.counts, size=(RANDOM, len(encoding.counts)))
        choices = np.concatenate([[self.canonical(best) for best in self._best(PARENTS)], random])
        choices = drawn.climb(choices, STRIDES)
        order = np.argsort(-drawn.worth(encoding.rows(choices)), kind="stable")
        return list(dict.fromkeys(tuple(one) for one in choices[order].tolist()))[:FINALISTS]

    def _ordered(self, found: list[Genotype], drawn: Drawn, taken: set[Genotype]) -> list[Genotype]:
        """New networks in canonical form, the best first: exactly priced where possible, else as drawn."""
        canonical = dict.fromkeys(self.canonical(one) for one in found)
        new = [one for one in canonical if one not in taken]
        if len(new) < 2:
            return new
        rows = self.beliefs.encoding.rows(np.array(new))
        prices = None
        if self.problem.costs and self.beliefs.costs:
            prices = np.array([self._price(one) for one in new])
        return [new[k] for k in np.argsort(-drawn.worth(rows, prices), kind="stable")]

    def _price(self, genotype: Genotype) -> tuple[float, ...]:
        """The costs of a network, asked once for each."""
        assert self.problem.costs is not None
        if genotype not in self._prices:
            self._prices[genotype] = self.problem.costs(genotype)
        return self._prices[genotype]


def _distinct(networks: Iterable[Genotype], count: int) -> list[Genotype]:
    """The first so many that differ; no more than these are asked for."""
    found: dict[Genotype, None] = {}
    for one in networks:
        found[one] = None
        if len(found) == count:
            break
    return list(found)
