"""`mobilenets convert`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenets.cli.output import facts


def convert(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A data set with boxes or masks, in any layout, or `signs`, the embedded one.",
        ),
    ],
    *,
    to: Annotated[
        str,
        typer.Option(metavar="LAYOUT", help="For boxes: voc, coco or yolo; for masks: masks, voc or coco."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder to write it to.")],
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="detect or segment; if not given, what the data set is laid out for."
        ),
    ] = None,
) -> dict[str, Any]:
    """Write a data set with boxes or masks in another layout.

    Boxes keep their corners and classes, splits stay as they are. Pascal VOC has no crowds, which become
    difficult, and YOLO has neither crowds nor difficult boxes; COCO has no void in masks, which becomes
    background. Images are linked, or copied where the disk cannot link them.

    For example:

      mobilenets convert cells --to yolo --out cells-yolo
    """
    from mobilenets.jobs.convert import convert as job

    return job(data, to=to, out=out, task=task)


def show(document: dict[str, Any]) -> None:
    """What was written."""
    facts(document)
