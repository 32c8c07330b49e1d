"""`mobilenets benchmark`."""

from typing import Annotated, Any, Unpack

import typer

from mobilenets.cli import options
from mobilenets.cli.output import number, percent, table


def benchmark(
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Run folders, files, or names of networks.")
    ],
    *,
    target: options.Target = "litert:cpu:1",
    seconds: Annotated[float, typer.Option(metavar="S", help="How long to measure each.")] = 2.0,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Measure the latency of networks on a target.

    The floor is the time that the measured ceiling of matrix multiplication would take.

    For example:

      mobilenets benchmark mobilenet_v2 runs/photos --target litert:cpu:1
    """
    from mobilenets.jobs.benchmark import benchmark as job

    return job(
        models,
        target=target,
        seconds=seconds,
        **named,
    )


def show(document: dict[str, Any]) -> None:
    """One line per network, and the terms of the measurement."""
    rows = [
        (
            row["model"],
            row["target"],
            number(row["median_ms"]),
            number(row.get("iqr_ms")),
            number(row.get("floor_ms")),
            percent(row["floor_ms"] / row["median_ms"] if row.get("floor_ms") else None),
            row.get("runs", "-"),
        )
        for row in document["results"]
    ]
    columns = ("model", "target", "median ms", "IQR ms", "floor ms", "of ceiling", "runs")
    table(columns, rows, right=(2, 3, 4, 5, 6))
    print()
    if cpu := document["results"][0].get("environment", {}).get("cpu"):
        print(f"on {cpu}, one image at a time")
    if ceiling := document.get("ceiling_gflops"):
        print(f"ceiling: {ceiling:.1f} GFLOP/s by matrix multiplication, measured; floor: the time at it")
