"""What came of a search: told while it runs, and search.json for reports and programs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

from mobilenets.arch import codec, cost
from mobilenets.arch.spec import Arch
from mobilenets.base.console import say
from mobilenets.nas.reward import Outcome, Reward, front, hypervolume
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import Problem
from mobilenets.nas.trial import Trial
from mobilenets.reports.wording import amount


@dataclass(frozen=True)
class Found:
    """A network that was tried: what all its trials say of it, and its rank by the quality to be expected."""

    genotype: Genotype
    arch: Arch
    quality: float
    cost: float
    trials: tuple[int, ...]
    rank: int


class Narration:
    """Says a line for every trial that ends: what it is, the best that fits so far, how long is left."""

    def __init__(
        self, problem: Problem, unit: str, metric: str, trials: int, hours: float | None = None
    ) -> None:
        self.problem, self.unit, self.metric = problem, unit, metric
        self.trials, self.hours = trials, hours
        self.ended, self.before = 0, 0
        self.spent = 0.0  # seconds of sessions before this one
        self.best: Trial | None = None
        self.begun = time.monotonic()

    def __call__(self, event: str, trial: Trial) -> None:
        """Hear of a trial, as `nas.search.search` tells."""
        if event == "started":
            return
        self.ended += 1
        if trial.outcome is not None and self.problem.reward.fits(trial.outcome.costs):
            known = self.best.outcome if self.best else None
            if known is None or trial.outcome.quality > known.quality:
                self.best = trial
        if event == "told":
            self.before = self.ended
            self.spent += (trial.seconds or 0.0) / trial.beside
            return
        if self.ended == self.before + 1:
            if self.before:
                say(f"{self.before} trials are there already")
            heads = f"{'trial':>9}  {self.metric:>7}  {self.unit:>9}  {'reward':>8}"
            say(f"{heads}  {'best that fits':<22} {'left':>8}")
        say(self._row(trial))

    def _row(self, trial: Trial) -> str:
        """A trial as a line of the table."""
        count = f"{self.ended}/{self.trials}"
        if trial.outcome is None:
            return f"{count:>9}  failed: {trial.reason}"
        quality, costs = trial.outcome.quality, trial.outcome.costs
        best = self.best.outcome if self.best else None
        fits = f"{100 * best.quality:.1f} % at {amount(best.costs[0])}" if best else "none yet"
        reward = self.problem.reward.of(quality, costs)
        return (
            f"{count:>9}  {100 * quality:>5.1f} %  {amount(costs[0]):>9}  {reward:>8.4f}  {fits:<22} "
            f"{_minutes(self._left()):>8}"
        )

    def _left(self) -> float:
        """Seconds until all trials ended, at the speed of this session, or until the time is up."""
        used = time.monotonic() - self.begun
        left = used / (self.ended - self.before) * (self.trials - self.ended)
        if self.hours is None:
            return left
        return max(0.0, min(left, 3600 * self.hours - self.spent - used))


def found(problem: Problem, trials: Sequence[Trial]) -> list[Found]:
    """The networks that were evaluated, in the order of their first trials; the mean of several trials.

    They are ranked by what is to be expected of them after all trials (`nas.confirm`), not by their means:
    the best of many is mostly one that was lucky.
    """
    from mobilenets.nas.confirm import Confirm

    groups: dict[Genotype, list[Trial]] = {}
    expected = Confirm(replace(problem, reward=Reward("quality")))
    for trial in trials:
        expected.tell(trial.told)
        if trial.outcome is not None:
            groups.setdefault(trial.genotype, []).append(trial)
    ranks = {genotype: rank for rank, genotype in enumerate(expected.ranked())}
    return [
        Found(
            genotype,
            codec.loads(several[0].arch) if several[0].arch else problem.space.arch(genotype),
            mean(one.outcome.quality for one in several if one.outcome),
            several[0].outcome.costs[0] if several[0].outcome else 0.0,
            tuple(one.number for one in several),
            ranks[genotype],
        )
        for genotype, several in groups.items()
    ]


def fitting(problem: Problem, networks: Sequence[Found]) -> list[Found]:
    """Those within the budget, that of which most is to be expected first."""
    return sorted((one for one in networks if problem.reward.fits((one.cost,))), key=lambda one: one.rank)


def document(
    problem: Problem,
    strategy: str,
    unit: str,
    trials: Sequence[Trial],
    beside: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """search.json: what was searched and for what, every trial, all networks in the order of what is to be
    expected of them, those that no other beats, the best
    that fits and, apart from it, the best reward, and networks of the zoo that were tried alike.

    `hypervolume` is the share of what lies between no quality at the budget and all quality for nothing that
    the front dominates: it tells searches of one budget apart.
    """
    networks, reward = found(problem, trials), problem.reward
    best = fitting(problem, networks)[:1]
    rewarded = sorted(networks, key=lambda one: -reward.of(one.quality, (one.cost,)))[:1]
    outcomes, budget = [Outcome(one.quality, (one.cost,)) for one in networks], reward.targets[0]
    return {
        "space": problem.space.name,
        "decisions": {one.name: list(one.options) for one in problem.space.decisions},
        "strategy": strategy,
        "reward": reward.form,
        "budget": budget,
        "unit": unit,
        "failed": sum(trial.outcome is None for trial in trials),
        "best_that_fits": _network(problem, best[0]) if best else None,
        "best_reward": _network(problem, rewarded[0]) if rewarded else None,
        "front": [_network(problem, networks[k]) for k in front(outcomes)],
        "hypervolume": hypervolume(outcomes, Outcome(0.0, (budget,))) / budget,
        "networks": [
            {"trials": list(one.trials), "quality": one.quality, "cost": one.cost, "rank": one.rank}
            for one in sorted(networks, key=lambda one: one.rank)
        ],
        "trials": [_trial(problem, trial) for trial in trials],
        "beside": [{"name": name, **facts} for name, facts in beside.items()],
    }


def _network(problem: Problem, one: Found) -> dict[str, Any]:
    """A network as plain data."""
    counted = cost(one.arch)
    return {
        "arch": codec.encode(one.arch),
        "choices": problem.space.values(one.genotype),
        "quality": one.quality,
        "cost": one.cost,
        "reward": problem.reward.of(one.quality, (one.cost,)),
        "params": counted.params,
        "macs": counted.macs,
        "trials": list(one.trials),
    }


def _trial(problem: Problem, trial: Trial) -> dict[str, Any]:
    """A trial as plain data."""
    outcome = trial.outcome
    return {
        "number": trial.number,
        "seconds": trial.seconds,
        "genotype": list(trial.genotype),
        "quality": outcome.quality if outcome else None,
        "cost": outcome.costs[0] if outcome else None,
        "reward": problem.reward.of(outcome.quality, outcome.costs) if outcome else None,
        "fits": problem.reward.fits(outcome.costs) if outcome else None,
        "reason": trial.reason,
    }


def _minutes(seconds: float) -> str:
    """A time for a person."""
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min"
