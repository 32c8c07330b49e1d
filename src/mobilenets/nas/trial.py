"""Trials of networks: what a worker is given and gives back, what a pool of workers is, and what is kept."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mobilenets.base.errors import Interrupted, MobilenetsError
from mobilenets.nas.reward import Outcome
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.strategy import Told

State = Literal["running", "complete", "failed"]


@dataclass(frozen=True)
class Job:
    """What is to be evaluated: the network as JSON where its space builds one, and a seed for this trial."""

    number: int
    genotype: Genotype
    arch: str | None
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """What an evaluator found, and whatever else is worth keeping, by name."""

    outcome: Outcome
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """How a job ended: with an evaluation, or with the reason for its failure in one line."""

    number: int
    seconds: float
    evaluation: Evaluation | None = None
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """What is kept of a trial. It ran for `seconds`, one of `beside` at once.

    `ended` counts the trials of a search as they end, from 1.
    """

    number: int
    genotype: Genotype
    seed: int
    arch: str | None = None
    state: State = "running"
    outcome: Outcome | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    seconds: float | None = None
    beside: int = 1
    ended: int | None = None

    @property
    def told(self) -> Told:
        """As strategies hear of it."""
        return Told(self.number, self.genotype, self.outcome)

    @property
    def job(self) -> Job:
        """As workers hear of it."""
        return Job(self.number, self.genotype, self.arch, self.seed)


Evaluator = Callable[
    [int, Genotype, str | None, int], Outcome | Evaluation
]  # number, choices, arch JSON, seed


class Workers(Protocol):
    """Whoever evaluates networks: at most `size` jobs at once."""

    @property
    def size(self) -> int:
        """How many jobs run at once."""

    def submit(self, job: Job) -> None:
        """Begin a job; there are fewer than `size` under way."""

    def wait(self, seconds: float) -> Sequence[Done]:
        """Those that ended, waiting for the first at most so long. Each job is given back once."""


class Inline:
    """A pool that evaluates one job after the other in this very process."""

    size = 1

    def __init__(self, evaluate: Evaluator) -> None:
        self.evaluate = evaluate
        self.jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """As `Workers.submit`; it is evaluated when it is waited for."""
        self.jobs.append(job)

    def wait(self, seconds: float) -> Sequence[Done]:  # noqa: ARG002 - one cannot wait less than a job takes
        """As `Workers.wait`, for as long as the job takes."""
        return [evaluated(self.evaluate, self.jobs.popleft())] if self.jobs else []


def evaluated(evaluate: Evaluator, job: Job) -> Done:
    """The end of a job. Whatever its evaluator raises is a failure of this trial alone."""
    begun = time.monotonic()
    try:
        found = evaluate(job.number, job.genotype, job.arch, job.seed)
        evaluation = found if isinstance(found, Evaluation) else Evaluation(found)
        reason = _unusable(evaluation.outcome)
    except Interrupted:  # whoever drives was asked to end; the trial is run again
        raise
    except MobilenetsError as error:
        evaluation, reason = None, str(error)
    except Exception as error:  # noqa: BLE001 - an evaluator is code from outside; the search goes on
        evaluation, reason = None, f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - begun
    if reason:
        return Done(job.number, seconds, reason=" ".join(reason.split()) or "no reason was given")
    return Done(job.number, seconds, evaluation)


def _unusable(outcome: Outcome) -> str:
    """Why nothing can be learnt of an outcome; empty where something can."""
    if not all(math.isfinite(number) for number in (outcome.quality, *outcome.costs)):
        return f"quality {outcome.quality} and costs {outcome.costs} should be finite numbers"
    return ""
