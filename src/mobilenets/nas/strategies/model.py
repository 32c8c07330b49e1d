"""What to expect of a network, from those that were tried: Bayesian linear regression on its choices.

A value of a network is a level and a sum of effects: one of every choice, one of every two choices of
adjacent decisions, one of any two choices, one of the network itself, and the noise of the evaluation, all
normal with mean zero. How large each kind is, is what makes the values most likely (evidence; MacKay 1992,
Neural Computation 4:415) beside a broad prior that keeps it sane while there are few. Values are brought to
a common scale before. All is had through the kernel of the networks tried, whose inverse is kept: one more
costs the square of their number, however many choices there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

LEVEL = 1.0  # prior variance of the level, where values have about 1
# variances of the effects of choices, of adjacent choices, of any two, of the network itself, of the noise
PRIOR = np.log((1.0, 0.1, 0.1, 0.01, 0.01))
OWN, NOISE = 3, 4
BREADTH = 1.5  # deviation of the prior, in natural logarithms
STEPS = (1.4, 0.7, 0.35)  # of the search for the evidence's peak, likewise
SETTLED = 100  # values, from which on the search takes the last of the steps alone
AT_MOST = 200  # values by which variances are judged
GROWTH = 1.1  # by how much values have to grow before variances are judged again
FAILED = -1.0  # what a network counts as that failed, in deviations: it is avoided, and distorts little


class Choices:
    """The options of all decisions side by side, `total` in all: 1 where chosen."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = np.array(counts)
        self.total = int(self.counts.sum())
        self.offsets = np.cumsum(self.counts) - self.counts
        self.decision = np.repeat(np.arange(len(self.counts)), self.counts)
        apart = np.abs(self.decision[:, None] - self.decision[None, :])
        d = len(self.counts)
        self.of_choice = 1 / d  # shares of a kind's variance that one effect has: they add up to 1
        self.of_adjacent = (apart == 1) / max(1, d - 1)
        self.of_pair = (apart > 0) * 2 / max(1, d * (d - 1))

    def rows(self, choices: np.ndarray) -> np.ndarray:
        """Of choices (n, decisions): float64 (n, total)."""
        found = np.zeros((len(choices), self.total))
        found[np.arange(len(choices))[:, None], choices + self.offsets] = 1.0
        return found


@dataclass(frozen=True)
class Effects:
    """A level, effects of choices (total,) and of every two of them (total, total), symmetric."""

    level: float
    single: np.ndarray
    double: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Values (n,) of networks (n, total)."""
        found: np.ndarray = self.level + rows @ self.single + 0.5 * ((rows @ self.double) * rows).sum(1)
        return found

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What every option adds to networks (n, total), beside their choices for the other decisions."""
        found: np.ndarray = self.single + rows @ self.double
        return found


def kernels(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How alike networks (n, decisions) and (m, decisions) are, by every kind of effect: (4, n, m), to 1."""
    agree = left[:, None, :] == right[None, :, :]
    d = left.shape[1]
    count = agree.sum(-1)
    adjacent = (agree[..., 1:] & agree[..., :-1]).sum(-1) / max(1, d - 1)
    return np.stack([count / d, adjacent, count * (count - 1) / max(1, d * (d - 1)), count == d])


def mixed(parts: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """The covariance of networks without noise, from their kernels of every kind."""
    found: np.ndarray = LEVEL + np.tensordot(variances[:NOISE], parts, axes=1)
    return found


def evidence(parts: np.ndarray, targets: np.ndarray, logs: np.ndarray) -> float:
    """The logarithm of how likely targets and the logarithms of variances are, but for a constant."""
    variances = np.exp(logs)
    covariance = mixed(parts, variances) + variances[NOISE] * np.eye(len(targets))
    size = np.linalg.slogdet(covariance)[1]
    fit = -0.5 * float(targets @ np.linalg.solve(covariance, targets)) - 0.5 * float(size)
    return fit - 0.5 * float((((logs - PRIOR) / BREADTH) ** 2).sum())


@dataclass(frozen=True)
class Scale:
    """What values are measured in.

    Of what should be large (`bent`), it is deviations of the better half from the middle, and far below the
    middle, differences count by their logarithm: how bad the bad ones are matters little to a search, and
    would drown what tells the good ones apart. Else, deviations from the mean.
    """

    middle: float = 0.0
    deviation: float = 1.0
    bent: bool = True

    @classmethod
    def of(cls, values: Sequence[float], bent: bool) -> "Scale":
        """Of these values."""
        if not values:
            return cls(bent=bent)
        found = np.array(values)
        middle = float(np.median(found) if bent else found.mean())
        some = found[found >= middle] if bent else found
        return cls(middle, float(np.sqrt(((some - middle) ** 2).mean())) or 1.0, bent)

    def seen(self, values: np.ndarray) -> np.ndarray:
        """Values in this measure."""
        found: np.ndarray = (values - self.middle) / self.deviation
        return np.where(found < -1, -1 - np.log(np.maximum(-found, 1.0)), found) if self.bent else found

    def meant(self, seen: np.ndarray) -> np.ndarray:
        """Values that are seen so."""
        if self.bent:
            seen = np.where(seen < -1, -np.exp(np.clip(-1 - seen, 0.0, 50.0)), seen)
        return self.middle + self.deviation * seen


class Model:
    """Learns the effects of choices from values of networks, one by one."""

    def __init__(self, counts: Sequence[int], bent: bool = True) -> None:
        """`bent` as in `Scale`."""
        self.bent = bent
        self.encoding = Choices(counts)
        self.variances = np.exp(PRIOR)
        self.values: list[float | None] = []
        self.choices = np.zeros((16, len(counts)), dtype=int)
        self.rows = np.zeros((16, self.encoding.total))
        self._inverse = np.zeros((16, 16))
        self._judge_at = 3
        self._distinct: dict[tuple[int, ...], int] = {}
        self._which: list[int] = []  # of the distinct networks, for every value

    def tell(self, choices: Sequence[int], value: float | None) -> None:
        """The value of a network, which may be told again; None where it has none."""
        n = len(self.values)
        if n == len(self.choices):
            self.choices = np.concatenate([self.choices, self.choices])
            self.rows = np.concatenate([self.rows, self.rows])
            self._inverse = np.pad(self._inverse, (0, n))
        self.choices[n] = choices
        self.rows[n] = self.encoding.rows(self.choices[n : n + 1])[0]
        parts = kernels(self.choices[: n + 1], self.choices[n : n + 1])[:, :, 0]
        self._which.append(self._distinct.setdefault(tuple(choices), len(self._distinct)))
        self.values.append(value)
        if n + 1 >= self._judge_at:
            self._judge()
            self._judge_at = max(n + 2, int((n + 1) * GROWTH))
        else:
            self._border(mixed(parts, self.variances))

    @property
    def told(self) -> int:
        """How many values are known, failures counted."""
        return len(self.values)

    @property
    def scale(self) -> Scale:
        """What values are measured in."""
        return Scale.of([value for value in self.values if value is not None], self.bent)

    def targets(self) -> np.ndarray:
        """Values (n,) as the model sees them."""
        found = self.scale.seen(np.array([np.nan if one is None else one for one in self.values]))
        targets: np.ndarray = np.where(np.isnan(found), FAILED, found)
        return targets

    def draw(self, chance: np.random.Generator) -> Effects:
        """Effects drawn from the posterior, of values as the model sees them.

        A draw from the prior is corrected by what it got wrong of the values (Matheron's rule; Wilson et al.
        2020, arXiv 2002.09309).
        """
        shares, (choice, adjacent, pair, own, noise) = self.encoding, self.variances
        spread = shares.of_adjacent * adjacent + shares.of_pair * pair
        level = float(chance.standard_normal()) * LEVEL**0.5
        single = chance.standard_normal(shares.total) * (choice * shares.of_choice) ** 0.5
        upper = np.triu(chance.standard_normal(spread.shape)) * spread**0.5
        guess = Effects(level, single, upper + upper.T)
        n, rows = self.told, self.rows[: self.told]
        guessed = guess.of(rows) + chance.standard_normal(n) * noise**0.5
        guessed += chance.standard_normal(len(self._distinct))[self._which] * own**0.5
        return self._corrected(guess, self._inverse[:n, :n] @ (self.targets() - guessed), spread)

    def mean(self) -> Effects:
        """The posterior mean of all effects but networks' own, of values as the model sees them."""
        shares, (_, adjacent, pair, _, _) = self.encoding, self.variances
        none = Effects(0.0, np.zeros(shares.total), np.zeros((shares.total, shares.total)))
        spread = shares.of_adjacent * adjacent + shares.of_pair * pair
        return self._corrected(none, self._inverse[: self.told, : self.told] @ self.targets(), spread)

    def posterior(self, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (m,) and covariance (m, m) of networks (m, decisions) without noise, likewise."""
        n = self.told
        cross = mixed(kernels(choices, self.choices[:n]), self.variances)
        own = mixed(kernels(choices, choices), self.variances)
        weights = cross @ self._inverse[:n, :n]
        mean: np.ndarray = weights @ self.targets()
        return mean, own - weights @ cross.T

    def _corrected(self, guess: Effects, wrong: np.ndarray, spread: np.ndarray) -> Effects:
        """Effects moved by weights (n,) of the networks told."""
        rows = self.rows[: self.told]
        level = guess.level + LEVEL * float(wrong.sum())
        single = guess.single + self.variances[0] * self.encoding.of_choice * (wrong @ rows)
        double = guess.double + spread * (rows.T @ (wrong[:, None] * rows))
        return Effects(level, single, double)

    def _border(self, column: np.ndarray) -> None:
        """Take one more network into the inverse: its covariance with all networks (n + 1,)."""
        n = len(column) - 1
        towards = self._inverse[:n, :n] @ column[:n]
        left = column[n] + self.variances[NOISE] - float(column[:n] @ towards)
        self._inverse[:n, :n] += np.outer(towards / left, towards)
        self._inverse[n, :n] = self._inverse[:n, n] = -towards / left
        self._inverse[n, n] = 1 / left

    def _judge(self) -> None:
        """Take the variances that make the values most likely, by ever finer steps from the last ones."""
        n = self.told
        some = np.unique(np.linspace(0, n - 1, min(n, AT_MOST)).astype(int))
        parts, targets = kernels(self.choices[some], self.choices[some]), self.targets()[some]
        best = np.log(self.variances)
        value = evidence(parts, targets, best)
        for step in STEPS if n < SETTLED else STEPS[-1:]:
            for k in range(len(best)):
                if k == OWN and len(self._distinct) == n:  # its own effect looks like noise
                    continue
                for sign in (-1, 1):
                    other = best.copy()
                    other[k] += sign * step
                    if (found := evidence(parts, targets, other)) > value:
                        best, value = other, found
                        break
        self.variances = np.exp(best)
        self._invert()

    def _invert(self) -> None:
        """The inverse of all networks' covariance anew, as `kernels` has it, but without large tables."""
        n, d = self.told, len(self.encoding.counts)
        count, adjacent = np.zeros((n, n), dtype=np.int16), np.zeros((n, n), dtype=np.int16)
        before = np.zeros((n, n), dtype=bool)
        for column in self.choices[:n].T.astype(np.int16):
            agree = column[:, None] == column
            count += agree.view(np.int8)
            adjacent += (agree & before).view(np.int8)
            before = agree
        pairs = np.arange(d + 1) * np.arange(-1, d) / max(1, d * (d - 1))
        choice, near, pair, own, noise = self.variances
        covariance = (LEVEL + choice * np.arange(d + 1) / d + pair * pairs + own * (np.arange(d + 1) == d))[
            count
        ]
        covariance += near / max(1, d - 1) * adjacent
        covariance[np.diag_indices(n)] += noise
        factor = torch.linalg.cholesky(torch.from_numpy(covariance))
        self._inverse[:n, :n] = torch.cholesky_inverse(factor).numpy()
