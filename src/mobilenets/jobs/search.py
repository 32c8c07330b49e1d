"""`mobilenets search`: find networks for a budget by trying many for a short while, and finish the best."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mobilenets.arch import codec, cost
from mobilenets.arch.spec import Arch, check_task
from mobilenets.arch.zoo import find, side_of
from mobilenets.base.console import say
from mobilenets.base.errors import (
    BudgetError,
    ConfigMismatch,
    MobilenetsError,
    SearchError,
    UnknownName,
    UsageError,
    shown,
)
from mobilenets.base.files import write_json
from mobilenets.base.run import Run, marked, read
from mobilenets.jobs.alone import alone, begun, check_out
from mobilenets.jobs.budget import parse_goal
from mobilenets.jobs.choose import RESOLUTIONS
from mobilenets.jobs.finalists import chosen, train_all
from mobilenets.jobs.hunt import Hunt, announce, pool_of, prepared
from mobilenets.jobs.latency import listed
from mobilenets.jobs.material import Material, forget
from mobilenets.jobs.resource import Price, check_table
from mobilenets.jobs.sandwich import check_places
from mobilenets.jobs.search_result import Found, document, fitting, found
from mobilenets.jobs.searched_space import described, space_of
from mobilenets.jobs.short_training import EPOCHS, VAL, ShortTraining
from mobilenets.jobs.start import check_head, check_settings, headed, read_data
from mobilenets.jobs.supernet import TUNED, check_evaluator, shared_weights
from mobilenets.jobs.teacher import asked_of, check_guidance, guidance
from mobilenets.jobs.verify import finish
from mobilenets.nas.databases import address, place, reach
from mobilenets.nas.reward import Form, Reward
from mobilenets.nas.space import Space
from mobilenets.nas.strategies import DEFAULT, STRATEGIES
from mobilenets.nas.trial import Trial
from mobilenets.reports.facts import Limit
from mobilenets.reports.wording import amount

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset

HERE = "the folder itself"  # where a record is that is not kept elsewhere
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
    proxy_epochs: int | None = None,
    proxy_images: int = 0,
    proxy_resolution: int = 0,
    proxy_val: float = VAL,
    workers: int = 1,
    ray: str | None = None,
    storage: str | None = None,
    confirm: bool = True,
    prune: bool = True,
    evaluator: str = "short",
    supernet_epochs: int | None = None,
    finalists: int = 1,
    beside: Sequence[str] | str = BESIDE,
    table: str | Path | None = None,
    direct: bool = False,
    val: float | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    teacher: str | Path | None = None,
    unlabelled: str | Path | None = None,
    head: str | None = None,
    halved: bool | None = None,
    output_stride: int | None = None,
    size: int | None = None,
) -> dict[str, Any]:
    """Search a space for networks that meet a budget; train the best in full, export, verify, report it.

    `space` is a name (`nas.spaces.SPACES`), laid around `model` (with `width`, `resolution`, `dialect`); a
    .json file of one; a .py file that calls a `Space`, or a function from the model to one, `space`; or a
    `Space`. `budget` is as in `adapt`, shares being of the network that the space is laid around. Each of the
    `trials` is trained on `proxy_images` of the train split (0: all) for `proxy_epochs` (5; 1 with shared
    weights) at `proxy_resolution` (0: its own) and, where the data have no val split, judged on the share
    `proxy_val` of each class of what the last training learns from; beside a test split, what that training
    holds back as `val` may be among it. It goes on for at most so many `hours` in all, by so many `workers`
    or, where `ray` is its address, on a cluster. `storage` is another place for the record: a file, or
    postgresql://USER@HOST/DATABASE. With `confirm`, the last part of the trials tries the leaders again
    (`nas.confirm`); with `prune`, hopeless trials end early. With the `evaluator`
    "supernet", weights that the whole space shares are trained for `supernet_epochs` (30) first, and each
    trial begins with its part of them (`proxy_epochs` 0: judges it as it is); networks of the zoo have no
    part and are not tried beside. Latency is told by a table, `table` or one that is built; if `direct`,
    every network is measured itself, which needs one worker. The best `finalists` that fit are trained from
    nothing with `settings`, `teacher` and `unlabelled`, as in `train`; the best on the val split is kept.
    `head`, `halved`, `output_stride` and `size` are options of the task's head (`arch.heads`).
    `beside` names networks of the zoo (NAME or NAME:WIDTH), tried on the same terms.
    A second call goes on where the first was stopped.
    Raises UsageError, DataError, BudgetError, SearchError, TrainingError, ExportError, StorageError.
    """
    if proxy_epochs is None:
        proxy_epochs = EPOCHS if evaluator == "short" else TUNED
    supernet_epochs = check_evaluator(evaluator, task, proxy_epochs, supernet_epochs)
    goal, zoo = parse_goal(budget), listed(beside) if evaluator == "short" else ()
    options = {"head": head, "halved": halved, "output_stride": output_stride, "size": size}
    asked = {
        "verb": "search", "data": str(Path(data)), "task": task, **described(space), "model": model,
        "width": width, "resolution": resolution, "dialect": dialect, "budget": budget, "target": target,
        "strategy": strategy, "reward": reward, "weight": weight, "proxy_epochs": proxy_epochs,
        "proxy_images": proxy_images, "proxy_resolution": proxy_resolution, "proxy_val": proxy_val,
        "confirm": confirm, "prune": prune, "finalists": finalists, "beside": ",".join(zoo),
        "table": str(table) if table else None, "direct": direct, "val": val, "seed": seed,
        "settings": settings or {}, **options, **asked_of(teacher, unlabelled),
    }  # fmt: skip
    if evaluator == "supernet":
        asked |= {"evaluator": evaluator, "supernet_epochs": supernet_epochs}
    _check(asked, trials, hours, workers)
    _check_measuring(goal.resource, direct, workers, ray, table)
    url = address(storage or Path(out) / "search.db")
    if storage:
        reach(url)  # before an hour is spent on what cannot be written down
    aim = Reward(cast("Form", reward), weight=weight)
    pixels = side_of(resolution, RESOLUTIONS[task][0])
    plain = space_of(space, {key: asked[key] for key in ("model", "width", "dialect")}, resolution, pixels)
    if evaluator == "supernet":
        check_places(plain)
    others = {name: _of_zoo(name, plain.seed.resolution if plain.seed else pixels) for name in zoo}
    forget()
    price = Price(goal.resource, target=target if direct else "")
    material = Material(_there(data), task, proxy_val, seed)
    short = ShortTraining(material, price, Path(), proxy_epochs, proxy_images, proxy_resolution, prune=prune)
    check_out(Path(out), data)
    read_in = read_data(data, val, seed, task)
    short = replace(short, material=replace(material, apart=_apart(read_in.dataset, val)))
    guided = guidance(teacher, unlabelled, read_in.dataset, task)
    run = begun(Path(out), asked)
    read_in.write(run)
    guided.write(run)
    _keep_place(run, place(url) if storage else HERE)
    with alone(run, wait=True):  # the trials alone are for several processes
        with marked(run, "measure"):
            known = Path(table) if table else None
            hunt = prepared(run, plain, short, goal, aim, known, read_in.dataset, options)
        if evaluator == "supernet":
            shared = shared_weights(run, hunt.short, hunt.problem.space, supernet_epochs)
            again = confirm and proxy_epochs > 0  # without a training, trials repeat exactly
            hunt = replace(hunt, short=shared, confirm=again)
        announce(hunt, trials, hours, workers, ray)
        tried = _tried(run, others, hunt.short, read_in.dataset, options)
    with marked(run, "search"):
        pool = pool_of(hunt.short, workers, ray)
        ended = hunt.run(pool, storage or run.folder / "search.db", trials, hours)
    with alone(run, wait=True):
        write_json(run.search, document(hunt.problem, strategy, hunt.short.price.unit, ended, tried))
        best = _fitting(hunt, ended)
        final = chosen(run, best, target if goal.timed else None, hunt.limit, finalists, len(ended))
        train_all(run, final, best, read_in.dataset, seed, settings, guided)
        return _finished(run, read_in.dataset, target, hunt, timed=goal.timed)


def _check(asked: Mapping[str, Any], trials: int, hours: float | None, workers: int) -> None:
    """Refuse what cannot work before anything is read. Raises UsageError, UnknownName."""
    from mobilenets.runtimes import parse_target

    parse_target(asked["target"])
    check_task(asked["task"])
    check_settings(asked["settings"], asked["task"], asked["seed"])
    check_guidance(asked.get("teacher"), asked.get("unlabelled"), asked["settings"])
    check_head(asked["task"], {key: asked[key] for key in ("head", "halved", "output_stride", "size")})
    if asked["strategy"] not in STRATEGIES:
        raise UnknownName("strategy", asked["strategy"], STRATEGIES)
    if min(trials, workers, asked["finalists"]) < 1 or (hours is not None and not hours > 0):
        raise UsageError(
            f"trials, workers and finalists must be at least 1 and hours above 0, got {trials}, {workers}, "
            f"{asked['finalists']} and {hours}"
        )
    if not 0 < asked["proxy_val"] < 1:
        raise UsageError(f"proxy_val must be between 0 and 1, got {asked['proxy_val']:g}; 0.2 is a fifth")


def _check_measuring(
    resource: str, direct: bool, workers: int, ray: str | None, table: str | Path | None
) -> None:
    """Raise UsageError for a latency table beside another budget than a latency, for `direct` where it cannot
    work, and for workers here beside those of a cluster.
    """
    if ray is not None and workers > 1:
        raise UsageError(
            f"--workers {workers} are processes here, --ray has as many as the cluster has room for; "
            "leave one out"
        )
    check_table(resource, table)
    if not direct:
        return
    if resource != "latency" or table:
        given = f"the table {table}" if table else f"a budget in {resource}"
        raise UsageError(f"--direct measures the latency of every trial, but {given} is given; leave one out")
    if workers > 1 or ray is not None:
        given = "--ray" if ray is not None else f"--workers {workers}"
        raise UsageError(
            f"--direct was given with {given}, but trainings beside a measurement would disturb it; give "
            "--workers 1, or have a table tell latencies"
        )


def _keep_place(run: Run, where: str) -> None:
    """record.json: where the record is. Raises ConfigMismatch for another place than the run began with."""
    kept = run.folder / "record.json"
    before = read(kept, {}).get("place", where)
    if before != where:
        raise ConfigMismatch(
            f"the record of the search in {run.folder} is in {before}, not in {where}; give the --storage "
            "that it began with, or another --out"
        )
    write_json(kept, {"place": where})


def _tried(
    run: Run, zoo: Mapping[str, Arch], short: ShortTraining, dataset: "Dataset", options: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Networks of the zoo after the same short training, and what they cost; kept in beside.json."""
    place = run.folder / "beside.json"
    rows: dict[str, dict[str, Any]] = read(place, {})
    for index, (name, arch) in enumerate(zoo.items()):
        if name in rows:
            continue
        network = headed(arch, short.material.task, dataset, options).arch
        aside = replace(short, folder=run.folder / "beside")
        evaluation = aside(index, (), codec.dumps(network), short.material.seed)
        outcome, counted = evaluation.outcome, cost(network)
        rows[name] = {"quality": outcome.quality, "cost": outcome.costs[0], "params": counted.params,
                      "macs": counted.macs}  # fmt: skip
        write_json(place, rows)
        say(f"{name}: {100 * outcome.quality:.1f} %, {amount(outcome.costs[0])} {short.price.unit}")
    return rows


def _fitting(hunt: Hunt, ended: Sequence[Trial]) -> list[Found]:
    """The networks that fit, the best first. Raises BudgetError, SearchError where there is none."""
    best = fitting(hunt.problem, found(hunt.problem, ended))
    if not best:
        raise _nothing_fits(hunt, ended)
    return best


def _nothing_fits(hunt: Hunt, ended: Sequence[Trial]) -> MobilenetsError:
    """Why no network is chosen."""
    closest = min(found(hunt.problem, ended), key=lambda one: one.cost, default=None)
    if closest is None:
        reason = ended[-1].reason if ended else "none began in the time given"
        return SearchError(
            f"no trial came to an end ({reason}); put that right, then run it again with more --trials "
            f"than {len(ended)} to go on"
        )
    limit, unit = hunt.limit, hunt.short.price.unit
    return BudgetError(
        f"none of {len(ended)} trials meets {limit:.4g} {unit}; the closest takes {closest.cost:.4g} {unit}; "
        "run the same command with more --trials to go on, or give a larger --budget"
    )


def _apart(dataset: "Dataset", val: float | None) -> float:
    """The share of each class that no trial sees: what the result is judged by, where that is cut here."""
    from mobilenets.data import split

    if dataset.test or "val" not in dataset.made:
        return 0.0
    return split.VAL if val is None else val


def _there(data: str | Path) -> str:
    """The data by a path that workers elsewhere find too; the embedded set by its name."""
    return str(Path(data).resolve()) if Path(data).exists() else str(data)


def _of_zoo(name: str, resolution: int) -> Arch:
    """A network as NAME or NAME:WIDTH. Raises UnknownName, UsageError."""
    family, _, width = name.partition(":")
    try:
        return find(family, float(width) if width else None, resolution)
    except ValueError:
        wish = "a network is named as mobilenet_v2 or mobilenet_v2:0.5"
        raise UsageError(f"{wish}, got {shown(name)}") from None


def _finished(run: Run, dataset: "Dataset", target: str, hunt: Hunt, *, timed: bool) -> dict[str, Any]:
    """Export, verify, report; what a program wants to know. What is no latency is told by the network."""
    from mobilenets.runtimes import parse_target

    price = hunt.short.price
    limit = Limit(hunt.limit, price.unit, None if timed else price(codec.decode(read(run.arch))))
    searched = read(run.search)
    return {
        **finish(run, dataset, parse_target(target), limit),
        "trials": len(searched["trials"]),
        "failed": searched["failed"],
        "front": len(searched["front"]),
    }
