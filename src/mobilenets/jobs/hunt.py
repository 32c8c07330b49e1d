"""A search that may begin: its space with heads and prices, who tries networks, what it will cost."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec
from mobilenets.arch.spec import Arch
from mobilenets.base.console import say
from mobilenets.base.errors import ArchError, UsageError
from mobilenets.base.files import sha256, write_json
from mobilenets.base.run import Run, cpu_name, read, read_config
from mobilenets.jobs.budget import Goal
from mobilenets.jobs.measured import beyond_tables
from mobilenets.jobs.resource import Price
from mobilenets.jobs.search_result import Narration
from mobilenets.jobs.searched_space import RARE, check_budget, priced, samples, with_heads
from mobilenets.jobs.short_training import ShortTraining
from mobilenets.jobs.start import headed
from mobilenets.nas.reward import Reward
from mobilenets.nas.space import Genotype, Space
from mobilenets.nas.strategies import STRATEGIES
from mobilenets.nas.strategies.strategy import Problem
from mobilenets.nas.trial import Inline, Trial, Workers

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset

TIMED = 3  # of the first proposals, to tell what a trial takes


@dataclass(frozen=True)
class Hunt:
    """A search that may begin: what is searched, how networks are tried, by which strategy."""

    problem: Problem
    short: ShortTraining
    strategy: str
    seed: int
    confirm: bool
    about: Mapping[str, Any] = field(default_factory=dict)  # on what: images, network, unit, target

    @property
    def limit(self) -> float:
        """The budget, in the unit of the price."""
        return self.problem.reward.targets[0]

    def run(self, pool: Any, storage: str | Path, trials: int, hours: float | None) -> list[Trial]:
        """Have the trials end; those of the record are told first. Raises as `nas.search.search`."""
        from mobilenets.nas.confirm import Confirm
        from mobilenets.nas.record import Record, identity
        from mobilenets.nas.search import search as drive
        from mobilenets.training.signals import stop_wish

        short, problem = self.short, self.problem
        known = identity(problem, self.strategy, self.seed, confirm=self.confirm, **short.terms, **self.about)
        again = Confirm(problem, self.seed) if self.confirm else None
        told = Narration(problem, short.price.unit, _metric(short.material.task), trials, hours)
        with Record(storage, problem, known) as record, stop_wish() as wish, pool as ready:
            strategy = STRATEGIES[self.strategy](problem, self.seed)
            return drive(problem, strategy, record, ready, trials, hours=hours, stop=wish, confirm=again,
                         first=beginning(problem), on_event=told)  # fmt: skip


def beginning(problem: Problem) -> tuple[Genotype, ...]:
    """Where a search begins: the space's network nearest to the one it is laid around, unless that is known
    not to fit.
    """
    space = problem.space
    if space.start is None:
        return ()
    try:
        start = space.canonical(space.genotype(space.start))
    except UsageError:  # its options were struck out
        return ()
    fits = problem.costs is None or problem.reward.fits(problem.costs(start))
    return (start,) if fits else ()


def prepared(
    run: Run, plain: Space, short: ShortTraining, goal: Goal, aim: Reward, table: Path | None,
    dataset: "Dataset", options: dict[str, Any],
) -> Hunt:  # fmt: skip
    """Build the latency table, unless every trial is measured, settle the budget, and see that it can be met.

    The budget is settled once for a run: another measurement would give another. `options` are the head's.

    Raises BudgetError, UsageError, ExportError, DeviceError, StorageError.
    """
    config = read_config(run)
    task, seed = config["task"], config["seed"]
    space = with_heads(plain, task, dataset, options)
    some = samples(space, seed)
    start = headed(plain.seed, task, dataset, options).arch if plain.seed else some[0]
    price, began = short.price, run.folder / "start.json"
    known = read(began, {})
    if goal.timed and not price.direct:
        beyond = known.get("beyond", 0.0) if known else beyond_tables(start, config["target"])
        price = replace(price, table=_table(run, [start, *some], config["target"], table), beyond=beyond)
    of = priced(space, price)
    if not known:
        budget = goal.of(price(start))
        order = priced(space, Price("macs")) if price.direct else of
        check_budget(space, order, of, price.unit, budget, seed)
        write_json(began, {"budget": budget, "beyond": price.beyond})
    budget = read(began)["budget"]
    problem = Problem(
        space, replace(aim, targets=(budget,)), None if price.direct else lambda one: (of(one),)
    )
    short = replace(short, price=price, folder=run.folder.resolve() / "trials")
    about = {
        "data": dataset.fingerprint(),
        "network": hashlib.sha256(codec.dumps(start).encode()).hexdigest(),
        "unit": price.unit,
        "target": config["target"] if goal.timed else None,
        "priced_by": _pricing(price.table if table else None) if goal.timed else None,
        "space_sha256": config.get("space_sha256"),
    }
    return Hunt(problem, short, config["strategy"], seed, config["confirm"], about)


def _pricing(table: Path | None) -> str:
    """By what latencies are told: the digest of the run's copy of a table that was given, which itself may
    change meanwhile, else this processor's name.

    Machines that share a record must agree on it, or one network would cost two different times.
    """
    return sha256(table) if table else cpu_name()


def announce(hunt: Hunt, trials: int, hours: float | None, workers: int, ray: str | None) -> None:
    """Say what the search will cost before it begins; on a cluster, on as many machines like this one."""
    space = hunt.problem.space
    with _threads(1 if ray else max(1, (os.cpu_count() or 1) // workers)):
        each = mean(hunt.short.seconds(arch) for arch in _first(hunt))
    whole = each * trials / workers / 3600
    size, budget = float(space.size), hunt.limit
    say(
        f"{size:.1g} networks in the space {space.name}, budget {budget:.4g} "
        f"{hunt.short.price.unit}; {hunt.short.kind} takes about {each:.0f} s here, "
        f"{trials} trials {whole:.1f} h"
        + (f"; at most {hours:g} h are given, about {min(trials, round(trials * hours / whole))} trials"
           if hours and hours < whole else "")
        + (", one after the other" if ray else "")
    )  # fmt: skip


def _first(hunt: Hunt) -> list[Arch]:
    """Some of the networks that the strategy proposes first."""
    strategy, space = STRATEGIES[hunt.strategy](hunt.problem, hunt.seed), hunt.problem.space
    found = []
    for number in range(RARE * TIMED):
        with suppress(ArchError):
            found.append(space.arch(strategy.ask(number)))
        if len(found) == TIMED:
            break
    return found or samples(space, hunt.seed)[:TIMED]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Within the block torch has so many, as a worker."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pool_of(short: ShortTraining, workers: int, ray: str | None) -> Any:
    """Who tries networks."""
    if ray is not None:
        from mobilenets.jobs.ray_workers import RayPool

        return RayPool(short, ray)
    if workers == 1:
        return _inline(short)
    from mobilenets.jobs.workers import Pool

    return Pool(short, workers)


@contextmanager
def _inline(short: ShortTraining) -> Iterator[Workers]:
    """This very process as the only worker."""
    yield Inline(short)


def _table(run: Run, archs: Sequence[Arch], target: str, table: Path | None) -> Path:
    """A table for networks like these, kept in the run: whatever becomes of the cache, prices stay."""
    from mobilenets.bench.table import write_table
    from mobilenets.jobs.latency_tables import table_among

    own = run.folder.resolve() / "table.json"
    if not own.exists():
        write_table(table_among(archs, target, table), own)
    return own


def _metric(task: str) -> str:
    """The name of a task's metric."""
    from mobilenets.tasks import get

    return get(task).metric
