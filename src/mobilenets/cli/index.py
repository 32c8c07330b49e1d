"""`mobilenets index`."""

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import percent


def index(
    source: Annotated[
        str,
        typer.Argument(metavar="VECTORS|FOLDER", help="A file of `mobilenets embed`, or a folder of images."),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The index; beside it go its facts (FILE.json) and, of a folder, the vectors (FILE.npz).",
        ),
    ] = Path("photos.usearch"),
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="For a folder: a run folder, a file, or the name of a network."),
    ] = None,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Write an index over the vectors of images, for `mobilenets similar`.

    It is searched on disk, without being read into memory.

    For example:

      mobilenets index photos.npz --out photos.usearch

      mobilenets index photos --model mobilenet_v2 --out photos.usearch
    """
    from mobilenets.jobs.index import index as job

    return job(source, out=out, model=model, **named)


def show(document: dict[str, Any]) -> None:
    """What was written, and how well searches in it do."""
    print(f"{document['index']}: {document['n']:,} vectors of {document['size']} numbers, "
          f"{document['bytes'] / 1e6:,.1f} MB")  # fmt: skip
    if document["expansion"]:
        print(f"a search finds {percent(document['recall'])} of the 10 nearest without looking at all")
    else:
        print("a search looks at all of them, which is quick at this number")
