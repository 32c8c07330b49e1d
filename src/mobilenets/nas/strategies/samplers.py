"""Optuna's TPE and NSGA-II, asked and told as our strategies are. Both go by the reward alone.

Optuna keeps random numbers in its samplers and generations in its trials. Here a sampler is made for every
proposal, seeded by the number of its trial, and the study is filled from what was told, so that a strategy
that was told the same goes on in the same way. Draws are what Optuna would propose with that seed and those
trials; where it repeats itself it is asked again, and then a network near one of its draws is taken.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenets.base.errors import needs
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import TRIES, Problem, Strategy, Told

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

REDRAWS = 5  # times that Optuna is asked, which takes it long
POPULATION = 50  # Optuna's own
NAME = "search"
GENERATION = "NSGAIISampler:generation"  # the attribute in which Optuna keeps a trial's generation


class Sampler(Strategy):
    """A sampler of Optuna."""

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        """Raises MissingPackage without optuna, UsageError for a space that holds one network."""
        super().__init__(problem, seed)
        with needs("optuna", "search"):
            from optuna import create_study
            from optuna.distributions import CategoricalDistribution
            from optuna.storages import InMemoryStorage
        self._storage = InMemoryStorage()
        with _quiet():
            self._told = create_study(storage=self._storage, study_name=NAME, direction="maximize")
        decisions = problem.space.decisions
        self._distributions: dict[str, BaseDistribution] = {
            one.name: CategoricalDistribution(range(len(one.options))) for one in decisions
        }
        # as Optuna does: together, sorted by name, those that leave a choice
        several = sorted(one.name for one in decisions if len(one.options) > 1)
        self._together = {name: self._distributions[name] for name in several}
        self._ended = 0

    @abstractmethod
    def sampler(self, seed: int) -> "BaseSampler":
        """Optuna's sampler, which has proposed nothing yet."""

    def attributes(self) -> dict[str, Any]:
        """What the sampler notes in a trial that is proposed, or ends, now."""
        return {}

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        chance = self.chance(number)
        return self.fresh(self._draws(chance), self.taken(pending), chance)

    def tell(self, trial: Told) -> None:
        """As `Strategy.tell`. Optuna learns nothing from trials that failed."""
        super().tell(trial)
        if trial.outcome is not None:
            params = dict(zip(self._distributions, self.canonical(trial.genotype), strict=True))
            self._told.add_trial(self._trial(value=self.reward(trial), params=params))
            self._ended += 1

    def study(self, sampler: "BaseSampler") -> "Study":
        """All trials so far. A study that was asked before would go on with those that it had then."""
        from optuna import load_study

        return load_study(study_name=NAME, storage=self._storage, sampler=sampler)

    def _draws(self, chance: np.random.Generator) -> Iterator[Genotype]:
        """What Optuna proposes, then neighbours of that."""
        study, found = self.study(self.sampler(int(chance.integers(2**32)))), list[Genotype]()
        for _ in range(REDRAWS):
            found.append(self._draw(study))
            yield found[-1]
        for _ in range(TRIES):
            yield self.problem.space.mutate(found[int(chance.integers(len(found)))], chance)

    def _draw(self, study: "Study") -> Genotype:
        """One proposal of the study's sampler."""
        trial, sampler = self._trial(), study.sampler
        drawn = sampler.sample_relative(study, trial, self._together)
        for name, distribution in self._distributions.items():
            if distribution.single():
                drawn[name] = 0
            elif name not in drawn:
                drawn[name] = sampler.sample_independent(study, trial, name, distribution)
        return tuple(int(drawn[name]) for name in self._distributions)

    def _trial(self, value: float | None = None, params: dict[str, Any] | None = None) -> "FrozenTrial":
        """A trial that ended with a value, or one that is to be proposed."""
        from optuna.trial import TrialState, create_trial

        return create_trial(
            state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
            value=value,
            params=params,
            distributions=self._distributions if params else None,
            system_attrs=self.attributes(),
        )


class Tpe(Sampler):
    """The tree-structured Parzen estimator (Bergstra et al. 2011), over all decisions together."""

    def sampler(self, seed: int) -> "BaseSampler":
        """As `Sampler.sampler`."""
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, constant_liar=False)


class Nsga2(Sampler):
    """NSGA-II (Deb et al. 2002) by generations. For fronts take `Pareto`."""

    def sampler(self, seed: int) -> "BaseSampler":
        """As `Sampler.sampler`."""
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(population_size=POPULATION, seed=seed)

    def tell(self, trial: Told) -> None:
        """As `Sampler.tell`. A generation that is complete has its best chosen at once.

        Optuna does it when it is next asked, and that proposal alone looks at them in another order than
        those after it; ours do not depend on which was asked first.
        """
        super().tell(trial)
        if trial.outcome is not None and self._ended % POPULATION == 0:
            from optuna.samplers import NSGAIISampler

            sampler = NSGAIISampler(population_size=POPULATION)
            sampler.get_parent_population(self.study(sampler), self._ended // POPULATION)

    def attributes(self) -> dict[str, Any]:
        """The generation, which Optuna counts by trials that ended well."""
        return {GENERATION: self._ended // POPULATION}


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says nothing but warnings."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(before)
