"""Factorised REINFORCE: each decision has its own distribution, moved towards what was better than usual.

The policy, the gradient and the moving baseline are those of TuNAS (Bender et al. 2020, arXiv 2008.06120,
section 3 and the released code), without its shared weights. There rewards come by the ten thousand; here one
reward is one training, so steps are larger, and rewards are measured in deviations, whatever their unit.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import TRIES, Problem, Strategy, Told

RATE = 0.15
MEMORY = 0.95  # of the baseline (TuNAS)
LARGEST = 3.0  # deviations that a reward counts as, at most
SOFTENING = (1.0, 1.5, 2.0, 2.5)  # what logits are divided by, when all that was drawn is known


class Reinforce(Strategy):
    """Networks drawn decision by decision, each by logits that start at 0."""

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        counts = np.array([len(decision.options) for decision in problem.space.decisions])
        self.logits = np.where(np.arange(counts.max()) < counts[:, None], 0.0, -np.inf)
        self._mean = self._square = self._weight = 0.0
        self._worst = np.inf

    def probabilities(self) -> np.ndarray:
        """Of every option: (decisions, options of the decision with most), 0 for missing ones."""
        weights = np.exp(self.logits - self.logits.max(1, keepdims=True))
        found: np.ndarray = weights / weights.sum(1, keepdims=True)
        return found

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        chance = self.chance(number)
        return self.fresh(self._draws(chance), self.taken(pending), chance)

    def tell(self, trial: Told) -> None:
        """As `Strategy.tell`. A failed trial counts as the worst that there was."""
        super().tell(trial)
        reward = self.reward(trial) if trial.outcome is not None else self._worst
        if not np.isfinite(reward):
            return
        gain = self._gain(reward)
        self._worst = min(self._worst, reward)
        taken = np.zeros(self.logits.shape)
        taken[np.arange(len(taken)), self.canonical(trial.genotype)] = 1.0
        self.logits += RATE * gain * (taken - self.probabilities())

    def _gain(self, reward: float) -> float:
        """By how many deviations a reward is above the moving baseline, which it joins."""
        mean = self._mean / self._weight if self._weight else reward
        self._weight = MEMORY * self._weight + 1 - MEMORY
        self._mean = MEMORY * self._mean + (1 - MEMORY) * reward
        self._square = MEMORY * self._square + (1 - MEMORY) * (reward - mean) ** 2
        deviation = (self._square / self._weight) ** 0.5
        return float(np.clip((reward - mean) / deviation, -LARGEST, LARGEST)) if deviation > 0 else 0.0

    def _draws(self, chance: np.random.Generator) -> Iterator[Genotype]:
        """What the policy would try, then what an ever softer one would."""
        for softening in SOFTENING:
            for uniform in chance.random((TRIES, len(self.logits), 1)):
                yield tuple(chosen(self.logits / softening, uniform).tolist())


def chosen(logits: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """The options (...) that numbers (..., 1) from 0 to 1 stand for, by logits (..., options)."""
    weights = np.exp(logits - logits.max(-1, keepdims=True)).cumsum(-1)
    found: np.ndarray = (weights <= uniform * weights[..., -1:]).sum(-1)
    return found
