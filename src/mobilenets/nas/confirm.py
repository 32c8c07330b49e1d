"""The last part of a budget measures the best networks again, before one of them is named.

One training tells a network's quality but roughly, and the best of many is mostly one that was lucky. So the
leaders are trained again, with other seeds, and what one evaluation says is weighed against what all others
say of such networks: a network's expected quality is that of the model of choices, which holds an effect of
the network itself (`strategies/model.py`), so it is pulled towards the model's mean, the less the more
often the network was evaluated.

    confirm = Confirm(problem, seed)
    confirm.tell(trial)                    # every trial, in the order in which they ended
    confirm.ask(number, pending)           # what to evaluate again: a network that was told
    confirm.named()                        # the network to take

Nothing else is kept: a new one that is told the same trials goes on as the old one would have.
"""

from collections.abc import Sequence

import numpy as np

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.beliefs import Beliefs
from mobilenets.nas.strategies.model import NOISE
from mobilenets.nas.strategies.strategy import Problem, Told

PART = 0.4  # of a budget, that goes into confirmation
LEADERS = 40  # networks that may be measured again, at most
SECOND = 0.5  # how often the one to measure is another than the one that seems best (top-two sampling)
DRAWS = 50  # until another one is looked for no longer
PURPOSE = 3  # what the random numbers of a seed are for, beside trials'


def part(total: int, share: float = PART) -> int:
    """How many of the last evaluations of a budget confirm: none of a budget too small for it."""
    return int(total * share) if total >= 2 / share else 0


class Confirm:
    """Which network to evaluate again, and which one to name, by all evaluations of all networks."""

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        self.problem, self.seed = problem, seed
        self.beliefs = Beliefs(problem)
        self._costs: dict[Genotype, list[tuple[float, ...]]] = {}

    def tell(self, trial: Told) -> None:
        """Learn what came of a trial. A network may be told again and again."""
        genotype = self.problem.space.canonical(trial.genotype)
        self.beliefs.tell(genotype, trial.outcome)
        if trial.outcome is not None:
            self._costs.setdefault(genotype, []).append(trial.outcome.costs)

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype | None:
        """What to evaluate again as trial `number`; None where no trial succeeded.

        The best of the leaders under one draw of what is believed of them, or, as often, the best other than
        the one that is expected to be best (Russo 2016, arXiv 1602.08448, top-two Thompson sampling).
        """
        if not self._costs:
            return None
        chance = np.random.default_rng([self.seed, number, PURPOSE])
        leaders, mean, covariance = self._leaders()
        waiting = [self.problem.space.canonical(one) for one in pending]
        covariance = self._foreseen(covariance, [leaders.index(one) for one in waiting if one in leaders])
        best = int(self._rewards(leaders, mean).argmax())
        other = chance.random() < SECOND
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        for _ in range(DRAWS):
            drawn = mean + root @ chance.standard_normal(len(leaders))
            chosen = int(self._rewards(leaders, drawn).argmax())
            if not other or chosen != best:
                break
        return leaders[chosen]

    def named(self) -> Genotype | None:
        """The network with the highest expected reward; None where no trial succeeded."""
        ranked = self.ranked()
        return ranked[0] if ranked else None

    def ranked(self) -> list[Genotype]:
        """All networks that were evaluated, that with the highest expected reward first."""
        if not self._costs:
            return []
        every = list(self._costs)
        mean, _ = self.beliefs.quality.posterior(np.array(every))
        return [every[k] for k in np.argsort(-self._rewards(every, mean), kind="stable")]

    def _leaders(self) -> tuple[list[Genotype], np.ndarray, np.ndarray]:
        """The networks with the highest expected rewards, their expected qualities and their covariance."""
        leaders = self.ranked()[:LEADERS]
        return leaders, *self.beliefs.quality.posterior(np.array(leaders))

    def _rewards(self, genotypes: Sequence[Genotype], qualities: np.ndarray) -> np.ndarray:
        """Rewards of networks with these qualities, as the model sees them, and their mean costs."""
        meant = self.beliefs.quality.scale.meant(qualities)
        if not self.beliefs.costs:
            return meant
        offset, factor = self.problem.reward.line(
            np.array([np.mean(self._costs[one], 0) for one in genotypes])
        )
        worth: np.ndarray = offset + factor * meant
        return worth

    def _foreseen(self, covariance: np.ndarray, pending: Sequence[int]) -> np.ndarray:
        """What the covariance will be once these have ended."""
        noise = float(self.beliefs.quality.variances[NOISE])
        for k in pending:
            column = covariance[:, k]
            covariance = covariance - np.outer(column, column) / (column[k] + noise)
        return covariance
