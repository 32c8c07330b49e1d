"""`mobilenets evaluate`."""

from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import percent, table

SHOWN = 20  # classes; --json has all


def evaluate(
    model: options.Model,
    data: options.Data,
    *,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="train, val or test; if not given, the one held out.")
    ] = None,
    target: options.Where = None,
    val: options.Val = None,
    seed: options.Seed = 0,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Measure the accuracy of a run or file on labelled images.

    For example:

      mobilenets evaluate runs/photos photos

      mobilenets evaluate runs/photos/exports/model.tflite photos --split test
    """
    from mobilenets.jobs.evaluate import evaluate as job

    return job(
        model,
        data,
        split=split,
        target=target,
        val=val,
        seed=seed,
        **named,
    )


def show(document: dict[str, Any]) -> None:
    """One line, and the classes, the worst first."""
    top5 = f", {percent(document['top5'])} top-5" if "top5" in document else ""
    print(f"{percent(document['top1'])} top-1{top5} on {document['n']:,} images ({document['split']})")
    classes = sorted(document.get("per_class", ()), key=lambda row: row["recall"])
    if classes:
        print()
        rows = [
            (row["label"], row["n"], percent(row["recall"]), percent(row["precision"]))
            for row in classes[:SHOWN]
        ]
        table(("class", "images", "recall", "precision"), rows, right=(1, 2, 3))
    if len(classes) > SHOWN:
        print(f"and {len(classes) - SHOWN} classes with a higher recall; --json lists them all")
