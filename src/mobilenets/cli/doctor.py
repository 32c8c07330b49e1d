"""`mobilenets doctor`."""

from itertools import groupby
from typing import Annotated, Any

import typer

from mobilenets.cli.options import Data, Weights

SHOWN = 5  # places named per kind of finding; --json has all


def doctor(
    data: Data,
    *,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="classify, detect, segment or embed; if not given, what the data set is laid out for.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A run folder, a file, or the name of a network: also looks for pictures that are nearly "
            "the same, by the vectors it makes of them.",
        ),
    ] = None,
    weights: Weights = None,
) -> dict[str, Any]:
    """Check a dataset: what is wrong with it, where, and what to do.

    Exit code 1 when there are errors; warnings and notes do not count.

    For example:

      mobilenets doctor photos

      mobilenets doctor cells --task detect

      mobilenets doctor photos --model mobilenet_v2
    """
    from mobilenets.jobs.doctor import doctor as job

    return job(data, task=task, model=model, weights=weights)


def show(document: dict[str, Any]) -> None:
    """The findings by kind, the worst first, each kind with its count, some of its places and the fix."""
    for (level, kind), group in groupby(document["findings"], key=lambda item: (item["level"], item["id"])):
        found = list(group)
        print(f"{level}: {kind} ({len(found)})")
        for finding in found[:SHOWN]:
            print(
                f"  {finding['file']} {finding['message']}" if finding["file"] else f"  {finding['message']}"
            )
        if len(found) > SHOWN:
            print(f"  and {len(found) - SHOWN} more; --json lists them all")
        print(f"  -> {found[0]['fix']}\n")
    print(f"{document['data']}: {_summary(document['levels'])}")


def status(document: dict[str, Any]) -> int:
    """1 when the dataset has errors."""
    return int(document["levels"]["error"] > 0)


def _summary(levels: dict[str, int]) -> str:
    """The counts in words."""
    counted = [f"{count} {level}{'s' * (count != 1)}" for level, count in levels.items() if count]
    return ", ".join(counted) or "nothing to remark"
