"""`doctor`: what is wrong or remarkable about a dataset."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mobilenets.base.errors import UsageError


def doctor(
    data: str | Path, *, task: str | None = None, model: str | Path | None = None, weights: str | None = None
) -> dict[str, Any]:
    """All findings about a dataset, the worst first, and how many there are of each level and id.

    `task` is what it is meant for, by default what it is laid out for. With a `model` (as for `embed`),
    pictures that are nearly the same are looked for among all images by the vectors it makes of them.
    Raises DataError when there is no such dataset, UnknownName for a task or model, RunError, WeightsError.
    """
    from mobilenets.data.doctor import examine
    from mobilenets.data.findings import levels
    from mobilenets.data.load import find_source
    from mobilenets.jobs.embedder import open_embedder
    from mobilenets.jobs.subject import Asked

    if weights is not None and model is None:
        raise UsageError("--weights goes with --model, the network that they are for")
    source = find_source(str(data))
    embed = open_embedder(Asked(str(model), weights)).embed if model is not None else None
    findings = examine(source, task, embed)
    return {
        "data": str(source),
        "levels": levels(findings),
        "counts": dict(Counter(finding.id for finding in findings)),
        "findings": [asdict(finding) for finding in findings],
    }
