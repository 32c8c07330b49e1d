"""`mobilenets train`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import facts
from mobilenets.cli.settings import collect


def train(
    data: options.Data,
    *,
    task: options.Task = "classify",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The network; see `mobilenets models`.")
    ] = "mobilenet_v3_large",
    weights: options.StartWeights = "imagenet",
    width: options.Width = None,
    resolution: options.InputSide = None,
    dialect: options.Dialect = None,
    head: options.Head = None,
    halved: options.Halved = None,
    output_stride: options.OutputStride = None,
    size: options.Size = None,
    out: options.RunFolder = Path("runs/train"),
    val: options.Val = None,
    seed: options.Seed = 0,
    teacher: options.Teacher = None,
    unlabelled: options.Unlabelled = None,
    **training: Unpack[options.Training],
) -> dict[str, Any]:
    """Train one network on images.

    Settings that are not given suit the number of images, and whether there are weights to begin with.
    The same command again goes on where it was stopped.

    For example:

      mobilenets train photos --model mobilenet_v2 --width 0.5 --epochs 20 --out runs/photos
    """
    from mobilenets.jobs.train import train as job

    return job(
        data,
        task=task,
        model=model,
        weights=weights,
        width=width,
        resolution=resolution,
        dialect=dialect,
        head=head,
        halved=halved,
        output_stride=output_stride,
        size=size,
        out=out,
        val=val,
        seed=seed,
        settings=collect(**training),
        teacher=teacher,
        unlabelled=unlabelled,
    )


def show(document: dict[str, Any]) -> None:
    """What was reached."""
    facts(document)
