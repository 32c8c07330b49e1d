"""`mobilenets search`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.settings import collect


def search(
    data: options.Data,
    *,
    space: Annotated[
        str,
        typer.Option(
            metavar="SPACE",
            help="What to choose from: mnasnet, v3, v3_strides, v4, width, resolution, a .json file of one "
            "of these, or a .py file that calls a Space `space`.",
        ),
    ] = "mnasnet",
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The network that the space is laid around; its own if not given."),
    ] = None,
    width: options.Width = None,
    resolution: options.InputSide = None,
    dialect: options.Dialect = None,
    budget: Annotated[
        str,
        typer.Option(
            metavar="AMOUNT",
            help="What a network may take: a time as 3ms, or 150Mmacs, 1.2Mparams, 600kB of activations at "
            'once, or a share of what the model takes: 60%, "60% macs".',
        ),
    ] = "10ms",
    target: options.Target = "litert:cpu:1",
    task: options.Task = "classify",
    out: options.RunFolder = Path("runs/search"),
    trials: Annotated[int, typer.Option(metavar="N", help="Networks to try, at most.")] = 200,
    hours: Annotated[
        float | None,
        typer.Option(metavar="X", help="Time for trials, at most; what comes before and after is apart."),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Who proposes: bayes, mnasnet (its controller), reinforce, evolution, pareto, local, "
            "random, tpe or nsga2.",
        ),
    ] = "bayes",
    reward: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What it is after: the best that fits (hard), a price on what is above or below the budget "
            "(soft, absolute), or quality alone.",
        ),
    ] = "hard",
    weight: Annotated[
        float | None, typer.Option(metavar="W", help="Weight of the cost in the reward, below 0.")
    ] = None,
    proxy_epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Epochs of each trial; 5 if not given, 1 after weights that all share."
        ),
    ] = None,
    proxy_images: Annotated[
        int, typer.Option(metavar="N", help="Images that each trial is trained on; 0: all.")
    ] = 0,
    proxy_resolution: Annotated[
        int, typer.Option(metavar="PIXELS", help="Side of the input in trials; 0: the network's own.")
    ] = 0,
    proxy_val: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of each class that trials are judged on, where DATA has no val split; the last "
            "training has it back, but for --val.",
        ),
    ] = 0.2,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes that try networks side by side.")] = 1,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Try them on this Ray cluster instead; `local` starts one."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where trials are recorded, if not in the run folder: a file, or "
            "postgresql://USER:PASSWORD@HOST/DATABASE.",
        ),
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm/--no-confirm",
            help="Try the leaders again in the last part, since the best of many was mostly lucky.",
        ),
    ] = True,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="End trials early that are far behind the others.")
    ] = True,
    evaluator: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How networks are tried: each trained from nothing (short), or from its part of weights "
            "that all share, trained once before (supernet; classification only).",
        ),
    ] = "short",
    supernet_epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Epochs of the weights that networks share; 30.")
    ] = None,
    finalists: Annotated[
        int, typer.Option(metavar="N", help="Networks trained in full, of which the best is kept.")
    ] = 1,
    beside: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Networks of the zoo tried on the same terms, as NAME or NAME:WIDTH."
        ),
    ] = "mobilenet_v3_small,mobilenet_v2:0.5,mnasnet_small",
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table of `mobilenets latency build`; what it lacks is measured."
        ),
    ] = None,
    direct: Annotated[
        bool,
        typer.Option(
            "--direct",
            help="Measure every trial on the target instead of predicting latency from a table; one worker.",
        ),
    ] = False,
    head: options.Head = None,
    halved: options.Halved = None,
    output_stride: options.OutputStride = None,
    size: options.Size = None,
    val: options.Val = None,
    seed: options.Seed = 0,
    teacher: options.Teacher = None,
    unlabelled: options.Unlabelled = None,
    **training: Unpack[options.Training],
) -> dict[str, Any]:
    """Search for a network that meets a budget; train, export and verify it.

    Every trial trains a network of the space for a short while; its latency is predicted from a table
    measured on the target, or measured there. Training settings are those of the last, full training. The
    same command again goes on where it was stopped, with as many workers as it is given.

    For example:

      mobilenets search photos --space mnasnet --budget 4ms --target litert:cpu:1 --trials 200 --hours 1

      mobilenets search signs --space v3 --resolution 64 --budget 50% --trials 40 --proxy-epochs 2
    """
    from mobilenets.jobs.search import search as job

    return job(
        data,
        space=space,
        model=model,
        width=width,
        resolution=resolution,
        dialect=dialect,
        budget=budget,
        target=target,
        task=task,
        out=out,
        trials=trials,
        hours=hours,
        strategy=strategy,
        reward=reward,
        weight=weight,
        proxy_epochs=proxy_epochs,
        proxy_images=proxy_images,
        proxy_resolution=proxy_resolution,
        proxy_val=proxy_val,
        workers=workers,
        ray=ray,
        storage=storage,
        confirm=confirm,
        prune=prune,
        evaluator=evaluator,
        supernet_epochs=supernet_epochs,
        finalists=finalists,
        beside=beside,
        table=table,
        direct=direct,
        val=val,
        seed=seed,
        settings=collect(**training),
        teacher=teacher,
        unlabelled=unlabelled,
        head=head,
        halved=halved,
        output_stride=output_stride,
        size=size,
    )


def show(document: dict[str, Any]) -> None:
    """What was asked and what was reached."""
    from mobilenets.cli.output import facts

    facts(document)
