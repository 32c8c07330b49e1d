"""`mobilenets embed`: a vector for every image of a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenets.base.console import say
from mobilenets.base.errors import DataError
from mobilenets.jobs.embedder import Embedder, open_embedder, problem
from mobilenets.jobs.predict import image_files
from mobilenets.jobs.subject import Asked

if TYPE_CHECKING:
    from mobilenets.data.vectors import Vectors


def embed(
    folder: str | Path,
    *,
    model: str | Path,
    out: str | Path = "vectors.npz",
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
) -> dict[str, Any]:
    """Write a unit vector for each image below a folder, in name order, to an .npz or .parquet file.

    `model` is a run folder, a file, or the name of a network (with the published ImageNet weights unless
    `weights` says otherwise); one that was trained for something else gives the mean of its last map. Few
    images are in memory at once, and the same call goes on where it was killed. What cannot be read is said
    and left out. An .npz file has `files`, `vectors` (N, size) and `facts` (JSON).
    Raises UsageError, DataError, RunError, WeightsError, ExportError, StorageError, MissingPackage.
    """
    from mobilenets.data.vectors import check_suffix

    check_suffix(Path(out))
    embedder = open_embedder(Asked(str(model), weights, width, resolution, dialect))
    found, skipped, resumed = embed_to(Path(folder), Path(out), embedder)
    return {
        "vectors": str(out),
        "folder": str(folder),
        "model": str(model),
        "id": embedder.id,
        "size": embedder.size,
        "n": len(found.files),
        "resumed": resumed,
        "skipped": skipped,
    }


def embed_to(folder: Path, out: Path, embedder: Embedder) -> tuple["Vectors", list[dict[str, str]], int]:
    """The vectors of a folder, written; files left out with the reason; how many rows were there already.

    Raises DataError when there is no image or more than 5 % cannot be read, StorageError.
    """
    from mobilenets.data.load import find_source, leave_out
    from mobilenets.data.vectors import Rows, Vectors, load_vectors, save_vectors

    root = find_source(folder)
    if not root.is_dir():
        raise DataError(f"{root} is no folder; give a folder of images")
    paths = image_files([root])
    rows = Rows(out, embedder.size, embedder.id, paths)
    resumed = rows.done
    if resumed:
        say(f"going on behind {resumed:,} of {len(paths):,} images")
    rows.write(embedder.batches(paths[resumed:]))
    whole = rows.read()
    good = np.flatnonzero(~np.isnan(whole[:, 0]))
    unread = [paths[index] for index in np.flatnonzero(np.isnan(whole[:, 0]))]
    skipped = leave_out({path: problem(path) for path in unread}, len(paths))
    kept = whole if len(good) == len(paths) else whole[good]
    names = tuple(paths[index].relative_to(root).as_posix() for index in good)
    save_vectors(out, Vectors(root.resolve(), names, kept, embedder.facts()))
    rows.discard()
    return load_vectors(out), skipped, resumed
