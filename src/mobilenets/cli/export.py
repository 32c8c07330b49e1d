"""`mobilenets export`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import facts


def export(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A run folder, a .safetensors file, or the name of a network."),
    ],
    *,
    to: Annotated[str, typer.Option(metavar="RUNTIME", help="litert, onnx or torch.")] = "litert",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="Number format of the weights; float32 alone so far.")
    ] = "float32",
    form: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What a detector's file gives (nms, plain, mediapipe) or a segmenter's (scores, argmax).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to; if not given, the run's exports folder, of a name ./NAME.tflite or ./NAME.onnx.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Images to compare the file with the network on.")
    ] = None,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Write a network as a file for a runtime, and verify the file.

    The file is run by its own runtime on real images and compared with the network before it is kept.

    For example:

      mobilenets export runs/photos --to onnx

      mobilenets export mobilenet_v2 --weights imagenet --out v2.tflite
    """
    from mobilenets.jobs.export import export as job

    return job(
        model,
        to=to,
        precision=precision,
        form=form,
        out=out,
        data=data,
        **named,
    )


def show(document: dict[str, Any]) -> None:
    """The file and how well it agrees with the network."""
    facts(document)
