"""`report`: the offline page of a run."""

from pathlib import Path
from typing import Any

from mobilenets.base.run import find_run


def report(run: str | Path) -> dict[str, Any]:
    """Write report.html of a run folder anew: {"report": its path}.

    Raises RunError when `run` is no run folder or has reached nothing yet, StorageError.
    """
    from mobilenets.reports import write_report

    return {"report": str(write_report(find_run(Path(run))))}
