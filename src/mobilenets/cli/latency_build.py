"""`mobilenets latency build`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenets.cli import options
from mobilenets.cli.output import facts


def latency_build(
    *,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Networks with commas between, around which random ones shall be predicted; if neither this "
            "nor --model is given: mobilenet_v2,mobilenet_v3_large,mobilenet_v3_small.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A name, run or file to be predicted with its narrower versions; can be given again.",
        ),
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS", help="Input sides with commas between; of a space 224,96, of names 224."
        ),
    ] = None,
    target: options.Target = "litert:cpu:1",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The table; one that is there is extended. If not given, in the cache."
        ),
    ] = None,
    kernels: Annotated[
        str | None,
        typer.Option(metavar="SIZES", help="Kernels of depthwise convolutions in a space; 3,5 if not given."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take times from a CSV (docs/latency.md) instead of measuring."),
    ] = None,
) -> dict[str, Any]:
    """Measure how long the pieces of networks take on a target, to predict from.

    What was measured is kept at once: killed or interrupted, the same command goes on.

    For example:

      mobilenets latency build --space mobilenet_v2 --resolution 96 --out v2.json
      mobilenets latency build --model runs/photos --target litert:cpu:1
    """
    from mobilenets.jobs.latency import build_latency

    return build_latency(
        space=space,
        model=model,
        resolution=resolution,
        target=target,
        out=out,
        kernels=kernels,
        csv=csv,
    )


def show(document: dict[str, Any]) -> None:
    """The facts of the table."""
    facts(document)
