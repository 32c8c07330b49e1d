"""`mobilenets similar`: the images of an index that look most like one image."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.files import replacing
from mobilenets.jobs.embedder import Embedder, open_embedder
from mobilenets.jobs.subject import Asked

if TYPE_CHECKING:
    from mobilenets.data.neighbours import Facts, Neighbour

NAMED = ("weights", "width", "resolution", "dialect")
PICTURES = (".jpg", ".jpeg", ".png")


def similar(
    image: str | Path,
    *,
    index: str | Path = "photos.usearch",
    k: int = 8,
    out: str | Path | None = None,
    model: str | Path | None = None,
    weights: str | None = None,
) -> dict[str, Any]:
    """The `k` images of an index nearest to one, the nearest first: `neighbours` with file and similarity.

    Similarity is the cosine of the vectors, 1 for the same. The image itself does not count where it lies in
    the index. `out` is a .jpg or .png for a strip of the pictures. The index says which model it was made
    with; `model` and `weights` say where that lies now. Raises DataError where it is another one, UsageError,
    RunError, WeightsError, StorageError, MissingPackage.
    """
    from mobilenets.data.neighbours import open_index

    if k < 1:
        raise UsageError(f"k must be at least 1, got {k}")
    if out is not None and Path(out).suffix.lower() not in PICTURES:
        raise UsageError(f"the strip is a {', '.join(PICTURES)} file, got {out}")
    photo = Path(image)
    if not photo.is_file():
        raise DataError(f"{photo} does not exist; give an image file")
    if out is not None and Path(out).resolve() == photo.resolve():
        raise UsageError(f"{out} is the image itself; write the strip to another file")
    opened = open_index(Path(index))
    embedder = _embedder_of(opened.facts, Path(index), model, weights)
    root, own = Path(opened.facts.root), photo.resolve()
    found = [one for one in opened.search(embedder.embed([photo])[0], k + 1) if root / one.file != own][:k]
    if out is not None:
        _draw(photo, root, found, Path(out))
    return {
        "image": str(photo),
        "index": str(index),
        "model": embedder.asked.model,
        "n": len(opened),
        "neighbours": [{"file": str(root / one.file), "similarity": one.similarity} for one in found],
    }


def _embedder_of(facts: "Facts", index: Path, model: str | Path | None, weights: str | None) -> Embedder:
    """The model that an index was made with. Raises DataError when it is another one."""
    known = facts.model
    asked = Asked(
        str(known.get("model")), weights or known.get("weights"), *(known.get(key) for key in NAMED[1:])
    )
    if model is not None:
        asked = Asked(str(model), weights)
        if asked.is_name:
            asked = Asked(asked.model, weights, *(known.get(key) for key in NAMED[1:]))
    elif Path(asked.model).is_absolute() and asked.is_name:
        raise DataError(
            f"{index} was made with {asked.model}, which is gone; say with --model where it is now"
        )
    embedder = open_embedder(asked)
    if embedder.id != known["id"]:
        raise DataError(
            f"{index} was made with another model than {asked.model} ({known['id'][:8]}, not "
            f"{embedder.id[:8]}), whose vectors do not compare; give that one as --model, or index again"
        )
    return embedder


def _draw(photo: Path, root: Path, found: "list[Neighbour]", out: Path) -> None:
    """The strip of an image and its neighbours. Raises StorageError."""
    from mobilenets.reports.strips import draw_strip

    picture = draw_strip(photo, [(root / one.file, f"{one.similarity:.3f}", one.file) for one in found])
    with replacing(out) as draft:
        picture.save(draft, format="PNG" if out.suffix.lower() == ".png" else "JPEG", quality=90)
