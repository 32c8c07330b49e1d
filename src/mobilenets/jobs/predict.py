"""`mobilenets predict`: what a model sees in images."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilenets.base.console import say, track
from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.files import replacing, write_json, write_text
from mobilenets.jobs.score import card_of, probabilities
from mobilenets.jobs.subject import Asked, open_subject


def predict(
    model: str | Path,
    images: Iterable[str | Path] | str | Path,
    *,
    top: int = 1,
    out: str | Path | None = None,
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    target: str | None = None,
) -> dict[str, Any]:
    """The most probable class of each image: `predictions` with file, index, label and score.

    `images` are files and folders (searched to any depth, in name order). With `top` above 1 each prediction
    also has the list `top`. `out` is a .json or .csv file, or a folder for drawn results with both in it.
    Raises UsageError, DataError, RunError, WeightsError, ExportError.
    """
    if top < 1:
        raise UsageError(f"top must be at least 1, got {top}")
    from mobilenets.tasks.classify import decode

    session = open_subject(Asked(str(model), weights, width, resolution, dialect), target)
    card = card_of(session, str(model))
    paths, skipped = _readable(image_files([images] if isinstance(images, str | Path) else images))
    found = np.concatenate(list(probabilities(session, card.preprocess, paths)))
    document = {
        "model": str(model),
        "target": str(session.target),
        "predictions": [
            {"file": str(path), **best[0], **({"top": best} if top > 1 else {})}
            for path, best in zip(paths, decode(found, card.labels, top), strict=True)
        ],
        "skipped": skipped,
    }
    if out is not None:
        _write(Path(out), document)
    return document


def image_files(images: Iterable[str | Path]) -> list[Path]:
    """The image files among files and folders. Raises DataError when one is missing or a folder has none."""
    from mobilenets.data.images import SUFFIXES, has_image_suffix

    paths: list[Path] = []
    for image in images:
        place = Path(image)
        if place.is_dir():
            found = sorted(path for path in place.rglob("*") if path.is_file() and has_image_suffix(path))
            if not found:
                raise DataError(f"{place} holds no image ({', '.join(SUFFIXES)})")
            paths += found
        elif place.exists():
            paths.append(place)
        else:
            raise DataError(f"{place} does not exist; give image files or folders")
    if not paths:
        raise UsageError("no images were given; name files or folders")
    return paths


def _readable(paths: Sequence[Path]) -> tuple[list[Path], list[dict[str, str]]]:
    """Files that decode, and the others with their reason. Raises DataError when too many do not."""
    from mobilenets.data.images import inspect_all
    from mobilenets.data.load import LIMIT

    facts = inspect_all(paths)
    bad = [{"file": str(fact.path), "problem": fact.problem} for fact in facts if fact.problem]
    if len(bad) > LIMIT * len(paths):
        raise DataError(
            f"{len(bad)} of {len(paths)} images cannot be read: first: {bad[0]['file']}, {bad[0]['problem']}"
        )
    for item in bad:
        say(f"skipped {item['file']}: {item['problem']}")
    return [fact.path for fact in facts if not fact.problem], bad


def _write(out: Path, document: dict[str, Any]) -> None:
    """Predictions as JSON, as CSV, or as a folder with both and the pictures. Raises StorageError."""
    match out.suffix.lower():
        case ".json":
            write_json(out, document)
        case ".csv":
            write_text(out, _csv(document["predictions"]))
        case _:
            write_json(out / "predictions.json", document)
            write_text(out / "predictions.csv", _csv(document["predictions"]))
            _draw(out, document["predictions"])


def _csv(predictions: list[dict[str, Any]]) -> str:
    """One row per image."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, ["file", "index", "label", "score"], extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(predictions)
    return text.getvalue()


def _draw(folder: Path, predictions: list[dict[str, Any]]) -> None:
    """Each image with its label and score beneath, numbered so that equal names do not meet."""
    from mobilenets.data.images import open_rgb
    from mobilenets.reports.drawing import draw_prediction

    digits = len(str(len(predictions)))
    for number, item in enumerate(track(predictions, "drawing", len(predictions))):
        picture = draw_prediction(open_rgb(Path(item["file"])), item["label"], item["score"])
        name = f"{number:0{digits}}_{Path(item['file']).stem}.jpg"
        with replacing(folder / name) as draft:
            picture.save(draft, format="JPEG", quality=90)
