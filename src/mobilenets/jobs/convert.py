"""`convert`: a data set with boxes or masks in another layout."""

from pathlib import Path
from typing import Any


def convert(data: str | Path, *, to: str, out: str | Path, task: str | None = None) -> dict[str, Any]:
    """Write boxes ("voc", "coco", "yolo") or masks ("masks", "voc", "coco") of a data set to a new folder.

    `task` is detect or segment, by default what the data set is laid out for. Images are not changed: they
    are linked, or copied where they cannot be. What could not be used is left out and named.
    Raises DataError when the data set does not serve or `out` holds something, UnknownName for a layout or
    task, StorageError when the disk refuses.
    """
    from mobilenets.data.findings import errors, tell
    from mobilenets.data.load import find_source, read_annotated
    from mobilenets.data.writing import losses, task_for, write, writer_of

    source = find_source(data)
    task = task_for(source, to, task)
    writer_of(task, to)
    listing, findings = read_annotated(source, task)
    tell(findings)
    write(listing, task, to, Path(out))
    return {
        "data": str(source),
        "task": task,
        "to": to,
        "out": str(out),
        "labels": list(listing.labels),
        "images": {split: len(samples) for split, samples in listing.files.items()},
        "left_out": len(errors(findings)),
        "lost": losses(listing, to),
    }
