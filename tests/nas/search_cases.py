"""What tests of searches share: a small space without networks, evaluators, and a driver to kill."""

import json
import os
import sys
import time
from pathlib import Path

from mobilenets.base.errors import DataError, UsageError
from mobilenets.nas.record import Record, identity
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.search import search
from mobilenets.nas.space import Decision, Space
from mobilenets.nas.strategies.evolution import Evolution
from mobilenets.nas.strategies.strategy import Problem
from mobilenets.nas.trial import Evaluation, Inline


def nothing(values):
    """No network."""
    raise UsageError("no network here")


SPACE = Space(
    "small",
    (
        Decision("op", ("conv", "inverted")),
        Decision("kernel", (3, 5, 7)),
        Decision("ratio", (0.25, 0.5, 1.0)),
        Decision("depth", (1, 2, 3, 4)),
    ),
    nothing,
)
PROBLEM = Problem(SPACE, Reward("soft", (10.0,)))
SEED = 3


def known(strategy: str = "evolution", seed: int = SEED, **settings):
    """What the search of the tests is."""
    return identity(PROBLEM, strategy, seed, **settings)


def opened(storage: Path | str, **more) -> Record:
    """The record of the tests' search."""
    return Record(storage, PROBLEM, known(), **more)


def judged(number, genotype, arch, seed) -> Evaluation:
    """Better with every index; a little by chance."""
    quality = 0.5 + 0.05 * sum(genotype) + (seed % 1000) / 1e5
    return Evaluation(Outcome(quality, (5.0 + genotype[-1],)), {"loss": 1 - quality})


def failing(number, genotype, arch, seed):
    """Never a result."""
    raise DataError("no images\nin sight")


class Logging:
    """Notes what it is given, in a file of its own process, and takes its time."""

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds

    def __call__(self, number, genotype, arch, seed) -> Evaluation:
        """As `judged`."""
        with (self.folder / f"{os.getpid()}.log").open("a") as file:
            file.write(json.dumps([number, list(genotype)]) + "\n")
        time.sleep(self.seconds)
        return judged(number, genotype, arch, seed)


def proposals(record: Record):
    """Which network was tried as which trial."""
    return [(trial.number, trial.genotype) for trial in record.trials]


def unkilled(folder: Path, trials: int):
    """The proposals of a search that nothing disturbs."""
    with opened(folder / "unkilled.db") as record:
        search(PROBLEM, Evolution(PROBLEM, SEED), record, Inline(judged), trials)
        return proposals(record)


def main(storage: str, folder: str, trials: int, seconds: float) -> None:
    """A driver of one worker, in a process of its own."""
    with opened(storage) as record:
        pool = Inline(Logging(Path(folder), seconds))
        search(PROBLEM, Evolution(PROBLEM, SEED), record, pool, trials)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
