"""What a search is after: one number from quality and costs, or all that no other beats in everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mobilenets.base.errors import UnknownName, UsageError

Form = Literal["soft", "hard", "absolute", "quality"]
SOFT = -0.07  # twice the latency should buy 5 % of accuracy (MnasNet, section 3)
HARD = -1.0
ABSOLUTE = -0.10  # TuNAS's beta


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found: quality (accuracy, mAP, ...; more is better), and every cost, in its unit."""

    quality: float
    costs: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reward:
    """A number to be as large as can be, from a quality and its costs, for each of which there is a target.

    "soft" is quality * (cost/target)^w with w = `weight` or -0.07; "hard" has w = -1 above the target alone
    (MnasNet, arXiv 1807.11626, equations 2 and 3); "absolute" is quality + b*|cost/target - 1| with
    b = `weight` or -0.10 (TuNAS, arXiv 2008.06120, section 3), for a quality from 0 to 1; several targets
    multiply or add. "quality" leaves costs alone. Raises UsageError, UnknownName.
    """

    form: Form = "soft"
    targets: tuple[float, ...] = ()
    weight: float | None = None

    def __post_init__(self) -> None:
        """Refuse what rewards nothing, or the wrong thing."""
        if self.form not in get_args(Form):
            raise UnknownName("reward", self.form, get_args(Form))
        if not all(target > 0 for target in self.targets):
            raise UsageError(f"targets must be above 0, got {self.targets}")
        if self.weight is not None and self.form == "quality":
            raise UsageError(f"the reward quality weighs no cost, got weight {self.weight:g}; leave it out")
        if self.weight is not None and not -10 <= self.weight <= 0:
            raise UsageError(f"the weight of a cost must be from -10 to 0, got {self.weight:g}")

    def of(self, quality: float, costs: Sequence[float]) -> float:
        """The reward. `costs` belong to the targets, in their order."""
        if self.form == "quality" or not self.targets:
            return quality
        (offset,), (factor,) = self.line(np.array([costs], dtype=float))
        return float(offset + factor * quality)

    def line(self, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Offsets and factors (...), of a quality, that make its reward, for costs (..., targets).

        Raises UsageError where there are more or fewer costs than targets.
        """
        if costs.shape[-1] != len(self.targets):
            raise UsageError(f"there are {len(self.targets)} targets, but {costs.shape[-1]} costs")
        shares = costs / np.array(self.targets)
        none, one = np.zeros(shares.shape[:-1]), np.ones(shares.shape[:-1])
        match self.form:
            case "soft":
                return none, (shares ** (SOFT if self.weight is None else self.weight)).prod(-1)
            case "hard":
                weight = HARD if self.weight is None else self.weight
                return none, (np.maximum(shares, 1.0) ** weight).prod(-1)
            case "absolute":
                weight = ABSOLUTE if self.weight is None else self.weight
                return weight * np.abs(shares - 1).sum(-1), one
            case _:
                return none, one

    def fits(self, costs: Sequence[float]) -> bool:
        """Whether every cost is at most its target."""
        return all(cost <= target for cost, target in zip(costs, self.targets, strict=True))


def front(outcomes: Sequence[Outcome]) -> list[int]:
    """The indices of those that no other beats: at least as good in all and better in one. Equal ones stay.

    In order of their first cost, then of quality, the best first.
    """
    table = _table(outcomes)
    kept = [
        k for k, row in enumerate(table) if not ((table >= row).all(axis=1) & (table > row).any(axis=1)).any()
    ]
    return sorted(kept, key=lambda k: (*outcomes[k].costs[:1], -outcomes[k].quality))


def hypervolume(outcomes: Sequence[Outcome], worst: Outcome) -> float:
    """What the outcomes dominate of the box between `worst` and themselves, in quality times costs.

    Exact for any number of costs, by slicing along the last one.
    """
    table, corner = _table(outcomes), _table([worst])[0]
    return _volume(np.unique(np.maximum(table - corner, 0.0), axis=0)) if len(outcomes) else 0.0


def _table(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Rows of what should be large: the quality, and the costs with their signs turned."""
    return np.array([(one.quality, *(-cost for cost in one.costs)) for one in outcomes])


def _volume(points: np.ndarray) -> float:
    """The volume of the union of boxes between the origin and points (n, d), none negative."""
    if points.shape[1] == 1:
        return float(points.max(initial=0.0))
    total, below = 0.0, 0.0
    for height in np.unique(points[:, -1]):
        if height > 0:
            total += (height - below) * _volume(points[points[:, -1] >= height][:, :-1])
            below = float(height)
    return total
