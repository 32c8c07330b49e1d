"""`mobilenets fit`: from a folder of images and a latency budget to a verified file for a phone."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch.spec import Arch, check_task
from mobilenets.arch.zoo import FAMILIES, find, side_of
from mobilenets.base.errors import UsageError, needs
from mobilenets.base.run import Run, marked
from mobilenets.jobs import ways
from mobilenets.jobs.alone import alone, begun, check_out
from mobilenets.jobs.budget import parse_budget
from mobilenets.jobs.choose import RESOLUTIONS, Budget, Pins, choose
from mobilenets.jobs.material import Material
from mobilenets.jobs.start import (
    Plan,
    check_head,
    check_settings,
    check_weights,
    headed,
    read_data,
)
from mobilenets.jobs.teacher import asked_of, check_guidance, guidance
from mobilenets.jobs.train import train_in
from mobilenets.jobs.verify import finish, verified
from mobilenets.reports.facts import Limit

if TYPE_CHECKING:
    from torch import nn

    from mobilenets.training import Teacher


def fit(
    data: str | Path,
    *,
    task: str = "classify",
    budget: str = "10ms",
    target: str = "litert:cpu:1",
    out: str | Path = "runs/fit",
    model: str | None = None,
    weights: str = "imagenet",
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    head: str | None = None,
    halved: bool | None = None,
    output_stride: int | None = None,
    size: int | None = None,
    val: float | None = None,
    seed: int = 0,
    margin: float = 0.1,
    settings: dict[str, Any] | None = None,
    teacher: "str | Path | nn.Module | Teacher | None" = None,
    unlabelled: str | Path | None = None,
    adapt: bool = True,
    search: float | None = None,
) -> dict[str, Any]:
    """The most capable network that meets the latency budget on the target, trained, exported, verified,
    reported.

    Every stage leaves its result in `out` and is not repeated by a second call. `model`, `width` and
    `resolution` pin what would be chosen; `head`, `halved`, `output_stride` and `size` are options of the
    task's head (`arch.heads`); `margin` is the share of the budget kept free; `teacher` and `unlabelled` are
    as in `train`. Where the budget lies between two networks, the larger one is trained as well and adapted
    (`jobs.ways`), not with `adapt` false; with `search`, networks are searched for so many hours, too
    (`jobs.search`). What is best on the val split is kept. `value` in the result is the task's `metric`
    (top1, mAP50, mIoU, recall1), from 0 to 1, of the exported file, run by its own runtime, on the test split
    (val where there is none).
    Raises UsageError, DataError, BudgetError, WeightsError, TrainingError, ExportError, StorageError.
    """
    from mobilenets.runtimes import parse_target

    check_task(task)
    limit = Budget(parse_budget(budget), parse_target(target), margin)
    pins = Pins(model, width, resolution, dialect)
    options = {"head": head, "halved": halved, "output_stride": output_stride, "size": size}
    _check(pins, weights, margin, search)
    check_settings(settings, task, seed)
    check_guidance(teacher, unlabelled, settings)
    check_head(task, options)
    asked = {"verb": "fit", "data": str(Path(data)), "task": task, "budget": budget, "target": target,
             "margin": margin, **asdict(pins), **options, "weights": weights, "val": val, "seed": seed,
             "settings": settings or {}, **asked_of(teacher, unlabelled),
             **({} if adapt else {"adapt": False}), **({"search": search} if search else {})}  # fmt: skip
    check_out(Path(out), data)
    found = read_data(data, val, seed, task)
    guided = guidance(teacher, unlabelled, found.dataset, task)
    planned = partial(headed, task=task, dataset=found.dataset, options=options)
    _check_pinned_weights(planned, pins, weights, Path(out), RESOLUTIONS[task][0])
    with alone(begun(Path(out), asked)) as run:
        found.write(run)
        guided.write(run)
        with marked(run, "choose"):
            plan = choose(run, limit, pins, planned, RESOLUTIONS[task])

        def trained(place: Run, plan: Plan) -> None:
            """Train a network on these terms."""
            train_in(place, found.dataset, plan, weights, seed, settings, may_lack=True, guided=guided)

        if not run.ways.exists() and not verified(run):
            trained(run, plan)
            material, others = Material(str(data), task, val, seed), []
            if adapt and (other := ways.larger(run, limit, pins, planned)):
                others.append(ways.adapted(run, other, limit, material, trained, seed, settings, teacher))
            if search:
                side = plan.arch.resolution
                more = {"teacher": teacher, "unlabelled": unlabelled, "dialect": pins.dialect, **options}
                others.append(ways.searched(run, limit, material, search, side, seed, settings, **more))
            if others:
                ways.settle(run, others)
        ways.keep(run)
        return finish(run, found.dataset, limit.target, Limit(limit.ms))


def _check(pins: Pins, weights: str, margin: float, search: float | None) -> None:
    """Refuse what cannot work before anything is read. Raises UsageError, UnknownName."""
    if search is not None and not search > 0:
        raise UsageError(f"a search needs hours above 0, got {search:g}")
    if search is not None:
        with needs("optuna", "search"):  # now, not after the first training
            import optuna  # noqa: F401
    if not 0 <= margin < 1:
        raise UsageError(
            f"margin must be from 0 to below 1, got {margin}; 0.1 keeps a tenth of the budget free"
        )
    if pins.model is None and (Path(weights).is_file() or weights not in ("imagenet", "none")):
        raise UsageError(f"--weights {weights} fits one network only; say which with --model")
    find(pins.model or next(iter(FAMILIES)), pins.width, side_of(pins.resolution), dialect=pins.dialect)


def _check_pinned_weights(
    planned: Callable[[Arch], Plan], pins: Pins, weights: str, out: Path, side: int
) -> None:
    """Refuse weights that are not of the pinned network, at `side` pixels where none are pinned.

    Raises WeightsError.
    """
    if weights not in ("imagenet", "none"):
        pinned = find(str(pins.model), pins.width, side_of(pins.resolution, side), dialect=pins.dialect)
        check_weights(planned(pinned), weights, out)
