"""What to expect of a network, from those that were tried: Bayesian ridge regression on its choices.

A network's quality is a sum of an effect of every choice, one of every two adjacent choices, one of any two
choices, and one of its own, all of them normal with zero mean. How large each kind is, and the noise of an
evaluation, is what makes the targets most likely (evidence; MacKay 1992, Neural Computation 4:415), beside a
broad prior that keeps them sane while there are few. The posterior is had through the kernel of the networks
tried, so it costs the cube of their number, however many choices there are.
"""

from collections.abc import Sequence

import numpy as np

from mobilenets.nas.space import Space

LEVEL = 1.0  # prior variance of the mean of all networks, where targets have variance 1
# variances of the effects of choices, of adjacent choices, of any two, of the network itself, of the noise
PRIOR = np.log((1.0, 0.1, 0.1, 0.01, 0.01))
BREADTH = 1.5  # deviation of the prior, in natural logarithms
STEPS = (1.4, 0.7, 0.35)  # of the search for the evidence's peak, likewise
AT_MOST = 300  # trials by which variances are judged
GROWTH = 1.1  # by how much trials have to grow before variances are judged again


class Features:
    """Where the effects of a space's choices stand in flat tables.

    `total` effects are of choices, `pairs` of two choices. `indices` and `pair_indices` say which of them a
    network has, from its choices (n, decisions).
    """

    def __init__(self, space: Space) -> None:
        self.counts = np.array([len(decision.options) for decision in space.decisions])
        self.total = int(self.counts.sum())
        self.offsets = np.cumsum(self.counts) - self.counts
        self.first, self.second = np.triu_indices(len(self.counts), 1)
        sizes = self.counts[self.first] * self.counts[self.second]
        self.pairs = int(sizes.sum())
        self.pair_offsets = np.cumsum(sizes) - sizes
        adjacent = self.second == self.first + 1
        self.scale = 1 / len(self.counts)
        self.adjacent_scale = np.repeat(adjacent / max(1, adjacent.sum()), sizes)
        self.pair_scale = 1 / max(1, len(self.first))

    def indices(self, choices: np.ndarray) -> np.ndarray:
        """The effects of choices: (n, decisions)."""
        found: np.ndarray = choices + self.offsets
        return found

    def pair_indices(self, choices: np.ndarray) -> np.ndarray:
        """The effects of pairs: (n, pairs of decisions)."""
        left, right = choices[:, self.first], choices[:, self.second]
        found: np.ndarray = self.pair_offsets + left * self.counts[self.second] + right
        return found


def kernels(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How alike networks (n, decisions) and (m, decisions) are, by every kind of effect: (4, n, m), to 1."""
    agree = left[:, None, :] == right[None, :, :]
    count = agree.sum(-1)
    d = left.shape[1]
    adjacent = (agree[..., 1:] & agree[..., :-1]).sum(-1) / max(1, d - 1)
    return np.stack([count / d, adjacent, count * (count - 1) / max(1, d * (d - 1)), count == d])


class Model:
    """The effects of choices, from targets of networks; told by `add`, which may be called often."""

    def __init__(self, features: Features) -> None:
        self.features = features
        self.variances = np.exp(PRIOR)
        self.choices = np.zeros((0, len(features.counts)), dtype=int)
        self._kernels = np.zeros((4, 0, 0))
        self._judge_at = 2
        self.targets = np.zeros(0)

    def add(self, choices: np.ndarray) -> None:
        """Networks (n, decisions) that were tried after those before."""
        cross = kernels(self.choices, choices)
        below = np.concatenate([cross.swapaxes(1, 2), kernels(choices, choices)], axis=2)
        self._kernels = np.concatenate([np.concatenate([self._kernels, cross], axis=2), below], axis=1)
        self.choices = np.concatenate([self.choices, choices])

    def fit(self, targets: np.ndarray) -> None:
        """Take the targets (n,) of all networks added, with mean 0 and variance 1."""
        self.targets = targets
        if len(targets) >= self._judge_at:
            self._judge()
            self._judge_at = max(len(targets) + 1, int(len(targets) * GROWTH))
        self._factor = np.linalg.cholesky(_covariance(self._kernels, self.variances))

    def solve(self, values: np.ndarray) -> np.ndarray:
        """The inverse of the targets' covariance times values (n, ...)."""
        found: np.ndarray = np.linalg.solve(self._factor.T, np.linalg.solve(self._factor, values))
        return found

    def draw(self, chance: np.random.Generator) -> tuple[float, np.ndarray, np.ndarray]:
        """Level, effects of choices (total,) and of pairs (pairs,), drawn from the posterior.

        A draw from the prior is corrected by what it got wrong of the targets (Matheron's rule; Wilson et al.
        2020, arXiv 2002.09309).
        """
        features, (choice, adjacent, pair, own, noise) = self.features, self.variances
        spread = features.adjacent_scale * adjacent + features.pair_scale * pair
        level = chance.standard_normal() * LEVEL**0.5
        single = chance.standard_normal(features.total) * (choice * features.scale) ** 0.5
        double = chance.standard_normal(features.pairs) * spread**0.5
        n = len(self.choices)
        at, pair_at = features.indices(self.choices), features.pair_indices(self.choices)
        guessed = level + single[at].sum(1) + double[pair_at].sum(1)
        guessed += chance.standard_normal(n) * (own + noise) ** 0.5
        wrong = self.solve(self.targets - guessed)
        level += LEVEL * float(wrong.sum())
        single += (
            choice
            * features.scale
            * np.bincount(at.ravel(), np.repeat(wrong, at.shape[1]), minlength=features.total)
        )
        double += spread * np.bincount(
            pair_at.ravel(), np.repeat(wrong, pair_at.shape[1]), minlength=features.pairs
        )
        return level, single, double

    def posterior(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n,) and covariance (n, n) of the noiseless targets of networks (n, decisions)."""
        cross = _mixed(kernels(choices, self.choices), self.variances)
        own = _mixed(kernels(choices, choices), self.variances)
        mean: np.ndarray = cross @ self.solve(self.targets)
        return mean, own - cross @ self.solve(cross.T)

    def _judge(self) -> None:
        """Take the variances that make the targets most likely, by ever finer steps from the last ones."""
        n = len(self.targets)
        some = np.unique(np.linspace(0, n - 1, min(n, AT_MOST)).astype(int))
        parts, targets = self._kernels[:, some][:, :, some], self.targets[some]
        repeated = bool((parts[3].sum(1) > 1).any())
        best = np.log(self.variances)
        value = _evidence(parts, targets, best)
        for step in STEPS:
            for k in range(len(best)):
                if k == 3 and not repeated:  # no network was evaluated twice: its own effect looks like noise
                    continue
                for sign in (-1, 1):
                    other = best.copy()
                    other[k] += sign * step
                    if (found := _evidence(parts, targets, other)) > value:
                        best, value = other, found
                        break
        self.variances = np.exp(best)


def _mixed(parts: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """The covariance of networks without noise, from their kernels of every kind."""
    found: np.ndarray = LEVEL + np.tensordot(variances[:4], parts, axes=1)
    return found


def _covariance(parts: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """The covariance of targets."""
    found: np.ndarray = _mixed(parts, variances) + variances[4] * np.eye(parts.shape[1])
    return found


def _evidence(parts: np.ndarray, targets: np.ndarray, logs: np.ndarray) -> float:
    """The logarithm of how likely targets and variances are, but for a constant."""
    factor = np.linalg.cholesky(_covariance(parts, np.exp(logs)))
    white = np.linalg.solve(factor, targets)
    fit = -0.5 * float(white @ white) - float(np.log(np.diag(factor)).sum())
    return fit - 0.5 * float((((logs - PRIOR) / BREADTH) ** 2).sum())


def standard(values: Sequence[float]) -> tuple[np.ndarray, float, float]:
    """Values (n,) with mean 0 and variance 1, their mean and deviation."""
    found = np.asarray(values, dtype=float)
    mean, deviation = float(found.mean()), float(found.std()) or 1.0
    return (found - mean) / deviation, mean, deviation
