"""`mobilenets similar`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenets.cli import options
from mobilenets.cli.output import table


def similar(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image to find others like.")],
    *,
    index: Annotated[Path, typer.Option(metavar="FILE", help="What `mobilenets index` wrote.")] = Path(
        "photos.usearch"
    ),
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many to find.")] = 8,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw them side by side: a .jpg or .png file.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Where the index's model is now, if not where it was."),
    ] = None,
    weights: options.Weights = None,
) -> dict[str, Any]:
    """Find the images of an index that look most like one image.

    For example:

      mobilenets similar new.jpg --index photos.usearch -k 8 --out strip.jpg
    """  # fmt: skip
    from mobilenets.jobs.similar import similar as job

    return job(image, index=index, k=k, out=out, model=model, weights=weights)


def show(document: dict[str, Any]) -> None:
    """One line per neighbour, the nearest first."""
    rows = [(row["file"], f"{row['similarity']:.3f}") for row in document["neighbours"]]
    table(("image", "similarity"), rows, right=(1,))
