"""`mobilenets fit`: from a folder of images and a latency budget to a verified file for a phone."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import card as cards
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.base.errors import UsageError
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run, mark, open_run
from mobilenets.jobs.budget import parse_budget
from mobilenets.jobs.choose import RESOLUTIONS, Budget, Pins, choose
from mobilenets.jobs.start import (
    check_head,
    check_settings,
    check_task,
    check_weights,
    command,
    headed,
    read_data,
)
from mobilenets.jobs.subject import SUFFIX, sample_pixels
from mobilenets.jobs.train import train_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mobilenets.data.dataset import Dataset
    from mobilenets.jobs.score import Scored
    from mobilenets.runtimes import Target

LATENCY_SECONDS = 3.0


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
) -> dict[str, Any]:
    """The most capable network that meets the latency budget on the target, trained, exported, verified,
    reported.

    Every stage leaves its result in `out` and is not repeated by a second call. `model`, `width` and
    `resolution` pin what would be chosen; `head`, `halved`, `output_stride` and `size` are options of the
    task's head (`arch.heads`); `margin` is the share of the budget kept free. `value` in the
    result is the task's `metric` (top1, mAP50, mIoU, recall1), from 0 to 1, of the exported file, run by its
    own runtime, on the test split (val where there is none).
    Raises UsageError, DataError, BudgetError, WeightsError, TrainingError, ExportError, StorageError.
    """
    from mobilenets.reports import write_report
    from mobilenets.runtimes import parse_target

    check_task(task)
    budget_ms, wanted = parse_budget(budget), parse_target(target)
    _check(model, width, resolution, dialect, weights, margin)
    check_settings(settings)
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
    }
    found = read_data(data, val, seed, task)
    planned, sides = partial(headed, task=task, dataset=found.dataset, options=options), RESOLUTIONS[task]
    if weights not in ("imagenet", "none"):
        pinned = find(str(model), width, resolution or sides[0], dialect=dialect)
        check_weights(planned(pinned), weights, Path(out))
    run = open_run(Path(out), asked)
    found.write(run)
    dataset = found.dataset
    mark(run, "choose", "running")
    plan = choose(run, Budget(budget_ms, wanted, margin), pins, planned, sides)
    train_in(run, dataset, plan, weights, seed, settings, may_lack=True)
    if not run.result.exists():
        mark(run, "verify", "running")
        write_json(run.result, verify(run, dataset, wanted, budget_ms))
    mark(run, "report", "running")
    write_report(run)
    mark(run, "report", "done")
    return _summary(run)


def verify(run: Run, dataset: "Dataset", target: "Target", budget_ms: float | None) -> dict[str, Any]:
    """Export the run's model, then measure the file itself: its metric on the held-out images, its latency on
    the target.

    Where the target is another device, the file is scored in the same runtime on this machine: `scored_on`.
    """
    import torch

    from mobilenets.bench import measure
    from mobilenets.exporters import export, write_card
    from mobilenets.jobs.score import score
    from mobilenets.nn import load_model
    from mobilenets.runtimes import open_session, parse_target
    from mobilenets.tasks import get

    network, card = load_model(run.weights)
    samples = dataset.split(dataset.held_out)
    path = run.exports / f"model{SUFFIX[target.runtime]}"
    exported = export(network, card, path, target.runtime,
                      sample_pixels(card.preprocess, [sample.path for sample in samples]))  # fmt: skip
    session = open_session(path, target)
    scored = score(session, dataset, dataset.held_out, path.name)
    timing = measure(session, seconds=LATENCY_SECONDS)
    in_torch = open_session(run.weights, parse_target(f"torch:cpu:{torch.get_num_threads()}"))
    metric = get(card.task).metric
    write_card(path, cards.with_metric(exported.card, metric, scored.value, len(samples), dataset.held_out))
    parity = exported.parity
    return {
        "task": card.task,
        "artifact": path.relative_to(run.folder).as_posix(),
        "outputs": exported.card.outputs,
        "metric": metric,
        "value": scored.value,
        "n": len(samples),
        "split": dataset.held_out,
        "target": str(target),
        "latency_ms": timing.median_ms,
        "latency": timing.as_dict(),
        "scored_on": str(target.here),
        "budget_ms": budget_ms,
        "met": None if budget_ms is None else timing.median_ms <= budget_ms,
        "weights": card.weights,
        "torch_value": score(in_torch, dataset, dataset.held_out).value,
        "parity": {"n": parity.n, "max_abs": parity.max_abs, "agreement": parity.agreement},
        **_judgement(scored, samples, dataset.root),
        "command": command(),
    }


def _judgement(scored: "Scored", samples: "Sequence[Any]", root: Path) -> dict[str, Any]:
    """What the task has to say of the held-out images."""
    from mobilenets.tasks import classify

    if isinstance(scored, classify.Scored):
        return {"confusion": scored.confusion(), "predictions": scored.predictions(samples, root)}
    return scored.document()


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
