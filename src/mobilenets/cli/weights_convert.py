"""`mobilenets weights convert`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenets.cli.options import Dialect, Resolution, Width
from mobilenets.cli.output import facts


def weights_convert(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A .pth, .safetensors, .h5, .keras or .tflite file, or a name of `mobilenets weights list`.",
        ),
    ],
    *,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The network; if not given, the only one that fits.")
    ] = None,
    width: Width = None,
    dialect: Dialect = None,
    resolution: Resolution = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.safetensors", help="Where to write it.")] = None,
) -> dict[str, Any]:
    """Write a weights file of any origin as a file of ours.

    What comes out is safetensors with the network, its preprocessing and its classes in the header, which
    every other command takes as a MODEL. Nothing in a file is ever executed.

    For example:

      mobilenets weights convert mobilenet_v1_0.25_128_quant.tflite --out v1.safetensors

      mobilenets weights convert mobilenet_v3.weights.h5 --model mobilenet_v3_small --dialect keras
    """
    from mobilenets.jobs.weights import convert_weights

    return convert_weights(file, model=model, width=width, dialect=dialect, resolution=resolution, out=out)


def show(document: dict[str, Any]) -> None:
    """What was written."""
    facts(document)
