"""What every strategy of search is: asked for a network to try, told what came of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Genotype, Space


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
    """

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        self.problem, self.seed = problem, seed
        self.told: list[Told] = []

    @abstractmethod
    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """What to try as trial `number`, counted from 0, while those that are `pending` have not ended."""

    def tell(self, trial: Told) -> None:
        """Learn what came of a trial. Trials may end in any order."""
        self.told.append(trial)

    def chance(self, number: int) -> np.random.Generator:
        """The random numbers of a trial."""
        return np.random.default_rng([self.seed, number])

    def reward(self, trial: Told) -> float:
        """What a trial was worth; a failed one less than any other."""
        if trial.outcome is None:
            return -np.inf
        return self.problem.reward.of(trial.outcome.quality, trial.outcome.costs)
