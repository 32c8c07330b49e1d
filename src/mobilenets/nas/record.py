"""The record of a search: an Optuna study, in a SQLite file or on a PostgreSQL server.

What a trial tries are its parameters, its objective value is the reward, all else are its attributes, so
that Optuna's own tools read it. A trial has ended once its attribute `ended` is written, the last one.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from mobilenets.base.errors import ConfigMismatch, RunError, shown
from mobilenets.base.run import changes
from mobilenets.nas.attributes import attributes, read_trial, with_result
from mobilenets.nas.databases import address, opened_at, place, storing, tried_again
from mobilenets.nas.leases import Leases
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import Problem
from mobilenets.nas.trial import Done, Trial

NAME = "search"
LEASE = 60.0  # seconds after which a driver on another machine that gives no sign of life is taken for dead
TAKEN = 10  # drivers that may die over a trial
IDENTITY = "search"  # the study's attribute that says what search it is


def identity(problem: Problem, strategy: str, seed: int, **settings: Any) -> dict[str, Any]:
    """What makes a search this one and no other, for `Record`; `settings` are those of the evaluator."""
    space = problem.space
    decisions = {one.name: list(one.options) for one in space.decisions}
    return {
        "space": {"name": space.name, "decisions": decisions},
        "reward": asdict(problem.reward),
        "strategy": strategy,
        "seed": seed,
        **settings,
    }


class Record:
    """The trials of one search. Several drivers may work on it at once: each holds those that it runs.

    All methods raise StorageError when the storage cannot be reached, read or written.
    """

    def __init__(
        self,
        storage: str | Path,
        problem: Problem,
        known: Mapping[str, Any],
        *,
        name: str = NAME,
        lease: float = LEASE,
    ) -> None:
        """Open or make it. `storage` is a file, or postgresql://USER:PASSWORD@HOST/DATABASE; `known` is what
        `identity` gives.

        Raises MissingPackage, UsageError for another kind of storage, ConfigMismatch for another search's
        record, StorageError.
        """
        url = address(storage)
        self.problem, self.place = problem, place(url)
        self.identity: dict[str, Any] = json.loads(json.dumps(known))
        self._trials: dict[int, Trial] = {}
        self._order: list[int] = []
        self._held: set[int] = set()
        with storing(self.place):
            self._storage, self._engine = opened_at(url)
            self._leases = tried_again(partial(Leases, self._engine, lease))
            self._study = _study(self._storage, name)
        try:
            with self._locked():
                self._identify()
                self.refresh()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def trials(self) -> list[Trial]:
        """All, by number, as far as this process knows."""
        return [self._trials[number] for number in sorted(self._trials)]

    @property
    def ended(self) -> list[Trial]:
        """Those that ended, in that order. The list only ever grows at its end."""
        return [self._trials[number] for number in self._order]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other driver adds trials or takes them over; what all did is known."""
        with self._locked():
            self.refresh()
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Within the block no other driver is in such a block."""
        name = self._lease("ask")
        with storing(self.place):
            while not self._leases.take(name):
                time.sleep(0.02)
        try:
            yield
        finally:
            with storing(self.place):
                self._leases.drop(name)

    def refresh(self) -> None:
        """Learn what other drivers did, and end what one did not get to."""
        found = []
        with storing(self.place):
            for frozen in self._storage.get_all_trials(self._study, deepcopy=False):
                if frozen.number in self._trials and self._trials[frozen.number].ended is not None:
                    continue
                trial = read_trial(frozen, self.identity)
                found.append(trial)
                if trial.ended is not None and not frozen.state.is_finished():
                    self._settle(trial)
        self._trials |= {one.number: one for one in found}
        ended = [(one.ended, one.number) for one in found if one.ended is not None]
        self._order += [number for _, number in sorted(ended)]

    def add(self, genotype: Genotype, arch: str | None = None) -> Trial:
        """Write a proposal down, to be run by this driver, as trial `next_number`; only when `alone`."""
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        space, number = self.problem.space, self.next_number
        seed = np.random.SeedSequence([self.identity["seed"], number]).generate_state(1)
        trial = Trial(number, genotype, int(seed[0]) >> 1, arch)
        template = create_trial(
            state=TrialState.RUNNING,
            params=space.values(genotype),
            distributions={one.name: CategoricalDistribution(one.options) for one in space.decisions},
            user_attrs={"seed": trial.seed} | ({} if arch is None else {"arch": arch}),
        )
        with storing(self.place):
            self._storage.create_new_trial(self._study, template)
            self._leases.take(self._lease(number))
        self._held.add(number)
        self._trials[number] = trial
        return trial

    @property
    def next_number(self) -> int:
        """The number of the trial that is added next, when `alone`."""
        return len(self._trials)

    def claim(self) -> list[Trial]:
        """Those that began and whose driver is dead: they are now this driver's, to be run again.

        A trial over which too many drivers died has failed.
        """
        with self.alone():
            left = [one for one in self.trials if one.ended is None and one.number not in self._held]
            with storing(self.place):
                mine = [one for one in left if self._leases.take(self._lease(one.number))]
                tired = [one for one in mine if self._leases.taken(self._lease(one.number)) > TAKEN]
            self._held |= {one.number for one in mine}
            for one in tired:
                self.end(Done(one.number, 0.0, reason=f"{TAKEN} drivers died while it ran"))
        return [one for one in mine if one not in tired]

    def end(self, done: Done, beside: int = 1) -> Trial | None:
        """Write down how a trial of this driver ended, which ran with `beside` - 1 others at once, and return
        it; None where this driver no longer holds it. One whose reward is no number has failed.
        """
        trial = self._trials[done.number]
        trial = replace(trial, seconds=done.seconds, beside=beside, ended=self._next_end())
        trial = with_result(trial, done, self.problem.reward)
        self._held.discard(trial.number)
        with storing(self.place):
            if not self._leases.keep(self._lease(trial.number)):
                return None
            for attribute, value in attributes(trial).items():
                self._storage.set_trial_user_attr(self._key(trial), attribute, value)
            self._settle(trial)
            self._leases.drop(self._lease(trial.number))
        self._trials[trial.number] = trial
        self._order.append(trial.number)
        return trial

    def close(self) -> None:
        """Let go of all trials that run; whoever opens the record next runs them again."""
        with storing(self.place):
            self._leases.close()
            self._engine.dispose()

    def _identify(self) -> None:
        """Say in the study what search it is. Raises ConfigMismatch where it is another."""
        with storing(self.place):
            there = self._storage.get_study_user_attrs(self._study).get(IDENTITY)
            if there is None and not self._storage.get_n_trials(self._study):
                self._storage.set_study_user_attr(self._study, IDENTITY, self.identity)
                there = self.identity
        if there != self.identity:
            differing = changes(there, self.identity) if there else "not one of ours"
            raise ConfigMismatch(
                f"{self.place} holds another search ({differing}); use another place, or the same settings"
            )

    def _settle(self, trial: Trial) -> None:
        """Let Optuna know that a trial ended."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with suppress(UpdateFinishedTrialError):  # another driver was faster with the same
            if trial.outcome is None:
                self._storage.set_trial_state_values(self._key(trial), TrialState.FAIL)
            else:
                reward = float(self.problem.reward.of(trial.outcome.quality, trial.outcome.costs))
                self._storage.set_trial_state_values(self._key(trial), TrialState.COMPLETE, [reward])

    def _next_end(self) -> int:
        """What `ended` is for the trial that ends next, as far as this driver knows."""
        last = [self._trials[number].ended or 0 for number in self._order]
        return 1 + max(last, default=0)

    def _key(self, trial: Trial) -> int:
        """Optuna's key of a trial."""
        return int(self._storage.get_trial_id_from_study_id_trial_number(self._study, trial.number))

    def _lease(self, what: int | str) -> str:
        """The name under which a trial of this study is held."""
        return f"{self._study}/{what}"


def read_record(storage: str | Path, name: str = NAME) -> tuple[dict[str, Any], list[Trial]]:
    """What search a record is of (see `identity`), and its trials by number, for those who only look.

    Raises RunError where there is none, UsageError, MissingPackage, StorageError.
    """
    url = address(storage)
    missing = f"{place(url)} holds no search named {shown(name)}"
    if url.get_backend_name() == "sqlite" and not Path(url.database).exists():
        raise RunError(missing)
    with storing(place(url)):
        there, engine = opened_at(url)
        try:
            try:
                study = there.get_study_id_from_name(name)
                known = there.get_study_user_attrs(study)[IDENTITY]
            except KeyError:
                raise RunError(missing) from None
            trials = [read_trial(one, known) for one in there.get_all_trials(study)]
        finally:
            engine.dispose()
    return known, trials


def _study(storage: Any, name: str) -> int:
    """Optuna's key of the study, which is made where it is missing."""
    from optuna.exceptions import DuplicatedStudyError
    from optuna.study import StudyDirection

    with suppress(DuplicatedStudyError):
        return int(storage.create_new_study([StudyDirection.MAXIMIZE], name))
    return int(storage.get_study_id_from_name(name))
