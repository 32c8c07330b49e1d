"""`mobilenets latency predict`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilenets.cli import options
from mobilenets.cli.output import number, table

Of = Annotated[
    str | None,
    typer.Option(
        metavar="RUNTIME:DEVICE:THREADS",
        help="Whose table; if neither this nor --table is given, that of litert:cpu:1.",
    ),
]


def latency_predict(
    models: Annotated[
        list[str], typer.Argument(metavar="MODELS", help="Run folders, files, or names of networks.")
    ],
    *,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table of `mobilenets latency build`; if not given, the target's own."
        ),
    ] = None,
    target: Of = None,
    width: options.Width = None,
    resolution: options.Resolution = None,
    dialect: options.Dialect = None,
) -> dict[str, Any]:
    """Predict the latency of networks from a table, without running them.

    The error is one standard deviation: two networks in three are nearer than that.

    For example:

      mobilenets latency predict mobilenet_v2 runs/photos --table v2.json
    """
    from mobilenets.jobs.latency import predict_latency

    return predict_latency(
        models, table=table, target=target, width=width, resolution=resolution, dialect=dialect
    )


def show(document: dict[str, Any]) -> None:
    """One line per network, what the table lacks, and how good it is."""
    rows = [
        (
            row["model"],
            row["resolution"],
            number(row["ms"], 3),
            number(row["error_ms"], 3),
            len(row["missing"]) or "-",
        )
        for row in document["results"]
    ]
    table(("model", "pixels", "ms", "give or take", "pieces unknown"), rows, right=(1, 2, 3, 4))
    print()
    for row in document["results"]:
        if row["missing"]:
            print(f"{row['model']}: not measured: {', '.join(row['missing'][:5])}")
    print(f"{document['target']}, {document['cpu']}, measured {document['date']}; {quality(document)}")


def quality(document: dict[str, Any]) -> str:
    """How good the predictions of a table are, for a person."""
    if found := document.get("check"):
        return f"off by {found['mae_pct']:.1f} % on average over {found['n']} random networks it had not seen"
    if document.get("left_out_pct") is not None:
        return f"off by {document['left_out_pct']:.1f} % on average, each of its networks left out in turn"
    return "no whole network was measured"
