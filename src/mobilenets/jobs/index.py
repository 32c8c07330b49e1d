"""`mobilenets index`: an index on disk over the vectors of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import UsageError
from mobilenets.jobs.embed import embed_to
from mobilenets.jobs.embedder import open_embedder
from mobilenets.jobs.subject import Asked

if TYPE_CHECKING:
    from mobilenets.data.vectors import Vectors

VECTORS = "vectors"


def index(
    source: str | Path,
    *,
    out: str | Path = "photos.usearch",
    model: str | Path | None = None,
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
) -> dict[str, Any]:
    """Write an index over vectors, which `similar` maps into memory, and its facts beside it as JSON.

    `source` is a file that `embed` wrote, or a folder of images, which `model` (as for `embed`) then embeds
    into an .npz file beside the index. How searches go about it is chosen on vectors that are held back:
    `recall` is the share of their 10 true neighbours that were found, `expansion` 0 means that every search
    looks at all vectors. Raises UsageError, DataError, StorageError, MissingPackage and, for a folder, as
    `embed` does.
    """
    from mobilenets.data.neighbours import build_index

    place = Path(out)
    _check_out(place)
    if model is None and any(one is not None for one in (weights, width, resolution, dialect)):
        raise UsageError(
            "weights, width, resolution and dialect go with the name of a model; give --model too"
        )
    asked = None if model is None else Asked(str(model), weights, width, resolution, dialect)
    found, vectors = _vectors(Path(source), place, asked)
    facts = build_index(place, found)
    return {
        "index": str(place),
        "vectors": str(vectors),
        "model": facts.model["model"],
        "id": facts.model["id"],
        "size": found.vectors.shape[1],
        "n": len(found.files),
        "bytes": place.stat().st_size,
        "expansion": facts.expansion,
        "recall": facts.recall,
    }


def _check_out(out: Path) -> None:
    """Raise UsageError for a place that is meant for something else, MissingPackage without usearch."""
    from mobilenets.data.neighbours import check_place, package

    package()
    if out.is_dir() or out.suffix.lower() in (".npz", ".parquet", ".json"):
        raise UsageError(f"the index goes to a file of its own such as photos.usearch, got {out}")
    check_place(out)


def _vectors(source: Path, out: Path, asked: Asked | None) -> tuple["Vectors", Path]:
    """The vectors of a source and the file they lie in. Raises UsageError unless the model is settled."""
    from mobilenets.data.vectors import SUFFIXES, load_vectors

    if source.suffix.lower() in SUFFIXES and not source.is_dir():
        if asked is not None:
            raise UsageError(f"{source} already says its model; leave --model out")
        return load_vectors(source), source
    if asked is None:
        raise UsageError(
            f"give --model to embed the images of {source}, or a file that mobilenets embed wrote"
        )
    vectors = out.with_name(f"{out.name}.npz")
    return embed_to(source, vectors, open_embedder(asked))[0], vectors
