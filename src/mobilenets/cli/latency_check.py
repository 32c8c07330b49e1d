"""`mobilenets latency check`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenets.cli.latency_predict import Of
from mobilenets.cli.output import number, table


def latency_check(
    *,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table of `mobilenets latency build`; if not given, the target's own."
        ),
    ] = None,
    target: Of = None,
    n: Annotated[int, typer.Option("--n", metavar="N", help="How many random networks to measure.")] = 40,
    first: Annotated[
        int, typer.Option(metavar="N", help="The number of the first: others are other networks.")
    ] = 0,
) -> dict[str, Any]:
    """Compare a table's predictions with networks that it has not seen.

    These are random ones of those that the table is meant for. Their times are scaled by a reference network
    that is measured in turns with them, as it was for the table, since a machine is not equally fast every
    day; the raw error is printed beside.

    For example:

      mobilenets latency check --table v2.json --n 40
    """
    from mobilenets.jobs.latency_check import check_latency

    return check_latency(table, target=target, n=n, first=first)


def show(document: dict[str, Any]) -> None:
    """One line per network, the furthest off last, and the figures."""
    rows = [
        (
            row["name"],
            row["resolution"],
            number(row["predicted_ms"], 3),
            number(row["error_ms"], 3),
            number(row["scaled_ms"], 3),
            f"{row['error_pct']:+.1f}",
        )
        for row in sorted(document["rows"], key=lambda row: abs(row["error_pct"]))
    ]
    table(
        ("network", "pixels", "predicted ms", "give or take", "measured ms", "error %"),
        rows,
        right=range(1, 6),
    )
    print(
        f"\nmean absolute error {document['mae_pct']:.2f} % ({document['mae_raw_pct']:.2f} % unscaled), "
        f"rank correlation {document['spearman']:.3f}, {document['n']} networks"
    )
