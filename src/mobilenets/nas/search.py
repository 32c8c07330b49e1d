"""The driver of a search: asks a strategy, has workers evaluate, writes down, tells.

All state is in the record. A driver that is stopped or killed is followed by another, which tells a new
strategy the recorded trials in the order in which they ended, runs those under way again, and goes on.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Literal

from mobilenets.arch import codec
from mobilenets.base.errors import ArchError, Interrupted, SearchError, UsageError
from mobilenets.nas.confirm import PART, Confirm, part
from mobilenets.nas.record import Record
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import Problem, Strategy, Told, networks
from mobilenets.nas.trial import Done, Trial, Workers

BEAT = 0.2  # seconds between looks at whether an end was asked for
LOOK = 2.0  # seconds between looks at what other drivers do, for one that has nothing to do
HOPELESS = 5  # failures without any success that end a search
LASTING = 10  # failures one after another that end it later on: whatever their cause is, it stays

Event = Literal["told", "started", "ended"]


def search(
    problem: Problem,
    strategy: Strategy,
    record: Record,
    pool: Workers,
    trials: int,
    *,
    hours: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    confirm: Confirm | None = None,
    first: Sequence[Genotype] = (),
    on_event: Callable[[Event, Trial], None] = lambda _, __: None,
    hopeless: int = HOPELESS,
) -> list[Trial]:
    """Have so many trials end, those of the record counted, and return them in the order in which they ended.

    `strategy` and `confirm` are new: they are told what the record holds. `first` are tried before the
    strategy is asked. `confirm`, where given, proposes in the last part of the trials, or of the time. After
    `hours`, earlier sessions counted, nothing begins that would probably end later; what runs is waited for.
    A space of which every network was tried ends it early, after as many confirmations as it may have.
    `on_event` hears of a trial that is told from the record at the beginning, started, or ended, here or by
    another driver.
    Raises Interrupted once `stop` says so: what runs is left to whoever goes on. Raises SearchError when the
    first `hopeless` trials of a search fail or, later, LASTING ones in a row, UsageError, StorageError.
    """
    if trials < 1:
        raise UsageError(f"a search needs at least one trial, got {trials}")
    if hours is not None and hours <= 0:
        raise UsageError(f"a search needs time, got {hours:g} hours")
    driver = _Driver(problem, strategy, record, pool, trials, confirm, on_event)
    driver.limit = None if hours is None else hours * 3600
    driver.stop, driver.hopeless, driver.first = stop, hopeless, first
    driver.run()
    return record.ended


class _Driver:
    """One session of a search."""

    limit: float | None
    stop: Callable[[], bool]
    hopeless: int
    first: Sequence[Genotype]

    def __init__(
        self,
        problem: Problem,
        strategy: Strategy,
        record: Record,
        pool: Workers,
        trials: int,
        confirm: Confirm | None,
        on_event: Callable[[Event, Trial], None],
    ) -> None:
        self.problem, self.strategy, self.record, self.pool = problem, strategy, record, pool
        self.trials, self.confirm, self.on_event = trials, confirm, on_event
        self.running: dict[int, Trial] = {}
        self.again: deque[Trial] = deque()
        self.told: list[Told] = []
        self.failures, self.lasting = 0, 0
        self.exhausted = False
        self.begun = time.monotonic()
        self.spent = sum((trial.seconds or 0.0) / trial.beside for trial in record.ended)
        self.looked = -LOOK

    def run(self) -> None:
        """Work until all trials ended or the time is up."""
        self._tell("told")
        while True:
            if self.stop():
                raise Interrupted(
                    f"stopped after {len(self.told)} of {self.trials} trials; "
                    "run the same command again to go on"
                )
            self._fill()
            if self.running:
                for done in self.pool.wait(BEAT):
                    self._end(done)
            elif self._over():
                return
            else:
                time.sleep(BEAT)  # the trials that are left belong to other drivers

    def _over(self) -> bool:
        """Whether there is nothing left to wait for, when nothing runs here."""
        wanted = len(self.record.trials) if self.exhausted else self.trials
        return not self._in_time() or len(self.record.ended) >= wanted

    def _fill(self) -> None:
        """Give every free worker a trial, as long as there are any."""
        while len(self.running) < self.pool.size and self._in_time() and not self.stop():
            trial = self._next()
            if trial is None:
                return
            self.running[trial.number] = trial
            self.on_event("started", trial)
            if trial.arch is None and (flaw := self._flaw(trial.genotype)):
                self._end(Done(trial.number, 0.0, reason=flaw))
            else:
                self.pool.submit(trial.job)

    def _next(self) -> Trial | None:
        """What to run: a trial whose driver died, or else a new one."""
        if not self.again and time.monotonic() - self.looked > LOOK:
            self.looked = time.monotonic()
            self.again += self.record.claim()
            self._tell()
        return self.again.popleft() if self.again else self._asked()

    def _asked(self) -> Trial | None:
        """A new trial, written down; None when there are enough."""
        if len(self.record.trials) >= self.trials:
            return None
        with self.record.alone():
            self._tell()
            number = self.record.next_number
            if number >= self.trials:
                return None
            genotype = self.first[number] if number < len(self.first) else self._proposed(number)
            return None if genotype is None else self.record.add(genotype, self._described(genotype))

    def _proposed(self, number: int) -> Genotype | None:
        """What to try; None once all of a small space was tried, and confirmed as often as may be."""
        pending = [trial.genotype for trial in self.record.trials if trial.ended is None]
        old = {trial.genotype for trial in self.record.trials}
        confirm = self.confirm if self._fits() else None
        most = part(self.trials) if confirm else 0
        if number - len(old) >= most > 0 and self._is_all(old):
            self.exhausted = True
            return None
        if confirm and self._last_part(number) and (again := confirm.ask(number, pending)):
            return again
        genotype = self.strategy.ask(number, pending)
        if genotype not in old or not self._is_all(old):
            return genotype
        self.exhausted = most == 0
        return confirm.ask(number, pending) if confirm and most else None

    def _is_all(self, tried: set[Genotype]) -> bool:
        """Whether these are all networks of the space."""
        everything = networks(self.problem.space)
        return everything is not None and {*map(self.problem.space.canonical, tried)} >= {*everything}

    def _fits(self) -> bool:
        """Whether a trial so far is worth a confirmation: one that fits, or any where nothing has to."""
        reward = self.problem.reward
        outcomes = [one.outcome for one in self.told if one.outcome is not None]
        return any(not reward.targets or reward.fits(one.costs) for one in outcomes)

    def _last_part(self, number: int) -> bool:
        """Whether the trial is of those that confirm, by its number or by the time left."""
        if number >= self.trials - part(self.trials):
            return True
        return self.limit is not None and self._used() >= self.limit * (1 - PART) and part(number) > 0

    def _described(self, genotype: Genotype) -> str | None:
        """The network as JSON; None for one that cannot be, and where a space, as a table's, has none."""
        try:
            return codec.dumps(self.problem.space.arch(genotype))
        except (UsageError, ArchError):
            return None

    def _flaw(self, genotype: Genotype) -> str:
        """Why a network cannot be; empty for one that can, and where the space has none."""
        try:
            self.problem.space.arch(genotype)
        except ArchError as error:
            return str(error)
        except UsageError:
            pass
        return ""

    def _end(self, done: Done) -> None:
        """Write down what came of a trial."""
        del self.running[done.number]
        trial = self.record.end(done, self.pool.size)
        self._tell()
        if trial is None:
            return
        if trial.outcome is not None:
            self.lasting = 0
            return
        self.failures += 1
        self.lasting += trial.arch is not None  # that a network cannot be says nothing of the others
        known = len(self.told)
        nothing = self.failures >= self.hopeless and all(one.outcome is None for one in self.told)
        if nothing or self.lasting >= LASTING:
            which = f"all {known} trials" if nothing else f"of {known} trials the last {self.lasting}"
            raise SearchError(
                f"{which} failed, the last one: {trial.reason}; "
                "put that right, then run the same command again to go on"
            )

    def _tell(self, event: Event = "ended") -> None:
        """Have the strategy learn of all that ended since it was told last."""
        for trial in self.record.ended[len(self.told) :]:
            self.told.append(trial.told)
            self.strategy.tell(trial.told)
            if self.confirm is not None:
                self.confirm.tell(trial.told)
            self.on_event(event, trial)

    def _in_time(self) -> bool:
        """Whether a trial that begins now would probably end in time."""
        if self.limit is None:
            return True
        took = [trial.seconds for trial in self.record.ended if trial.seconds is not None]
        return self._used() + (median(took) if took else 0.0) <= self.limit

    def _used(self) -> float:
        """Seconds of this session and, as far as their trials tell, of those before."""
        return self.spent + time.monotonic() - self.begun
