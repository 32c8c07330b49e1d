"""How every benchmark ends: its document is printed, and appended to its file of results."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mobilenets.base.errors import MobilenetsError


def tell(result: dict[str, Any], results: Path) -> None:
    """Print a document and append it to `results`, one line each."""
    print(json.dumps(result, indent=2))
    results.parent.mkdir(exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


def run_script(main: Callable[[], None]) -> None:
    """Call `main`; what it cannot do, or was kept from doing by a signal, is one line and exit 1."""
    try:
        main()
    except MobilenetsError as error:
        sys.exit(str(error))
