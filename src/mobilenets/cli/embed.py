"""`mobilenets embed`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options


def embed(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="A folder of images, searched to any depth.")
    ],
    *,
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="A run folder, a file, or the name of a network: what makes the vectors."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="An .npz file, or .parquet where pyarrow is installed.")
    ] = Path("vectors.npz"),
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Write a vector for each image of a folder: alike images, near vectors.

    A network that was trained to embed gives its own; any other gives the mean of its last map. The name of
    a network has the published ImageNet weights. The same command again goes on where it was stopped.

    For example:

      mobilenets embed photos --model runs/photos --out photos.npz

      mobilenets embed photos --model mobilenet_v2 --out photos.parquet
    """
    from mobilenets.jobs.embed import embed as job

    return job(folder, model=model, out=out, **named)


def show(document: dict[str, Any]) -> None:
    """What was written."""
    left_out = f", {len(document['skipped'])} left out" if document["skipped"] else ""
    print(f"{document['vectors']}: {document['n']:,} vectors of {document['size']} numbers{left_out}")
