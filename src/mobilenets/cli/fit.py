"""`mobilenets fit`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.settings import collect


def fit(
    data: options.Data,
    *,
    task: options.Task = "classify",
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="Most time for one image, e.g. 5ms or 800us.")
    ] = "10ms",
    target: options.Target = "litert:cpu:1",
    out: options.RunFolder = Path("runs/fit"),
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take this network instead of choosing one.")
    ] = None,
    weights: options.StartWeights = "imagenet",
    width: options.Width = None,
    resolution: options.FittingSide = None,
    dialect: options.Dialect = None,
    head: options.Head = None,
    halved: options.Halved = None,
    output_stride: options.OutputStride = None,
    size: options.Size = None,
    val: options.Val = None,
    seed: options.Seed = 0,
    margin: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the budget left free when a network is chosen.")
    ] = 0.1,
    teacher: options.Teacher = None,
    unlabelled: options.Unlabelled = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt/--no-adapt",
            help="Where the budget lies between two networks, train the larger one as well, narrow it until "
            "it fits, and keep the better; takes several times as long.",
        ),
    ] = True,
    search: Annotated[
        float | None,
        typer.Option(
            metavar="HOURS",
            help="Search for networks besides, with so many hours of trials (at most 200); what is found "
            "begins without published weights; the best on the val split is kept.",
        ),
    ] = None,
    **training: Unpack[options.Training],
) -> dict[str, Any]:
    """Train, export and verify the best network that meets a latency budget.

    Candidates are measured on the target before training; the most capable one within the budget is trained,
    exported, and its file measured again. The run folder holds the file and report.html.
    The same command again goes on where it was stopped.

    For example:

      mobilenets fit signs --budget 2ms --resolution 64 --out runs/signs

      mobilenets fit photos --budget 5ms --target litert:cpu:1 --out runs/photos
    """
    from mobilenets.jobs.fit import fit as job

    return job(
        data,
        task=task,
        budget=budget,
        target=target,
        out=out,
        model=model,
        weights=weights,
        width=width,
        resolution=resolution,
        dialect=dialect,
        head=head,
        halved=halved,
        output_stride=output_stride,
        size=size,
        val=val,
        seed=seed,
        margin=margin,
        settings=collect(**training),
        teacher=teacher,
        unlabelled=unlabelled,
        adapt=adapt,
        search=search,
    )


def show(document: dict[str, Any]) -> None:
    """What was asked and what was reached."""
    from mobilenets.base.run import find_run
    from mobilenets.reports import summary

    print(summary(find_run(Path(document["run"]))))
    print(f"\nreport: {document['report']}")
