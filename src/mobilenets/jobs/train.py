"""`mobilenets train`: a network on a folder of images, resumable at any instant."""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch.card import Card
from mobilenets.arch.spec import check_task
from mobilenets.arch.zoo import find, side_of
from mobilenets.base.run import Run, marked
from mobilenets.jobs.alone import alone, begun, check_out
from mobilenets.jobs.choose import RESOLUTIONS
from mobilenets.jobs.start import (
    Plan,
    check_head,
    check_settings,
    check_weights,
    headed,
    open_network,
    read_data,
    settings_for,
)
from mobilenets.jobs.teacher import ALONE, Guidance, asked_of, check_guidance, guidance
from mobilenets.tasks import get

SEEN = 512  # images by which batch norms are made ready that the weights came without

if TYPE_CHECKING:
    from torch import nn

    from mobilenets.data.dataset import Dataset
    from mobilenets.training import Teacher, Trained


def train(
    data: str | Path,
    *,
    task: str = "classify",
    model: str = "mobilenet_v3_large",
    weights: str = "imagenet",
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    head: str | None = None,
    halved: bool | None = None,
    output_stride: int | None = None,
    size: int | None = None,
    out: str | Path = "runs/train",
    val: float | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    teacher: "str | Path | nn.Module | Teacher | None" = None,
    unlabelled: str | Path | None = None,
) -> dict[str, Any]:
    """Train a network and leave its best weights in `out`/model.safetensors; the same call again resumes or
    returns.

    `weights` is "imagenet" (published ones), "none", a published name or a file. `head`, `halved`,
    `output_stride` and `size` are options of the task's head (`arch.heads`). `settings` override those
    that are chosen for the data, the task and the weights. `teacher` is a run or file, or in Python any
    module, whose answers are learned besides the labels, also on the images below the folder `unlabelled`.
    The result's `metric` names what is measured on
    the val split (top1, mAP50, mIoU, recall1); it is there by that name, from 0 to 1.
    Raises UsageError, DataError, WeightsError, TrainingError, Interrupted, StorageError.
    """
    check_task(task)
    check_settings(settings, task, seed)
    check_guidance(teacher, unlabelled, settings)
    options = {"head": head, "halved": halved, "output_stride": output_stride, "size": size}
    check_head(task, options)
    arch = find(model, width, side_of(resolution, RESOLUTIONS[task][0]), dialect=dialect)
    check_out(Path(out), data)
    found = read_data(data, val, seed, task)
    plan = headed(arch, task, found.dataset, options)
    check_weights(plan, weights, Path(out))
    guided = guidance(teacher, unlabelled, found.dataset, task)
    asked = {
        "verb": "train",
        "data": str(Path(data)),
        "task": task,
        "model": model,
        "width": width,
        "resolution": resolution,
        "dialect": dialect,
        **options,
        "weights": weights,
        "val": val,
        "seed": seed,
        "settings": settings or {},
        **asked_of(teacher, unlabelled),
    }
    with alone(begun(Path(out), asked)) as run:
        found.write(run)
        guided.write(run)
        trained, card = train_in(
            run, found.dataset, plan, weights, seed, settings, may_lack=False, guided=guided
        )
        metric = get(task).metric
        return {
            "task": task,
            "model": str(run.weights),
            "run": str(run.folder),
            "metric": metric,
            metric: trained.metric,
            "split": "val",
            "n": len(found.dataset.val),
            "epochs": trained.epochs,
            "best_epoch": trained.epoch,
            "seconds": trained.seconds,
            "weights": card.weights,
            **({"teacher": card.teacher} if card.teacher else {}),
        }


def train_in(
    run: Run,
    dataset: "Dataset",
    plan: Plan,
    weights: str,
    seed: int,
    settings: dict[str, Any] | None,
    *,
    may_lack: bool,
    guided: Guidance = ALONE,
) -> tuple["Trained", Card]:
    """One training of `train`, `fit` or `search`: network, settings, loop; status.json says how it ended."""
    from mobilenets import training
    from mobilenets.training.folded import unfold

    told = guided.teacher.described if guided.teacher else ""
    network, card = open_network(plan, dataset.labels, weights, seed, run, may_lack=may_lack, teacher=told)
    chosen = settings_for(card, dataset, seed, settings)
    if card.weights != "none" and not run.last.exists():
        chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
        some = chance.sample(dataset.train, min(SEEN, len(dataset.train)))
        unfold(network, [sample.path for sample in some], card)
    with marked(run, "train") as facts:
        trained = training.train(network, dataset, card, chosen, run, guided.teacher, guided.unlabelled)
        facts["metric"] = trained.metric
    return trained, card
