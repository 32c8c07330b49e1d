"""`mobilenets predict`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import percent, table


def predict(
    model: options.Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES", help="Image files, or folders of them.")],
    *,
    top: Annotated[int, typer.Option(metavar="N", help="How many classes to give for each image.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Also write them: a .csv or .json file, or a folder for drawn images."
        ),
    ] = None,
    target: options.Where = None,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Name what is on images.

    For example:

      mobilenets predict runs/photos new/*.jpg --top 3

      mobilenets predict runs/photos/exports/model.tflite new --out new.csv
    """
    from mobilenets.jobs.predict import predict as job

    return job(
        model,
        images,
        top=top,
        out=out,
        target=target,
        **named,
    )


def show(document: dict[str, Any]) -> None:
    """One line per image and class, the most probable class first."""
    rows = [
        (row["file"], guess["label"], percent(guess["score"]))
        for row in document["predictions"]
        for guess in row.get("top", [row])
    ]
    table(("image", "class", "score"), rows, right=(2,))
