"""`mobilenets evaluate`."""

from typing import Annotated, Any

import typer

from mobilenets.cli import options
from mobilenets.cli.output import percent


def evaluate(
    model: options.Model,
    data: options.Data,
    *,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="train, val or test; if not given, the one held out.")
    ] = None,
    weights: options.Weights = None,
    width: options.Width = None,
    resolution: options.Resolution = None,
    dialect: options.Dialect = None,
    target: options.Where = None,
    val: options.Val = 0.15,
    seed: options.Seed = 0,
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
        weights=weights,
        width=width,
        resolution=resolution,
        dialect=dialect,
        target=target,
        val=val,
        seed=seed,
    )


def show(document: dict[str, Any]) -> None:
    """One line."""
    split = f" ({document['split']})" if document.get("split") else ""
    print(f"{percent(document['top1'])} top-1 on {document['n']:,} images{split}")
