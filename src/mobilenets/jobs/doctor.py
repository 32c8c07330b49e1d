"""`doctor`: what is wrong or remarkable about a dataset."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any


def doctor(data: str | Path, *, task: str | None = None) -> dict[str, Any]:
    """All findings about a dataset, the worst first, and how many there are of each level and id.

    `task` is what it is meant for, by default what it is laid out for.
    Raises DataError when there is no such dataset, UnknownName for a task.
    """
    from mobilenets.data.doctor import examine
    from mobilenets.data.findings import levels
    from mobilenets.data.load import find_source

    source = find_source(str(data))
    findings = examine(source, task)
    return {
        "data": str(source),
        "levels": levels(findings),
        "counts": dict(Counter(finding.id for finding in findings)),
        "findings": [asdict(finding) for finding in findings],
    }
