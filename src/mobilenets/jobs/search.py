"""`mobilenets search`: find networks for a budget by trying many for a short while, and finish the best."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, cast

from mobilenets.arch import codec, cost
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.base.console import say
from mobilenets.base.errors import BudgetError, MobilenetsError, SearchError, UnknownName, UsageError, shown
from mobilenets.base.files import write_json
from mobilenets.base.run import Run, mark, marked, open_run, read, read_config
from mobilenets.jobs.budget import Goal, parse_goal
from mobilenets.jobs.choose import RESOLUTIONS
from mobilenets.jobs.finalists import chosen, train_all
from mobilenets.jobs.resource import Price
from mobilenets.jobs.rounds import Material
from mobilenets.jobs.sandwich import check_places
from mobilenets.jobs.search_result import Narration, amount, document, fitting, found
from mobilenets.jobs.searched_space import (
    check_budget,
    described,
    priced,
    samples,
    space_of,
    with_heads,
)
from mobilenets.jobs.short_training import EPOCHS, ShortTraining
from mobilenets.jobs.start import check_settings, check_task, headed, read_data
from mobilenets.jobs.supernet import EPOCHS as SUPERNET_EPOCHS
from mobilenets.jobs.supernet import check_evaluator, shared_weights
from mobilenets.jobs.teacher import asked_of, check_guidance, guidance
from mobilenets.jobs.verify import verify
from mobilenets.nas.databases import address
from mobilenets.nas.reward import Form, Reward
from mobilenets.nas.space import Space
from mobilenets.nas.strategies import DEFAULT, STRATEGIES
from mobilenets.nas.strategies.strategy import Problem
from mobilenets.nas.trial import Inline, Trial, Workers

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset

BESIDE = "mobilenet_v3_small,mobilenet_v2:0.5,mnasnet_small"  # of the zoo, tried on the same terms


def search(
    data: str | Path,
    *,
    space: str | Path | Space = "mnasnet",
    model: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    budget: str = "10ms",
    target: str = "litert:cpu:1",
    task: str = "classify",
    out: str | Path = "runs/search",
    trials: int = 200,
    hours: float | None = None,
    strategy: str = DEFAULT,
    reward: str = "hard",
    weight: float | None = None,
    proxy_epochs: int = EPOCHS,
    proxy_images: int = 0,
    proxy_resolution: int = 0,
    workers: int = 1,
    ray: str | None = None,
    storage: str | None = None,
    confirm: bool = True,
    prune: bool = True,
    evaluator: str = "short",
    supernet_epochs: int = SUPERNET_EPOCHS,
    finalists: int = 1,
    beside: Sequence[str] | str = BESIDE,
    table: str | Path | None = None,
    val: float | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    teacher: str | Path | None = None,
) -> dict[str, Any]:
    """Search a space for networks that meet a budget; train the best in full, export, verify, report it.

    `space` is a name (`nas.spaces.SPACES`), laid around `model` (with `width`, `resolution`, `dialect`); a
    .json file of one; a .py file that calls a `Space`, or a function from the model to one, `space`; or a
    `Space`. `budget` is as in `adapt`, shares being of the network that the space is laid around. Each of the
    `trials` is trained on `proxy_images` of the train split (0: all) for `proxy_epochs` at
    `proxy_resolution` (0: its own), for at most so many `hours` in all, by so many `workers` or, where `ray`
    is its address, on a cluster. `storage` is another place for the record: a file, or
    postgresql://USER@HOST/DATABASE. With `confirm`, the last part of the trials tries the leaders again
    (`nas.confirm`); with `prune`, hopeless trials end early. With the `evaluator` "supernet", weights that
    the whole space shares are trained for `supernet_epochs` first, and each trial judges its part of them;
    networks of the zoo have no part and are not tried beside. The best `finalists` that fit are trained from
    nothing with `settings` and `teacher`; that which is best on the val split is kept. `beside` names
    networks of the zoo (NAME or NAME:WIDTH), tried on the same terms.
    A second call goes on where the first was stopped.
    Raises UsageError, DataError, BudgetError, SearchError, TrainingError, ExportError, StorageError.
    """
    check_evaluator(evaluator, task, supernet_epochs)
    goal, zoo = parse_goal(budget), _listed(beside) if evaluator == "short" else ()
    asked = {
        "verb": "search", "data": str(data), "task": task, "space": described(space), "model": model,
        "width": width, "resolution": resolution, "dialect": dialect, "budget": budget, "target": target,
        "strategy": strategy, "reward": reward, "weight": weight, "proxy_epochs": proxy_epochs,
        "proxy_images": proxy_images, "proxy_resolution": proxy_resolution, "confirm": confirm,
        "prune": prune, "finalists": finalists, "beside": list(zoo),
        "table": str(table) if table else None, "val": val, "seed": seed,
        "settings": settings or {}, **asked_of(teacher, None),
    }  # fmt: skip
    _check(asked, trials, hours, workers)
    address(storage or "")  # before an hour is spent on what cannot be written down
    aim = Reward(cast("Form", reward), weight=weight)
    pixels = resolution or RESOLUTIONS[task][0]
    plain = space_of(space, {key: asked[key] for key in ("model", "width", "dialect")}, resolution, pixels)
    if evaluator == "supernet":
        check_places(plain)
    others = {name: _of_zoo(name, plain.seed.resolution if plain.seed else pixels) for name in zoo}
    short = ShortTraining(Material(_there(data), task, val, seed), Price(goal.resource), Path(), proxy_epochs,
                          proxy_images, proxy_resolution, prune=prune)  # fmt: skip
    read_in = read_data(data, val, seed, task)
    guided = guidance(teacher, None, read_in.dataset, task)
    run = open_run(Path(out), asked)
    read_in.write(run)
    with marked(run, "measure"):
        hunt = _prepared(run, plain, short, goal, aim, Path(table) if table else None, read_in.dataset)
    with marked(run, "search"):
        if evaluator == "supernet":  # its trials repeat exactly: there is nothing to confirm
            shared = shared_weights(run, hunt.short, hunt.problem.space, supernet_epochs)
            hunt = replace(hunt, short=shared, confirm=False)
        _announce(hunt, trials, hours, workers)
        tried = _tried(run, others, hunt.short, read_in.dataset)
        pool = _pool(hunt.short, workers, ray)
        ended = hunt.run(pool, storage or run.folder / "search.db", trials, hours)
        write_json(run.search, document(hunt.problem, strategy, hunt.short.price.unit, ended, tried))
    best = fitting(hunt.problem, found(hunt.problem, ended))
    if not best:
        raise _nothing_fits(hunt, ended)
    limit, timed = hunt.problem.reward.targets[0], goal.resource == "latency"
    final = chosen(run, best, target if timed else None, limit, finalists, len(ended))
    train_all(run, final, best, read_in.dataset, seed, settings, guided)
    return _finished(run, read_in.dataset, target, limit if timed else None)


def _check(asked: Mapping[str, Any], trials: int, hours: float | None, workers: int) -> None:
    """Refuse what cannot work before anything is read. Raises UsageError, UnknownName."""
    from mobilenets.runtimes import parse_target

    parse_target(asked["target"])
    check_task(asked["task"])
    check_settings(asked["settings"])
    check_guidance(asked.get("teacher"), None, asked["settings"])
    if asked["strategy"] not in STRATEGIES:
        raise UnknownName("strategy", asked["strategy"], STRATEGIES)
    if min(trials, workers, asked["finalists"]) < 1 or (hours is not None and hours <= 0):
        raise UsageError(
            f"trials, workers and finalists must be at least 1 and hours above 0, got {trials}, {workers}, "
            f"{asked['finalists']} and {hours}"
        )


@dataclass(frozen=True)
class Hunt:
    """A search that may begin: what is searched, how networks are tried, by which strategy."""

    problem: Problem
    short: ShortTraining
    strategy: str
    seed: int
    confirm: bool

    def run(self, pool: Any, storage: str | Path, trials: int, hours: float | None) -> list[Trial]:
        """Have the trials end; those of the record are told first. Raises as `nas.search.search`."""
        from mobilenets.nas.confirm import Confirm
        from mobilenets.nas.record import Record, identity
        from mobilenets.nas.search import search as drive
        from mobilenets.training.signals import stop_wish

        short, problem = self.short, self.problem
        known = identity(problem, self.strategy, self.seed, confirm=self.confirm, **short.terms)
        again = Confirm(problem, self.seed) if self.confirm else None
        told = Narration(problem, short.price.unit, _metric(short.material.task), trials, hours)
        with Record(storage, problem, known) as record, stop_wish() as wish, pool as ready:
            return drive(problem, STRATEGIES[self.strategy](problem, self.seed), record, ready, trials,
                         hours=hours, stop=wish, confirm=again, on_event=told)  # fmt: skip


def _prepared(
    run: Run, plain: Space, short: ShortTraining, goal: Goal, aim: Reward, table: Path | None,
    dataset: "Dataset",
) -> Hunt:  # fmt: skip
    """The table is there, and the budget can be met.

    Raises BudgetError, UsageError, ExportError, DeviceError, StorageError.
    """
    config = read_config(run)
    task, seed = config["task"], config["seed"]
    space = with_heads(plain, task, dataset)
    some = samples(space, seed)
    start = headed(plain.seed, task, dataset).arch if plain.seed else some[0]
    price = short.price
    if goal.resource == "latency":
        price = replace(price, table=_table(run, [start, *some], config["target"], table))
    of = priced(space, price)
    budget = goal.of(price(start))
    check_budget(space, of, price.unit, budget, seed)
    problem = Problem(space, replace(aim, targets=(budget,)), lambda genotype: (of(genotype),))
    short = replace(short, price=price, folder=run.folder.resolve() / "trials")
    return Hunt(problem, short, config["strategy"], seed, config["confirm"])


def _table(run: Run, archs: Sequence[Arch], target: str, table: Path | None) -> Path:
    """A table for networks like these, kept in the run: whatever becomes of the cache, prices stay."""
    from mobilenets.bench.table import write_table
    from mobilenets.jobs.latency import table_among

    own = run.folder.resolve() / "table.json"
    if not own.exists():
        write_table(table_among(archs, target, table), own)
    return own


def _announce(hunt: Hunt, trials: int, hours: float | None, workers: int) -> None:
    """Say what the search will cost before it begins."""
    some = samples(hunt.problem.space, hunt.seed)
    slowness = hunt.short.seconds(some[0]) / cost(some[0]).macs
    each = slowness * mean(cost(arch).macs for arch in some)
    whole = each * trials / workers / 3600
    size, budget = float(hunt.problem.space.size), hunt.problem.reward.targets[0]
    say(
        f"{size:.1g} networks in the space {hunt.problem.space.name}, budget {budget:.4g} "
        f"{hunt.short.price.unit}; {hunt.short.kind} takes about {each:.0f} s here, "
        f"{trials} trials {whole:.1f} h"
        + (f"; at most {hours:g} h are given, about {min(trials, round(trials * hours / whole))} trials"
           if hours and hours < whole else "")
    )  # fmt: skip


@contextmanager
def _inline(short: ShortTraining) -> Iterator[Workers]:
    """This very process as the only worker."""
    yield Inline(short)


def _pool(short: ShortTraining, workers: int, ray: str | None) -> Any:
    """Who tries networks."""
    if ray is not None:
        from mobilenets.jobs.ray_workers import RayPool

        return RayPool(short, ray)
    if workers == 1:
        return _inline(short)
    from mobilenets.jobs.workers import Pool

    return Pool(short, workers)


def _tried(
    run: Run, zoo: Mapping[str, Arch], short: ShortTraining, dataset: "Dataset"
) -> dict[str, dict[str, Any]]:
    """Networks of the zoo after the same short training, and what they cost; kept in beside.json."""
    place = run.folder / "beside.json"
    rows: dict[str, dict[str, Any]] = read(place, {})
    for index, (name, arch) in enumerate(zoo.items()):
        if name in rows:
            continue
        network = headed(arch, short.material.task, dataset).arch
        aside = replace(short, folder=run.folder / "beside")
        evaluation = aside(index, (), codec.dumps(network), short.material.seed)
        outcome, counted = evaluation.outcome, cost(network)
        rows[name] = {"quality": outcome.quality, "cost": outcome.costs[0], "params": counted.params,
                      "macs": counted.macs}  # fmt: skip
        write_json(place, rows)
        say(f"{name}: {100 * outcome.quality:.1f} %, {amount(outcome.costs[0])} {short.price.unit}")
    return rows


def _nothing_fits(hunt: Hunt, ended: Sequence[Trial]) -> MobilenetsError:
    """Why no network is chosen."""
    closest = min(found(hunt.problem, ended), key=lambda one: one.cost, default=None)
    if closest is None:
        reason = ended[-1].reason if ended else "none began in the time given"
        return SearchError(f"no trial came to an end ({reason}); put that right, then run it again to go on")
    limit, unit = hunt.problem.reward.targets[0], hunt.short.price.unit
    return BudgetError(
        f"none of {len(ended)} trials meets {limit:.4g} {unit}; the closest takes {closest.cost:.4g} {unit}; "
        "run the same command with more --trials to go on, or give a larger --budget"
    )


def _there(data: str | Path) -> str:
    """The data by a path that workers elsewhere find too; the embedded set by its name."""
    return str(Path(data).resolve()) if Path(data).exists() else str(data)


def _listed(given: Sequence[str] | str) -> tuple[str, ...]:
    """Several names, also as text with commas."""
    names = given.split(",") if isinstance(given, str) else given
    return tuple(name.strip() for name in names if name.strip())


def _of_zoo(name: str, resolution: int) -> Arch:
    """A network as NAME or NAME:WIDTH. Raises UnknownName, UsageError."""
    family, _, width = name.partition(":")
    try:
        return find(family, float(width) if width else None, resolution)
    except ValueError:
        wish = "a network is named as mobilenet_v2 or mobilenet_v2:0.5"
        raise UsageError(f"{wish}, got {shown(name)}") from None


def _metric(task: str) -> str:
    """The name of a task's metric."""
    from mobilenets.tasks import get

    return get(task).metric


def _finished(run: Run, dataset: "Dataset", target: str, limit: float | None) -> dict[str, Any]:
    """Export, verify, report; what a program wants to know."""
    from mobilenets.reports import write_report
    from mobilenets.runtimes import parse_target

    if not run.result.exists():
        mark(run, "verify", "running")
        write_json(run.result, verify(run, dataset, parse_target(target), limit))
    mark(run, "report", "running")
    write_report(run)
    mark(run, "report", "done")
    result, searched = read(run.result), read(run.search)
    kept = ("task", "metric", "value", "n", "split", "target", "latency_ms", "met")
    return {
        "artifact": str(run.folder / result["artifact"]),
        **{key: result[key] for key in kept},
        "budget": searched["budget"],
        "unit": searched["unit"],
        "trials": len(searched["trials"]),
        "failed": searched["failed"],
        "front": len(searched["front"]),
        "run": str(run.folder),
        "report": str(run.report),
    }
