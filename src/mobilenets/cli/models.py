"""`mobilenets models`."""

from typing import Annotated, Any

import typer

from mobilenets.cli.options import Side
from mobilenets.cli.output import millions, percent, table


def models(
    *,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="name, params, macs, width or top1 (best first).")
    ] = None,
    filter: Annotated[  # noqa: A002 - the flag's name
        str | None, typer.Option(metavar="TEXT", help="Only names that contain this.")
    ] = None,
    max_macs: Annotated[
        str | None, typer.Option(metavar="COUNT", help="At most so many multiply-accumulates, e.g. 100M.")
    ] = None,
    resolution: Side = 224,
) -> dict[str, Any]:
    """List the networks: size, cost and published accuracy.

    Names of torchvision and timm are taken as well as ours; top-1 is on ImageNet, as published.

    For example:

      mobilenets models --max-macs 100M --sort top1
    """
    from mobilenets.jobs.models import list_models

    return list_models(sort=sort, filter=filter, max_macs=max_macs, resolution=resolution)


def show(document: dict[str, Any]) -> None:
    """One line per network."""
    rows = [
        (
            row["name"],
            f"{row['width']:g}",
            row["resolution"],
            millions(row["params"]),
            millions(row["macs"]),
            percent(row["top1"]),
            row["dialect"],
            row["weights"] or "-",
        )
        for row in document["models"]
    ]
    columns = ("name", "width", "side", "params", "MACs", "top-1", "dialect", "published weights")
    table(columns, rows, right=(1, 2, 3, 4, 5))
