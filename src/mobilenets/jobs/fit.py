"""`mobilenets fit`: from a folder of images and a latency budget to a verified file for a phone."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.base.errors import UsageError
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run, mark, open_run
from mobilenets.jobs import ways
from mobilenets.jobs.budget import parse_budget
from mobilenets.jobs.choose import RESOLUTIONS, Budget, Pins, choose
from mobilenets.jobs.rounds import Material
from mobilenets.jobs.start import (
    Plan,
    check_head,
    check_settings,
    check_task,
    check_weights,
    headed,
    read_data,
)
from mobilenets.jobs.teacher import asked_of, check_guidance, guidance
from mobilenets.jobs.train import train_in
from mobilenets.jobs.verify import verify

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
) -> dict[str, Any]:
    """The most capable network that meets the latency budget on the target, trained, exported, verified,
    reported.

    Every stage leaves its result in `out` and is not repeated by a second call. `model`, `width` and
    `resolution` pin what would be chosen; `head`, `halved`, `output_stride` and `size` are options of the
    task's head (`arch.heads`); `margin` is the share of the budget kept free; `teacher` and `unlabelled` are
    as in `train`. Where the budget lies between two networks, the larger one is trained as well and adapted
    (`jobs.ways`), and the better of the two is kept; not with `adapt` false. `value` in the result is the
    task's `metric` (top1, mAP50, mIoU, recall1), from 0 to 1, of the exported file, run by its own runtime,
    on the test split (val where there is none).
    Raises UsageError, DataError, BudgetError, WeightsError, TrainingError, ExportError, StorageError.
    """
    from mobilenets.reports import write_report
    from mobilenets.runtimes import parse_target

    check_task(task)
    budget_ms, wanted = parse_budget(budget), parse_target(target)
    _check(model, width, resolution, dialect, weights, margin)
    check_settings(settings)
    check_guidance(teacher, unlabelled, settings)
    options = {"head": head, "halved": halved, "output_stride": output_stride, "size": size}
    check_head(task, options)
    pins = Pins(model, width, resolution, dialect)
    asked = {
        "verb": "fit",
        "data": str(data),
        "task": task,
        "budget": budget,
        "target": target,
        "margin": margin,
        **asdict(pins),
        **options,
        "weights": weights,
        "val": val,
        "seed": seed,
        "settings": settings or {},
        **asked_of(teacher, unlabelled),
        **({} if adapt else {"adapt": False}),
    }
    found = read_data(data, val, seed, task)
    guided = guidance(teacher, unlabelled, found.dataset, task)
    planned, sides = partial(headed, task=task, dataset=found.dataset, options=options), RESOLUTIONS[task]
    if weights not in ("imagenet", "none"):
        pinned = find(str(model), width, resolution or sides[0], dialect=dialect)
        check_weights(planned(pinned), weights, Path(out))
    run = open_run(Path(out), asked)
    found.write(run)
    guided.write(run)
    dataset = found.dataset
    mark(run, "choose", "running")
    limit = Budget(budget_ms, wanted, margin)
    plan = choose(run, limit, pins, planned, sides)

    def trained(place: Run, plan: Plan) -> None:
        """Train a network on these terms."""
        train_in(place, dataset, plan, weights, seed, settings, may_lack=True, guided=guided)

    if not run.ways.exists():
        trained(run, plan)
        if adapt and (other := ways.larger(run, limit, pins, planned)):
            ways.both(run, other, limit, Material(str(data), task, val, seed), trained, seed)
    ways.keep(run)
    if not run.result.exists():
        mark(run, "verify", "running")
        write_json(run.result, verify(run, dataset, wanted, budget_ms))
    mark(run, "report", "running")
    write_report(run)
    mark(run, "report", "done")
    return _summary(run)


def _check(model: str | None, width: float | None, resolution: int | None, dialect: str | None, weights: str,
           margin: float) -> None:  # fmt: skip
    """Refuse what cannot work before anything is written. Raises UsageError, UnknownName."""
    if not 0 <= margin < 1:
        raise UsageError(
            f"margin must be from 0 to below 1, got {margin}; 0.1 keeps a tenth of the budget free"
        )
    if model is None and (Path(weights).is_file() or weights not in ("imagenet", "none")):
        raise UsageError(f"--weights {weights} fits one network only; say which with --model")
    find(model or next(iter(FAMILIES)), width, resolution or 224, dialect=dialect)


def _summary(run: Run) -> dict[str, Any]:
    """What a program wants to know of a finished run."""
    result = read_json(run.result)
    kept = ("task", "metric", "value", "n", "split", "target", "latency_ms", "budget_ms", "met", "weights")
    return {
        "artifact": str(run.folder / result["artifact"]),
        **{key: result[key] for key in kept},
        "run": str(run.folder),
        "report": str(run.report),
    }
