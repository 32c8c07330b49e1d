"""What is believed of all networks after some trials: a model of the quality, and one of every cost."""

from dataclasses import dataclass

import numpy as np

from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.model import Choices, Effects, Model, Scale
from mobilenets.nas.strategies.strategy import Problem

TINY = 1e-6  # of a target: what a cost of 0 counts as, where costs are multiplied


class Beliefs:
    """Models of quality and of the logarithms of costs, where the reward looks at costs."""

    def __init__(self, problem: Problem) -> None:
        self.reward = problem.reward
        counts = [len(decision.options) for decision in problem.space.decisions]
        self.encoding = Choices(counts)
        self.quality = Model(counts)
        self.costs = (
            [] if self.reward.form == "quality" else [Model(counts, bent=False) for _ in self.reward.targets]
        )
        self.succeeded = 0

    def tell(self, genotype: Genotype, outcome: Outcome | None) -> None:
        """What came of a network in canonical form; None where it failed."""
        self.quality.tell(genotype, None if outcome is None else outcome.quality)
        if outcome is None:
            return
        self.succeeded += 1
        for model, target, cost in zip(
            self.costs, self.reward.targets, outcome.costs, strict=bool(self.costs)
        ):
            model.tell(genotype, float(np.log(max(cost / target, TINY))))

    def draw(self, chance: np.random.Generator) -> "Drawn":
        """One world that agrees with the trials."""
        quality = self.quality.draw(chance)
        costs = tuple(model.draw(chance) for model in self.costs)
        scales = tuple(model.scale for model in self.costs)
        return Drawn(self.encoding, self.reward, quality, self.quality.scale, costs, scales)


@dataclass(frozen=True)
class Drawn:
    """Quality and the logarithms of costs, each relative to its target, in one of all possible worlds."""

    encoding: Choices
    reward: Reward
    quality: Effects
    scale: Scale
    costs: tuple[Effects, ...]
    scales: tuple[Scale, ...]

    def worth(self, rows: np.ndarray, prices: np.ndarray | None = None) -> np.ndarray:
        """Rewards (n,) of networks (n, options of all decisions), whose costs (n, targets) may be known."""
        return self._reward(self.quality.of(rows), [effects.of(rows) for effects in self.costs], prices)

    def climb(self, choices: np.ndarray, strides: int) -> np.ndarray:
        """Networks (n, decisions) after the best change of one decision, up to `strides` times."""
        found, active = choices.copy(), np.arange(len(choices))
        decision, offsets = self.encoding.decision, self.encoding.offsets
        for _ in range(strides):
            worth = self._changed(found[active])
            best, now = worth.argmax(1), found[active, 0]  # an exchange for the same option changes nothing
            at = np.arange(len(active))
            better = worth[at, best] > worth[at, now] + 1e-9 * np.abs(worth[at, now])
            active, best = active[better], best[better]
            if not len(active):
                break
            found[active, decision[best]] = best - offsets[decision[best]]
        return found

    def _changed(self, choices: np.ndarray) -> np.ndarray:
        """Rewards (n, options of all decisions) of networks with one choice exchanged for that option."""
        rows = self.encoding.rows(choices)
        costs = [self._exchanged(effects, rows, choices) for effects in self.costs]
        return self._reward(self._exchanged(self.quality, rows, choices), costs)

    def _exchanged(self, effects: Effects, rows: np.ndarray, choices: np.ndarray) -> np.ndarray:
        """The value of networks with one choice exchanged, likewise."""
        gains = effects.gains(rows)
        now = effects.level + 0.5 * (rows * (gains + effects.single)).sum(1)
        lost = np.take_along_axis(gains, choices + self.encoding.offsets, 1)
        changed: np.ndarray = now[:, None] + gains - lost[:, self.encoding.decision]
        return changed

    def _reward(
        self, quality: np.ndarray, logs: list[np.ndarray], prices: np.ndarray | None = None
    ) -> np.ndarray:
        """Rewards (...) by what the models say of quality and costs, or by known costs (..., targets)."""
        meant = self.scale.meant(quality)
        if not self.costs:
            return meant
        if prices is None:
            shares = [scale.meant(one) for scale, one in zip(self.scales, logs, strict=True)]
            prices = np.exp(np.minimum(np.stack(shares, -1), 50.0)) * np.array(self.reward.targets)
        offset, factor = self.reward.line(prices)
        worth: np.ndarray = offset + factor * meant
        return worth
