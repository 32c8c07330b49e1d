"""`mobilenets benchmark`."""

from typing import Annotated, Any, Unpack

import typer

from mobilenets.base.console import say
from mobilenets.cli import options
from mobilenets.cli.output import number, percent, table


def benchmark(
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Run folders, files, or names of networks.")
    ],
    *,
    target: options.Target = "litert:cpu:1",
    seconds: Annotated[
        float | None, typer.Option(metavar="S", help="How long to measure each; if not given, 2.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Run one network so long without pause, and show how it slows down."),
    ] = None,
    **named: Unpack[options.Named],
) -> dict[str, Any]:
    """Measure the latency of networks on a target.

    The floor is the time that the measured ceiling of matrix multiplication would take.

    For example:

      mobilenets benchmark mobilenet_v2 runs/photos --target litert:cpu:1

      mobilenets benchmark model.tflite --target litert:adb=SERIAL:4 --minutes 3
    """
    from mobilenets.jobs.benchmark import benchmark as job

    return job(
        models,
        target=target,
        seconds=seconds,
        minutes=minutes,
        **named,
    )


def show(document: dict[str, Any]) -> None:
    """One line per network, or per slice of time; and the terms of the measurement."""
    for row in document["results"]:
        if "sustained" in row:
            _show_sustained(row["sustained"])
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
    _show_terms(document["results"][0])
    if ceiling := document.get("ceiling_gflops"):
        print(f"ceiling: {ceiling:.1f} GFLOP/s by matrix multiplication, measured; floor: the time at it")
    if error := document.get("error"):
        say(f"error: {error}")


def status(document: dict[str, Any]) -> int:
    """1 when a device was lost before all was measured."""
    return int("error" in document)


def _show_sustained(found: dict[str, Any]) -> None:
    """The slices of time, and what they say."""
    rows = [
        (number(one["start_s"], 0), number(one["median_ms"]), number(one["min_ms"]), one["runs"])
        for one in found["slices"]
    ]
    table(("from second", "median ms", "least ms", "runs"), rows, right=(0, 1, 2, 3))
    cause = "; its clock was lowered" if found["throttled"] else ""
    drift = f"{found['drift_pct']:+.1f} % from the first slice to the last"
    print(f"\ndrift: {drift}, {found['slope_pct_per_minute']:+.2f} % a minute{cause}\n")


def _show_terms(row: dict[str, Any]) -> None:
    """On what, and what the figures are of."""
    about = row.get("environment", {})
    where = ", ".join(about[key] for key in ("device", "cpu", "system", "governor") if about.get(key))
    if where:
        print(f"on {where}, one image at a time")
    if row.get("basis", "single runs") != "single runs":
        print(f"median and IQR are of {row['basis']}")
