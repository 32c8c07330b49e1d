"""`mobilenets models`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenets.cli.output import millions, number, percent, table

Measure = Annotated[
    str | None,
    typer.Option(
        metavar="RUNTIME:DEVICE:THREADS",
        help="Also measure latency here, e.g. on litert:cpu:1; kept for the next time.",
    ),
]


def models(
    *,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="name, params, macs, memory, width, top1 (best first), latency (published, Pixel 1) "
            "or measured.",
        ),
    ] = None,
    filter: Annotated[  # noqa: A002 - the flag's name
        str | None, typer.Option(metavar="TEXT", help="Only names that contain this.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this family, e.g. mobilenet_v3.")
    ] = None,
    max_macs: Annotated[
        str | None, typer.Option(metavar="COUNT", help="At most so many multiply-accumulates, e.g. 100M.")
    ] = None,
    max_params: Annotated[
        str | None, typer.Option(metavar="COUNT", help="At most so many parameters, e.g. 3M.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only accuracies published by this, e.g. timm or arXiv."),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="Side of the input; if not given, that of the published accuracy."
        ),
    ] = None,
    measure: Measure = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw accuracy against cost, and against what was measured, as .html, .png or .svg.",
        ),
    ] = None,
) -> dict[str, Any]:
    """List the networks: size, cost and published accuracy.

    Names of torchvision and timm are taken as well as ours; top-1 is on ImageNet, as published.

    For example:

      mobilenets models --max-macs 100M --sort top1
    """
    from mobilenets.jobs.models import list_models

    return list_models(
        sort=sort,
        filter=filter,
        family=family,
        max_macs=max_macs,
        max_params=max_params,
        source=source,
        resolution=resolution,
        measure=measure,
        plot=plot,
    )


def show(document: dict[str, Any]) -> None:
    """One line per network; the columns of latency where there are any."""
    from mobilenets.jobs.known import DEVICE, on_device

    rows = document["models"]
    cells = [
        [
            row["name"],
            f"{row['width']:g}",
            str(row["resolution"]),
            millions(row["params"]),
            millions(row["macs"]),
            f"{row['peak_bytes'] / 2**20:.1f} MiB",
            percent(row["top1"]),
            number(on_device(row), 1),
            number((row.get("measured") or {}).get("median_ms")),
            row["dialect"],
            row["source"] or "-",
            row["weights"] or "-",
        ]
        for row in rows
    ]
    columns = ["name", "width", "side", "params", "MACs", "memory", "top-1", f"{DEVICE}, ms", "here, ms",
               "dialect", "source of top-1", "published weights"]  # fmt: skip
    if not any(row.get("measured") for row in rows):
        index = columns.index("here, ms")
        for line in (columns, *cells):
            del line[index]
    right = range(1, columns.index("dialect"))
    table(columns, cells, right=right)
    if measured := next((row["measured"] for row in rows if row.get("measured")), None):
        print(f"\nmeasured on {measured['target']}, {measured['environment']['cpu']}, one image at a time")
