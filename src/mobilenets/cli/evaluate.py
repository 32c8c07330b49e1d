"""`mobilenets evaluate`."""

from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import percent, table

SHOWN = 20  # classes; --json has all
# Task: its metrics as they are told, then the columns of its classes, of which the first is what ranks them.
METRICS = {
    "classify": {"top1": "top-1", "top5": "top-5"},
    "detect": {"mAP50": "mAP at IoU 0.5", "mAP": "COCO mAP", "mAP75": "mAP at IoU 0.75"},
    "segment": {"mIoU": "mIoU", "pixel_accuracy": "of the pixels right"},
    "embed": {"recall1": "recall at 1", "recall5": "at 5", "recall10": "at 10", "map_at_r": "mAP at R"},
}
COUNTED = {"classify": "images", "detect": "boxes", "segment": "pixels"}
COLUMNS = {
    "classify": ("recall", "precision"),
    "detect": ("AP50", "AP"),
    "segment": ("IoU", "accuracy"),
}


def evaluate(
    model: options.Model,
    data: options.Data,
    *,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="train, val, test or all; if not given, what is held out."),
    ] = None,
    window: options.Window = None,
    target: options.Where = None,
    val: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Held back where DATA has no val split; if not given, the run's."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="By which the val split was cut; if not given, the run's.")
    ] = None,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Measure how good a run or file is on labelled images.

    The model says the task: top-1 for classes, mAP for boxes, mIoU for masks, recall for embeddings.

    For example:

      mobilenets evaluate runs/photos photos

      mobilenets evaluate runs/photos/exports/model.tflite photos --split test
    """
    from mobilenets.jobs.evaluate import evaluate as job

    return job(
        model,
        data,
        split=split,
        window=window,
        target=target,
        val=val,
        seed=seed,
        **named,
    )


def show(document: dict[str, Any]) -> None:
    """One line, and the classes, the worst first."""
    task = document.get("task", "classify")
    told = [
        f"{percent(document[key])} {name}"
        for key, name in METRICS[task].items()
        if document.get(key) is not None
    ]
    print(f"{', '.join(told)} on {document['n']:,} images ({document['split']})")
    if document.get("per_class"):
        _show_classes(document["per_class"], COUNTED[task], COLUMNS[task])


def _show_classes(rows: list[dict[str, Any]], counted: str, columns: tuple[str, ...]) -> None:
    """The classes as a table, the worst first."""
    ranked = sorted(rows, key=lambda row: row[columns[0]])
    cells = [
        (row["label"], f"{row['n']:,}", *(percent(row[key]) for key in columns)) for row in ranked[:SHOWN]
    ]
    print()
    table(("class", counted, *columns), cells, right=(1, 2, 3))
    if len(rows) > SHOWN:
        print(f"and {len(rows) - SHOWN} classes with a higher {columns[0]}; --json lists them all")
