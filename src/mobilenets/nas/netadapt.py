"""NetAdapt: the widths of a trained network are cut, round by round, until it meets a budget.

Every round proposes several narrower networks, each of which gains the round's step; those are fine-tuned for
a moment, and the one that lost the least is the next round's beginning (Yang et al. 2018, arXiv 1804.03230,
algorithm 1; Howard et al. 2019, arXiv 1905.02244, section 4.2).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Literal, get_args

from mobilenets.arch.spec import Arch
from mobilenets.arch.widths import narrowed, sharing, widths
from mobilenets.base.errors import BudgetError, UnknownName, UsageError

Choice = Literal["ratio", "quality"]
Judge = Literal["metric", "loss"]
HALVINGS = 6  # of a round's step, before the network counts as exhausted


@dataclass(frozen=True)
class Rules:
    """How a network is adapted.

    The first round cuts the share `step` of the start's cost, each later one `decay` times the one before.
    Widths stay multiples of `multiple`. Of a round's proposals the `tuned` with the lowest loss before any
    fine-tuning are fine-tuned (0: all). `choice` "ratio" takes the one that loses least per cost gained
    (V3), "quality" the best one (the original). What is compared is the task's metric on held-out images or,
    for `judge` "loss", the loss, which tells more of few images. A network within `tolerance` above the
    budget meets it.
    """

    step: float = 0.04
    decay: float = 0.98
    multiple: int = 8
    tuned: int = 8
    choice: Choice = "ratio"
    judge: Judge = "loss"
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what cannot adapt anything. Raises UsageError, UnknownName."""
        for name, value, low, high in (
            ("step", self.step, 0.001, 0.9),
            ("decay", self.decay, 0.5, 1.0),
            ("multiple", self.multiple, 1, 256),
            ("tuned", self.tuned, 0, 10_000),
            ("tolerance", self.tolerance, 0.0, 0.2),
        ):
            if not low <= value <= high:
                raise UsageError(f"{name} must be from {low:g} to {high:g}, got {value}")
        for name, text, known in (
            ("choice", self.choice, get_args(Choice)),
            ("judge", self.judge, get_args(Judge)),
        ):
            if text not in known:
                raise UnknownName(name, text, known)


@dataclass(frozen=True)
class Point:
    """A network on the way: its cost, its `metric` and `loss` on held-out images, its weights' file."""

    arch: Arch
    cost: float
    metric: float
    loss: float
    weights: Path

    def quality(self, judge: Judge) -> float:
        """What is compared, more being better."""
        return self.metric if judge == "metric" else -self.loss


@dataclass(frozen=True)
class Proposal:
    """A narrower network: what was cut to how many channels, and what it should cost."""

    name: str
    cut: Mapping[str, int]
    arch: Arch
    cost: float


@dataclass(frozen=True)
class Round:
    """One round, counted from 1: what it had to reach, what was proposed, fine-tuned and taken."""

    number: int
    limit: float
    proposals: tuple[Proposal, ...]
    tuned: Mapping[str, Point]
    name: str
    chosen: Point


def netadapt(
    start: Point,
    budget: float,
    rules: Rules,
    *,
    predict: Callable[[Arch], float],
    measure: Callable[[Arch], float],
    screen: Callable[[int, Point, Sequence[Proposal]], Sequence[float]],
    tune: Callable[[int, Point, Sequence[Proposal]], Sequence[Point]],
) -> Iterator[Round]:
    """Rounds from `start` until the cost is at most `budget`, both in the unit of `predict` and `measure`.

    `predict` is asked for every candidate and has to be quick, `measure` for what a round chose; predictions
    are scaled to the last measurement. `screen` gives the loss of each proposal as it is cut, `tune` the
    networks after a short fine-tuning.
    Raises UsageError where the steps never reach the budget, BudgetError where the narrowest network does
    not.
    """
    _check_reach(start, budget, rules, predict)
    current, step = start, rules.step * start.cost
    for number in count(1):
        if current.cost <= budget * (1 + rules.tolerance):
            return
        limit, proposed = _proposed(current, budget, step, rules.multiple, predict)
        kept = _promising(proposed, rules, lambda listed: screen(number, current, listed))  # noqa: B023 - called at once
        tuned = dict(zip((one.name for one in kept), tune(number, current, kept), strict=True))
        name = chosen(current, tuned, rules)
        best = tuned[name]
        reached = Point(best.arch, measure(best.arch), best.metric, best.loss, best.weights)
        yield Round(number, limit, tuple(proposed), tuned, name, reached)
        current, step = reached, step * rules.decay


def proposals(
    current: Point, limit: float, multiple: int, predict: Callable[[Arch], float]
) -> list[Proposal]:
    """For every width, and for all bottlenecks of one resolution together, the widest that costs at most
    `limit`; what cannot reach it is left out.
    """
    scale = current.cost / predict(current.arch)
    present = {one.name: one.channels for one in widths(current.arch)}
    least = {one.name: max(one.least, multiple) for one in widths(current.arch)}
    found: dict[Arch, Proposal] = {}
    for names in [*((name,) for name in present), *sharing(current.arch)]:
        options = cuts({name: present[name] for name in names}, least, multiple)
        if proposal := _widest(current.arch, options, limit, lambda arch: scale * predict(arch)):
            found.setdefault(proposal.arch, proposal)
    return list(found.values())


def together(
    current: Point, limit: float, multiple: int, predict: Callable[[Arch], float]
) -> Proposal | None:
    """As few of the first widths as reach `limit`, cut in the same proportion; None where all do not.

    For a cost that is a maximum, as activations are: where several blocks share it, no single cut lowers it,
    and the large maps come first.
    """
    scale = current.cost / predict(current.arch)
    known = widths(current.arch)
    for n in range(2, len(known) + 1):
        few = known[:n]
        options = cuts({one.name: one.channels for one in few},
                       {one.name: max(one.least, multiple) for one in few}, multiple)  # fmt: skip
        if proposal := _widest(current.arch, options, limit, lambda arch: scale * predict(arch)):
            return replace(proposal, name=f"first{n}-{few[-1].name}")
    return None


def cuts(present: Mapping[str, int], least: Mapping[str, int], multiple: int) -> list[dict[str, int]]:
    """Ever fewer channels for widths that are cut together, in the same proportion, each a multiple."""
    most = max(present.values())
    found: list[dict[str, int]] = []
    for target in range((most - 1) // multiple * multiple, 0, -multiple):
        counts = {
            name: min(channels, max(least[name], round(channels * target / most / multiple) * multiple))
            for name, channels in present.items()
        }
        cut = {name: fewer for name, fewer in counts.items() if fewer < present[name]}
        if cut and (not found or cut != found[-1]):
            found.append(cut)
    return found


def chosen(current: Point, tuned: Mapping[str, Point], rules: Rules) -> str:
    """The proposal to go on with. Both rules of `Rules.choice`; of equal ones the cheaper."""

    def worth(name: str) -> tuple[float, float]:
        """What a proposal is preferred by."""
        point = tuned[name]
        change = point.quality(rules.judge) - current.quality(rules.judge)
        gained = current.cost - point.cost
        if rules.choice == "quality" or change >= 0:  # nothing lost: a ratio would prefer to gain little
            return change, gained
        return change / gained, gained

    at_no_loss = [name for name in tuned if worth(name)[0] >= 0]
    return max(at_no_loss or tuned, key=worth)


def _widest(
    arch: Arch, options: Sequence[dict[str, int]], limit: float, cost: Callable[[Arch], float]
) -> Proposal | None:
    """The first of ever narrower options that costs at most `limit`, found by halving; None without one."""
    low, high = 0, len(options)
    while low < high:
        middle = (low + high) // 2
        if cost(narrowed(arch, options[middle])) <= limit:
            high = middle
        else:
            low = middle + 1
    if low == len(options):
        return None
    cut = options[low]
    narrower = narrowed(arch, cut)
    return Proposal("+".join(f"{name}-{fewer}" for name, fewer in cut.items()), cut, narrower, cost(narrower))


def _promising(
    proposed: Sequence[Proposal], rules: Rules, screen: Callable[[Sequence[Proposal]], Sequence[float]]
) -> list[Proposal]:
    """Those worth fine-tuning, in the order of the network."""
    if not 0 < rules.tuned < len(proposed):
        return list(proposed)
    losses = screen(proposed)
    order = sorted(range(len(proposed)), key=lambda index: losses[index])
    return [proposed[index] for index in sorted(order[: rules.tuned])]


def _proposed(
    current: Point, budget: float, step: float, multiple: int, predict: Callable[[Arch], float]
) -> tuple[float, list[Proposal]]:
    """The round's limit and its proposals; where no single cut gains a whole step, half of it, and so on, and
    where none gains anything, one of several cuts.
    """
    whole = step
    for _ in range(HALVINGS):
        limit = max(budget, current.cost - step)
        if proposed := proposals(current, limit, multiple, predict):
            return limit, proposed
        step /= 2
    limit = max(budget, current.cost - whole)
    if joint := together(current, limit, multiple, predict):
        return limit, [joint]
    raise BudgetError(
        f"no width of {current.arch.name} can be cut any further, at a cost of {current.cost:.4g}; "
        f"the budget of {budget:.4g} is out of reach: give a larger one"
    )


def _check_reach(start: Point, budget: float, rules: Rules, predict: Callable[[Arch], float]) -> None:
    """Raise BudgetError for a budget that no width reaches, UsageError for steps that come to too little."""
    narrowest = {
        one.name: least
        for one in widths(start.arch)
        if (least := max(one.least, rules.multiple)) < one.channels
    }
    floor = start.cost * predict(narrowed(start.arch, narrowest)) / predict(start.arch)
    if floor > budget:
        raise BudgetError(
            f"a budget of {budget:.4g} is below what {start.arch.name} costs with every width at its least, "
            f"about {floor:.4g}; give a larger one, or begin with a smaller network or resolution"
        )
    if rules.decay < 1 and (reach := rules.step / (1 - rules.decay)) < 1 - budget / start.cost:
        raise UsageError(
            f"steps of {rules.step:g} that fall by {rules.decay:g} cut {100 * reach:.0f} % in all, "
            f"the budget needs {100 * (1 - budget / start.cost):.0f} %; give a larger step or decay"
        )
