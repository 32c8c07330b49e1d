"""What a person sees: notes and progress on stderr, results on stdout, one JSON document with --json."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
NO_BARS = "MOBILENETS_NO_BARS"  # in the environment of processes that work for another one


def is_first() -> bool:
    """Whether this process speaks for all of those that `torchrun` started; true without it."""
    return os.environ.get("RANK", "0") == "0"


def say(message: str) -> None:
    """One line for a person, on stderr; nothing where nobody listens any more."""
    try:
        print(message, file=sys.stderr, flush=True)
    except OSError:  # a reader like tee dies of the same Ctrl-C: what is under way must be saved all the same
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - to the end


def emit(document: Any) -> None:
    """One JSON document, on stdout, in ASCII: any terminal and any pipe can carry it."""
    print(json.dumps(document, indent=2), flush=True)


def track(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Pass `items` through under a progress bar on stderr; silent when stderr is not a terminal."""
    if not shows_bars():
        yield from items
        return
    with progress() as bar:
        yield from bar.track(items, description=label, total=total)


def progress() -> Any:
    """A rich progress display on stderr with bar, count and time left; silent when piped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not shows_bars())


def shows_bars() -> bool:
    """Whether somebody sees progress bars: on a terminal, of the process that a person started."""
    return sys.stderr.isatty() and is_first() and NO_BARS not in os.environ


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], right: Iterable[int] = ()) -> str:
    """Rows as aligned plain text under their column names; `right` names the columns set flush right."""
    heads = list(columns)
    cells = [heads, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    flush = set(right)
    lines = [
        "  ".join(
            cell.rjust(width) if i in flush else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
