"""What every strategy of search is: asked for a network to try, told what came of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

import numpy as np

from mobilenets.base.errors import UsageError, shown
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Genotype, Space

SMALL = 20_000  # sets of choices, up to which all networks of a space are listed
DEAR = 10  # draws that are too dear before a cheap one is walked to
TRIES = 50  # draws before a proposal that nobody made is looked for in another way


@dataclass(frozen=True)
class Problem:
    """What is searched, and for what.

    `costs` tells the costs of any network at once, as a latency table does, before anything is trained;
    None where they are known only with the outcome.
    """

    space: Space
    reward: Reward = field(default_factory=Reward)
    costs: Callable[[Genotype], tuple[float, ...]] | None = None


@dataclass(frozen=True)
class Told:
    """A trial that ended: its number, what was tried, and what came of it (None where it failed)."""

    number: int
    genotype: Genotype
    outcome: Outcome | None


class Strategy(ABC):
    """A way to search, which knows nothing but its seed and what it was told, in that order.

    So it needs no saved state: a new one with the same seed that is told the same trials in the same order
    goes on as the old one would have. What chance decides for trial `number` depends on `seed` and `number`.
    Proposals are canonical, and none is a network that is known or pending while others can be found.
    """

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        """Raises UsageError for a space that holds one network."""
        if problem.space.size == 1:
            raise UsageError(
                f"the space {shown(problem.space.name)} holds one network; there is nothing to search"
            )
        self.problem, self.seed = problem, seed
        self.told: list[Told] = []
        self.known: set[Genotype] = set()
        self._canonical: dict[Genotype, Genotype] = {}

    @abstractmethod
    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """What to try as trial `number`, counted from 0, while those that are `pending` have not ended."""

    def tell(self, trial: Told) -> None:
        """Learn what came of a trial. Trials may end in any order."""
        self.told.append(trial)
        self.known.add(self.canonical(trial.genotype))

    def chance(self, number: int) -> np.random.Generator:
        """The random numbers of a trial."""
        return np.random.default_rng([self.seed, number])

    def reward(self, trial: Told) -> float:
        """What a trial was worth; a failed one less than any other."""
        if trial.outcome is None:
            return -np.inf
        return self.problem.reward.of(trial.outcome.quality, trial.outcome.costs)

    def canonical(self, genotype: Genotype) -> Genotype:
        """As `Space.canonical`, which may take long, asked once for each."""
        if genotype not in self._canonical:
            self._canonical[genotype] = self.problem.space.canonical(genotype)
        return self._canonical[genotype]

    def taken(self, pending: Sequence[Genotype]) -> set[Genotype]:
        """The canonical forms of all that is known or pending."""
        return self.known.union(self.canonical(one) for one in pending)

    def fresh(self, draws: Iterable[Genotype], taken: set[Genotype], chance: np.random.Generator) -> Genotype:
        """The canonical form of the first of `draws` that is not `taken`; without one, of a network near the
        last one or of any that is left; of the last one where nothing is left.

        Where only what fits is wanted, and costs are known, networks that fit go before those that do not.
        """
        last, dear = None, list[Genotype]()
        for last in draws:
            found = self.canonical(last)
            if found not in taken:
                if self.excess(found) <= 1:
                    return found
                dear.append(found)
                if len(dear) == DEAR:
                    break
        if dear:
            return self._cheaper(dear[0], taken, chance)
        everything = networks(self.problem.space)
        if everything is not None:
            left = [one for one in everything if one not in taken]
            if left:
                return left[int(chance.integers(len(left)))]
            return self.canonical(everything[0] if last is None else last)
        found = self.problem.space.sample(chance) if last is None else last
        for _ in range(20 * TRIES):  # a walk that leaves whatever is known around
            if self.canonical(found) not in taken:
                break
            found = self.problem.space.mutate(found, chance)
        return self.canonical(found)

    def excess(self, genotype: Genotype) -> float:
        """By how much a network's known costs are above their targets, as the largest ratio; 0 where they do
        not matter or are not known: for any reward but the hard one a network that is dear may be worth it.
        """
        reward, costs = self.problem.reward, self.problem.costs
        if reward.form != "hard" or costs is None or not reward.targets:
            return 0.0
        return max(cost / target for cost, target in zip(costs(genotype), reward.targets, strict=True))

    def _cheaper(self, genotype: Genotype, taken: set[Genotype], chance: np.random.Generator) -> Genotype:
        """A network that fits, by small steps from one that does not; the cheapest on the way without one."""
        best, least = genotype, self.excess(genotype)
        for _ in range(20 * TRIES):
            other = self.canonical(self.problem.space.mutate(best, chance))
            excess = self.excess(other)
            if excess <= 1 and other not in taken:
                return other
            if excess < least:
                best, least = other, excess
        return genotype if best in taken else best


@lru_cache(maxsize=8)
def networks(space: Space) -> tuple[Genotype, ...] | None:
    """All distinct networks of a space in canonical form; None for a space that is not small."""
    if space.size > SMALL:
        return None
    every = product(*(range(len(decision.options)) for decision in space.decisions))
    return tuple(dict.fromkeys(map(space.canonical, every)))
