"""Strategies of search on NAS-Bench-Macro, whose networks were all trained before: evaluations are looked up.

    python benchmarks/nasbench_macro.py [--seeds 200] [--strategies bayes local ...] [--table PATH] [--docs]

For each strategy and seed, the true rank, among all distinct networks of the table, of the best network found
after 50, 100 and 200 evaluations: by accuracy alone, and by the reward accuracy * (FLOPs/55.4M)^-0.07, whose
FLOPs a strategy knows with the outcome only (`reward`) or may ask before (`priced`, of those that ask). In
`noisy`, an evaluation is one training run, drawn from the table's by the seed, and the last part of a budget
of 200 measures the leaders again (`nas/confirm.py`); the rank is the true one of the network that is named in
the end. Beside it stands that of the best single evaluation of a search that spends all 200 (`unconfirmed`).
Means with their standard errors. Of the default, the bend of the scale and the share of confirmation were
chosen among a few with seeds 0 to 39 in view. --table takes any other table of this layout.

Strategies whose package is missing are left out, with a line. A killed run resumes, until the
strategy's sources change. Prints one JSON document and appends it to benchmarks/results/nasbench_macro.jsonl;
--docs also puts its rows into docs/strategies.json.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from material import DATA
from mobilenets.base.errors import MissingPackage
from mobilenets.base.files import cache_folder, read_json, write_json
from mobilenets.base.run import environment
from mobilenets.nas import confirm, strategies
from mobilenets.nas.reward import Reward
from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies import beliefs, model
from mobilenets.nas.strategies.strategy import Problem, Strategy, Told
from mobilenets.nas.tables import Table, macro, read_table
from telling import tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "nasbench_macro.jsonl"
DOCS = HERE.parent / "docs" / "strategies.json"
MACRO = DATA / "nas-bench-macro" / "nas-bench-macro_cifar10.json"
BUDGETS = (50, 100, 200)
FLOPS = 55.4e6
MODES = ("accuracy", "reward", "priced", "noisy", "unconfirmed")
PRICED = ("bayes",)  # strategies that ask for costs before they propose


def main() -> None:
    """Search, rank, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--strategies", nargs="+", default=list(strategies.STRATEGIES))
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--table", type=Path, default=MACRO)
    parser.add_argument("--target", type=float, default=FLOPS, help="of the reward, in the table's flops")
    parser.add_argument("--workers", type=int, default=1, help="processes; times are true with one alone")
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/strategies.json")
    given = parser.parse_args()
    rows = []
    for name in given.strategies:
        for mode in given.modes:
            if (mode != "priced" or name in PRICED) and (row := summary(given, name, mode)):
                rows.append(row)
                print(line(row), file=sys.stderr, flush=True)
    table = opened(given.table)
    result = {"name": "nasbench_macro", "table": given.table.name, "networks": len(distinct(table)),
              "target_flops": given.target, "rows": rows, "environment": environment(),
              "time": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    tell(result, RESULTS)
    if given.docs:  # rows of other runs stay
        new = {(row["strategy"], row["mode"]) for row in rows}
        old = read_json(DOCS)["rows"] if DOCS.exists() else []
        write_json(DOCS, result | {"rows": [r for r in old if (r["strategy"], r["mode"]) not in new] + rows})


def summary(given: argparse.Namespace, name: str, mode: str) -> dict[str, Any] | None:
    """Mean ranks of a strategy and their standard errors; None where its package is missing."""
    try:
        strategies.strategy(name, Problem(opened(given.table).space))
    except MissingPackage as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return None
    found = list(searched(given, name, mode))
    ranks = {
        str(budget): {
            "mean_rank": round(mean(values), 3),
            "standard_error": round(stdev(values) / len(values) ** 0.5, 3) if len(values) > 1 else None,
        }
        for budget in found[0]["ranks"]
        for values in [[one["ranks"][budget] for one in found]]
    }
    ms = round(1000 * mean(one["seconds_per_proposal"] for one in found), 2)
    return {"strategy": name, "mode": mode, "seeds": len(found), "after": ranks, "ms_per_proposal": ms}


def searched(given: argparse.Namespace, name: str, mode: str) -> Iterator[dict[str, Any]]:
    """What came of every seed; finished ones are read again."""
    content = hashlib.sha256(given.table.read_bytes()).hexdigest()[:12]
    key = f"{name} {mode} {given.target:g} {sources(name, mode)} {content}"
    kept = cache_folder() / "benchmarks" / "nasbench_macro.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    done = {}
    for text in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []:
        if text.endswith("}") and (one := json.loads(text))["key"] == key:
            done[one["seed"]] = one
    yield from (done[seed] for seed in range(given.seeds) if seed in done)
    missing = [seed for seed in range(given.seeds) if seed not in done]
    with ProcessPoolExecutor(given.workers) as pool, kept.open("a", encoding="utf-8") as file:
        for one in pool.map(partial(search, given.table, given.target, name, mode), missing):
            file.write("\n" + json.dumps(one | {"key": key}))  # a line that a kill cut short ends here
            file.flush()
            yield one


def search(path: Path, target: float, name: str, mode: str, seed: int) -> dict[str, Any]:
    """The ranks after every budget, of one seed, and the strategy's own time."""
    table = opened(path)
    reward, costs = Reward("quality"), None
    if mode in ("reward", "priced"):
        reward = Reward("soft", (target,))
        costs = partial(table.costs, names=("flops",)) if mode == "priced" else None
    strategy = strategies.strategy(name, Problem(table.space, reward, costs), seed)
    names = ("flops",) if reward.targets or name == "pareto" else ()
    noisy = mode in ("noisy", "unconfirmed")
    seen, own = run(table, strategy, names, noisy, mode == "noisy")
    rank = ranks(path, target if reward.targets else None)
    if mode == "noisy":
        found = {BUDGETS[-1]: rank[table.space.canonical(named(strategy, seen))]}
    elif noisy:
        lucky = max(seen, key=strategy.reward)
        found = {BUDGETS[-1]: rank[table.space.canonical(lucky.genotype)]}
    else:
        every = [rank[table.space.canonical(trial.genotype)] for trial in seen]
        found = {budget: min(every[:budget]) for budget in BUDGETS}
    return {"seed": seed, "ranks": {str(key): value for key, value in found.items()},
            "seconds_per_proposal": own / len(seen)}  # fmt: skip


def run(
    table: Table, strategy: Strategy, names: tuple[str, ...], noisy: bool, confirmed: bool
) -> tuple[list[Told], float]:
    """All trials of a search, and the seconds that the strategy took."""
    total = BUDGETS[-1]
    last = confirm.part(total) if confirmed else 0
    leaders = confirm.Confirm(strategy.problem, strategy.seed)
    trials: list[Told] = []
    own = 0.0
    for number in range(total):
        begun = time.process_time()
        genotype = strategy.ask(number) if number < total - last else leaders.ask(number)
        own += time.process_time() - begun
        assert genotype is not None
        chance = np.random.default_rng([strategy.seed, number, 9])
        of = int(chance.integers(len(table.row(genotype).runs))) if noisy else None
        trials.append(Told(number, genotype, table.outcome(genotype, names, of)))
        begun = time.process_time()
        strategy.tell(trials[-1])
        if confirmed:
            leaders.tell(trials[-1])
        own += time.process_time() - begun
    return trials, own


def named(strategy: Strategy, trials: list[Told]) -> Genotype:
    """Which network is taken in the end."""
    judge = confirm.Confirm(strategy.problem, strategy.seed)
    for trial in trials:
        judge.tell(trial)
    found = judge.named()
    assert found is not None
    return found


@lru_cache(maxsize=1)
def opened(path: Path) -> Table:
    """The table; NAS-Bench-Macro's own with its space, which knows what networks are the same."""
    return read_table(path, macro() if path.name == MACRO.name else None)


def distinct(table: Table) -> dict[Genotype, Genotype]:
    """All networks of the table in canonical form."""
    return {table.space.canonical(one): one for one in table.rows}


@lru_cache(maxsize=4)
def ranks(path: Path, target: float | None) -> dict[Genotype, int]:
    """The rank, from 1 on, of every distinct network, by mean accuracy or by reward."""
    table = opened(path)
    reward = Reward("quality") if target is None else Reward("soft", (target,))
    names = () if target is None else ("flops",)
    values = {one: reward.of(table.row(one).quality, table.costs(one, names)) for one in distinct(table)}
    order = np.array(list(values.values()))
    return {one: 1 + int((order > value).sum()) for one, value in values.items()}


def sources(name: str, mode: str) -> str:
    """What tells one state of the code from another, as far as it concerns a strategy."""
    parts = {sys.modules[kind.__module__] for kind in strategies.STRATEGIES[name].__mro__[:-2]}
    parts |= {beliefs, model} if name == "bayes" or mode == "noisy" else set()
    parts |= {confirm} if mode == "noisy" else set()
    digest = hashlib.sha256()
    for file in sorted(str(one.__file__) for one in parts):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:12]


def line(row: dict[str, Any]) -> str:
    """One row to read."""
    after = ", ".join(
        f"{one['mean_rank']:.2f} ± {one['standard_error'] or 0:.2f} at {budget}"
        for budget, one in row["after"].items()
    )
    return f"{row['strategy']:10} {row['mode']:12} {after}; {row['ms_per_proposal']:.1f} ms per proposal"


if __name__ == "__main__":
    main()
