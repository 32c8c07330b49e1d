"""What tests of searches share: a small space without networks, evaluators, and a driver to kill."""

import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from mobilenets.base.errors import DataError, UsageError
from mobilenets.jobs.workers import Pool
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


def begun(folder: Path) -> list[int]:
    """The numbers of all trials that began with `Logging`, as often as they did."""
    lines = [line for path in folder.glob("*.log") for line in path.read_text().splitlines()]
    return sorted(json.loads(line)[0] for line in lines)


def all_once(kept, trials: int) -> bool:
    """Whether trials of a record are complete, each once."""
    return (
        [one.number for one in kept] == list(range(trials))
        and sorted(one.ended for one in kept) == list(range(1, trials + 1))
        and all(one.state == "complete" for one in kept)
    )


def proposals(record: Record):
    """Which network was tried as which trial."""
    return [(trial.number, trial.genotype) for trial in record.trials]


def unkilled(folder: Path, trials: int):
    """The proposals of a search that nothing disturbs."""
    with opened(folder / "unkilled.db") as record:
        search(PROBLEM, Evolution(PROBLEM, SEED), record, Inline(judged), trials)
        return proposals(record)


def command(storage: Path | str, folder: Path, trials: int, seconds: float, workers: int = 0) -> list[str]:
    """Starts a driver in a process of its own; without workers it evaluates by itself."""
    given = (storage, folder, trials, seconds, workers)
    return [sys.executable, __file__, *map(str, given)]


def main(storage: str, folder: str, trials: int, seconds: float, workers: int) -> None:
    """What that process does."""
    evaluate = Logging(Path(folder), seconds)
    with opened(storage) as record, Pool(evaluate, workers) if workers else nullcontext() as pool:
        search(PROBLEM, Evolution(PROBLEM, SEED), record, pool or Inline(evaluate), trials)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
