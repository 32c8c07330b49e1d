"""What commands print for people: tables on stdout, in colour on a terminal and plain where piped."""

import sys
from collections.abc import Collection, Iterable, Mapping
from shutil import get_terminal_size
from typing import Any

from mobilenets.base import console


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], right: Collection[int] = ()) -> None:
    """Print rows under their column names; `right` holds the indices of columns set flush right.

    On a terminal they are drawn in colour, unless it is too narrow: then its own wrapping reads better.
    """
    columns, rows = list(columns), [list(row) for row in rows]
    text = console.table(columns, rows, right)
    widest = max(map(len, text.splitlines()))
    if not sys.stdout.isatty() or widest > get_terminal_size().columns:
        print(text)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        drawn.add_column(column, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[Text(str(cell)) for cell in row])  # as Text: a [file] name is no markup
    Console().print(drawn)


def facts(document: Mapping[str, Any]) -> None:
    """Print the plain values of a document, one per line under its key; what is nested is left to --json."""
    plain = {
        key.replace("_", " "): value
        for key, value in document.items()
        if value is not None and not isinstance(value, dict | list)
    }
    width = max(map(len, plain), default=0)
    for key, value in plain.items():
        print(f"{key:<{width}}  {value:.4g}" if isinstance(value, float) else f"{key:<{width}}  {value}")


def millions(count: float) -> str:
    """A count of parameters or multiply-accumulates, in millions."""
    return f"{count / 1e6:,.2f} M" if count < 1e8 else f"{count / 1e6:,.1f} M"


def percent(share: float | None) -> str:
    """A share between 0 and 1 in per cent, or a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
