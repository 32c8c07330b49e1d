"""The time that strategies of search take themselves, at 1,000 trials.

    python benchmarks/strategy_speed.py [--strategies bayes mnasnet ...] [--trials 1000] [--docs]

A space of 40 decisions with 3 to 7 options, whose canonical form takes a millisecond as a large space's does.
Each strategy is told --trials random trials, then asked and told 40 more; `ask_and_tell_ms` is the mean of
these in CPU time, `most_ms` the longest single one: some learn only now and then. With a quality alone, and
with a cost besides (`reward`). Prints one JSON document and appends it to
benchmarks/results/strategy_speed.jsonl; --docs also writes docs/strategy_speed.json.
"""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from mobilenets.base.files import write_json
from mobilenets.base.run import environment
from mobilenets.nas.reward import Outcome, Reward
from mobilenets.nas.space import Decision, Genotype, Space
from mobilenets.nas.strategies import STRATEGIES
from mobilenets.nas.strategies.strategy import Problem, Told
from telling import tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "strategy_speed.jsonl"
DOCS = HERE.parent / "docs" / "strategy_speed.json"
CANONICAL = 1e-3  # seconds
MORE = 40  # trials that are timed
REWARDS = {"quality": Reward("quality"), "reward": Reward("soft", (80.0,))}


def main() -> None:
    """Time, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/strategy_speed.json")
    given = parser.parse_args()
    rows = [timed(name, kind, given.trials) for name in given.strategies for kind in REWARDS]
    result = {"trials": given.trials, "rows": rows, "environment": environment(),
              "time": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)


def timed(name: str, kind: str, trials: int) -> dict[str, Any]:
    """What a strategy takes for one more trial."""
    chance = np.random.default_rng(0)
    space = Space("wide", tuple(Decision(f"d{k}", tuple(range(3 + k % 5))) for k in range(40)), _built, _slow)
    effects = [chance.normal(size=len(decision.options)) for decision in space.decisions]
    strategy = STRATEGIES[name](Problem(space, REWARDS[kind]), 0)

    def tell(number: int, genotype: Genotype) -> None:
        """What came of it: a sum of effects."""
        quality = 50 + sum(float(one[k]) for one, k in zip(effects, genotype, strict=True))
        costs = (20.0 + sum(genotype),) if REWARDS[kind].targets else ()
        strategy.tell(Told(number, genotype, Outcome(quality, costs)))

    for number in range(trials):
        tell(number, space.sample(chance))
    spent = []
    for number in range(trials, trials + MORE):
        begun = time.process_time()
        tell(number, strategy.ask(number))
        spent.append(1000 * (time.process_time() - begun))
    return {"strategy": name, "kind": kind, "ask_and_tell_ms": round(mean(spent), 2),
            "most_ms": round(max(spent), 2)}  # fmt: skip


def _built(_: object) -> Any:
    """A network: nobody asks for one."""
    raise AssertionError("strategies build nothing")


def _slow(genotype: Genotype) -> Genotype:
    """A canonical form that takes its time."""
    until = time.perf_counter() + CANONICAL
    while time.perf_counter() < until:
        pass
    return genotype


if __name__ == "__main__":
    main()
