"""`mobilenets weights list`."""

from typing import Annotated, Any

import typer

from mobilenets.cli.output import millions, percent, table


def weights_list(
    *,
    filter: Annotated[  # noqa: A002 - the flag's name
        str | None, typer.Option(metavar="TEXT", help="Only names and networks that contain this.")
    ] = None,
) -> dict[str, Any]:
    """List the published weights: network, accuracy, licence, where they lie.

    Top-1 is on ImageNet at the given side, as published; --json adds the source of each figure, address,
    hash and preprocessing.

    For example:

      mobilenets weights list --filter mobilenetv4
    """
    from mobilenets.jobs.weights import list_weights

    return list_weights(filter=filter)


def show(document: dict[str, Any]) -> None:
    """One line per file."""
    rows = [
        (
            row["name"],
            row["model"],
            millions(row["params"]),
            row["resolution"],
            percent(row["top1"]),
            row["licence"],
            "here" if row["here"] else "address" if row["url"] else "hub",
        )
        for row in document["weights"]
    ]
    table(("name", "network", "params", "side", "top-1", "licence", "where"), rows, right=(2, 3, 4))
