"""`mobilenets adapt`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.settings import collect


def adapt(
    model: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A finished run, or a .safetensors file together with --data."),
    ],
    *,
    budget: Annotated[
        str,
        typer.Option(
            metavar="AMOUNT",
            help="What it may take: a time as 3ms, or 150Mmacs, 1.2Mparams, 600kB of activations at once, or "
            'a share of what it takes now: 60%, "60% macs".',
        ),
    ],
    target: options.Target = "litert:cpu:1",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The run folder; RUN-adapted if not given.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Images, if not those that RUN was trained on.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table of `mobilenets latency build`; what it lacks is measured."
        ),
    ] = None,
    importance: Annotated[
        str, typer.Option(metavar="NAME", help="Which channels are kept: by norm, activation or taylor.")
    ] = "norm",
    choice: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Take the least loss per cost gained (ratio), or the best (quality)."
        ),
    ] = "ratio",
    judge: Annotated[
        str, typer.Option(metavar="NAME", help="Compare networks by loss or by the task's metric.")
    ] = "loss",
    step: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the beginning's cost that the first round cuts.")
    ] = 0.04,
    decay: Annotated[
        float, typer.Option(metavar="X", help="Each round's step as a part of the one before.")
    ] = 0.98,
    multiple: Annotated[int, typer.Option(metavar="N", help="Channels stay a multiple of this.")] = 8,
    tuned: Annotated[
        int,
        typer.Option(
            metavar="N", help="Proposals of a round that are fine-tuned, the most promising; 0: all."
        ),
    ] = 8,
    images: Annotated[int, typer.Option(metavar="N", help="Images of each proposal's fine-tuning.")] = 1280,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Processes that fine-tune proposals side by side.")
    ] = 1,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="A run or file whose answers guide every fine-tuning."),
    ] = None,
    seed: options.Seed = 0,
    **training: Unpack[options.Training],
) -> dict[str, Any]:
    """Make a trained network narrower, width by width, until it meets a budget.

    NetAdapt: every round cuts the width that costs the least accuracy for the time it saves, by a table of
    latencies measured on the target; in the end the network is fine-tuned, exported and verified. Training
    settings are those of this last fine-tuning. The same command again goes on where it was stopped.

    For example:

      mobilenets adapt runs/photos --budget 3ms --target litert:cpu:1

      mobilenets adapt runs/photos --budget "50% macs" --workers 2
    """
    from mobilenets.jobs.adapt import adapt as job

    return job(
        model,
        budget=budget,
        target=target,
        out=out,
        data=data,
        table=table,
        importance=importance,
        choice=choice,
        judge=judge,
        step=step,
        decay=decay,
        multiple=multiple,
        tuned=tuned,
        images=images,
        workers=workers,
        teacher=teacher,
        seed=seed,
        settings=collect(**training),
    )


def show(document: dict[str, Any]) -> None:
    """What was asked and what was reached."""
    from mobilenets.cli.output import facts

    facts({key: value for key, value in document.items() if key not in ("start", "images")})
