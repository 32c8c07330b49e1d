"""How every benchmark ends: its document is printed, and appended to its file of results."""

import json
from pathlib import Path
from typing import Any


def tell(result: dict[str, Any], results: Path) -> None:
    """Print a document and append it to `results`, one line each."""
    print(json.dumps(result, indent=2))
    results.parent.mkdir(exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
