"""`mobilenets report`."""

from pathlib import Path
from typing import Annotated, Any

import typer


def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The --out folder of a fit, train, adapt or search.")
    ],
) -> dict[str, Any]:
    """Write the offline page of a run.

    For example:

      mobilenets report runs/photos
    """
    from mobilenets.jobs.report import report as job

    return job(run)


def show(document: dict[str, Any]) -> None:
    """Where the page is."""
    print(document["report"])
