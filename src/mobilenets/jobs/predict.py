"""`mobilenets predict`: what a model sees in images and videos."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.console import say, track
from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.files import replacing, write_json, write_text
from mobilenets.jobs.seeing import Reader, Seen, Wish, reader_for
from mobilenets.jobs.subject import Asked, open_subject
from mobilenets.jobs.watching import Places, watch

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 8  # images in memory at once
WRITTEN = (".csv", ".json", ".mp4")
# Names of files that some expect and nobody writes here; other suffixes may be a folder's.
TEXTS = (".txt", ".tsv", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".pdf", ".xlsx", ".parquet", ".zip")


def predict(
    model: str | Path,
    images: Iterable[str | Path] | str | Path,
    *,
    top: int = 1,
    score: float | None = None,
    nms: str | None = None,
    window: int | None = None,
    out: str | Path | None = None,
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    target: str | None = None,
) -> dict[str, Any]:
    """What a model sees: `predictions`, one for each image or video, with its `file` and what its task gives.

    Classification gives index, label and score, and with `top` above 1 the list `top`. Detection gives
    `boxes` with at least `score` (0.3): index, label, score and `box`, the corners x1, y1, x2, y2 in pixels
    of the image; `nms` chooses the rules by which boxes compete: file (that of exported files), mediapipe or
    torchvision. Segmentation gives `shares` of the classes, and where `out` is a folder the paths `mask` and
    `overlay`; with `window` images are seen through windows of so many pixels. Of a video there is the count
    of `frames`, and for each of `classes` in how many it is and its highest figure.

    `images` are files and folders (searched for images to any depth, in name order). `out` is a .json or .csv
    file, a folder for pictures with both in it, or, for one video, an .mp4 file with both beside it.
    Raises UsageError, DataError, RunError, WeightsError, ExportError, MissingPackage, StorageError.
    """
    from mobilenets.data.video import is_video

    given = [Path(one) for one in ([images] if isinstance(images, str | Path) else images)]
    clips = [path for path in given if is_video(path) and not path.is_dir()]
    stills = [path for path in given if path not in clips]
    place = Path(out) if out is not None else None
    _check(place, stills, clips)
    session = open_subject(Asked(str(model), weights, width, resolution, dialect).published(), target)
    reader = reader_for(session, str(model), Wish(top, score, nms, window))
    folder = _folder(place)
    paths, skipped = _readable(image_files(stills, folder)) if stills or not clips else ([], [])
    names = _names([*paths, *clips])
    seen = [_told(path, one, folder, next(names)) for path, one in _looked(reader, paths)]
    watched, broken = _watched(reader, [(clip, _places(place, next(names))) for clip in clips], str(model))
    if broken and not (seen or watched):
        raise DataError(broken[0]["problem"])
    document = {
        "model": str(model),
        "target": str(session.target),
        "predictions": [*(one.document for one in seen), *watched],
        "skipped": [*skipped, *broken],
    }
    if place is not None and (stills or folder):
        rows = [{"file": one.document["file"], **row} for one in seen for row in one.rows]
        _write(place, document, ("file", *reader.columns), rows)
    return document


def _watched(
    reader: Reader, clips: Sequence[tuple[Path, Places]], model: str
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """What each video gives, and those that cannot be read, with their reason, said."""
    documents, broken = [], []
    for clip, place in clips:
        try:
            documents.append(watch(reader, clip, place, model))
        except DataError as error:
            broken.append({"file": str(clip), "problem": str(error)})
            say(f"left out {error}")
    return documents, broken


def image_files(images: Iterable[str | Path], but: Path | None = None) -> list[Path]:
    """The image files among files and folders, without what lies in the folder `but`: drawn results.

    Raises DataError when one is missing or a folder has none.
    """
    from mobilenets.data.images import SUFFIXES, has_image_suffix
    from mobilenets.data.listing import walk

    paths: list[Path] = []
    for image in images:
        place = Path(image)
        if place.is_dir():
            try:
                found = sorted(path for path in walk(place) if path.is_file() and has_image_suffix(path))
            except OSError as error:
                raise DataError(f"{place} cannot be listed: {error.strerror}") from error
            if but and but.resolve() != place.resolve() and but.resolve().is_relative_to(place.resolve()):
                found = [path for path in found if not path.resolve().is_relative_to(but.resolve())]
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


@dataclass(frozen=True)
class Told:
    """One image's part of the document and of the table."""

    document: dict[str, Any]
    rows: list[dict[str, Any]]


def _check(out: Path | None, stills: Sequence[Path], clips: Sequence[Path]) -> None:
    """Refuse what cannot be written before anything runs. Raises UsageError, DataError."""
    from mobilenets.data import video
    from mobilenets.data.images import has_image_suffix

    for clip in clips:
        video.package()
        if not clip.exists():
            raise DataError(f"{clip} does not exist; give image files, folders or videos")
    if out is None:
        return
    if any(still.is_dir() and still.resolve() == out.resolve() for still in stills):
        raise UsageError(f"{out} holds the images themselves; give another folder as --out")
    suffix = out.suffix.lower()
    if suffix in (*video.SUFFIXES, *TEXTS) and suffix not in WRITTEN and not out.is_dir():
        raise UsageError(f"{out} cannot be written; give a folder, or a {', '.join(WRITTEN)} file as --out")
    if (folder := _folder(out)) and (folder.is_file() or has_image_suffix(folder)):
        raise UsageError(f"{out} is a file's name; give a folder, or a .csv, .json or .mp4 as --out")
    if out.suffix.lower() == ".mp4" and (stills or len(clips) != 1):
        raise UsageError(f"{out} can take one video; give a folder as --out for images and several videos")
    if _folder(out) is None and clips and (stills or len(clips) > 1):
        raise UsageError(f"{out} cannot hold frames beside other results; give a folder as --out")
    if any(clip.resolve() == out.resolve() for clip in clips):
        raise UsageError(f"{out} is the video itself; write to another file")


def _folder(out: Path | None) -> Path | None:
    """The place as a folder, None where it is a file or nowhere."""
    return None if out is None or out.suffix.lower() in WRITTEN else out


def _places(out: Path | None, name: str) -> Places:
    """Where the results of a video go."""
    if out is None:
        return Places()
    match out.suffix.lower():
        case ".json":
            return Places(json=out)
        case ".csv":
            return Places(csv=out)
        case ".mp4":
            return Places(out, out.with_suffix(".json"), out.with_suffix(".csv"))
        case _:
            return Places(*(out / f"{name}{suffix}" for suffix in (".mp4", ".json", ".csv")))


def _names(paths: Sequence[Path]) -> Iterator[str]:
    """Names of results, numbered so that equal names of files do not meet."""
    digits = len(str(len(paths)))
    yield from (f"{number:0{digits}}_{path.stem}" for number, path in enumerate(paths))


def _looked(reader: Reader, paths: Sequence[Path]) -> Iterator[tuple[Path, tuple["Image", Seen]]]:
    """Each file with its image and what was seen in it; few images are in memory at once."""
    from mobilenets.data.images import open_rgb

    starts = range(0, len(paths), BATCH)
    for start in track(starts, "looking at images", len(starts)):
        few = paths[start : start + BATCH]
        images = [open_rgb(path) for path in few]
        yield from zip(few, zip(images, reader.see(images), strict=True), strict=True)


def _told(path: Path, pair: tuple["Image", Seen], folder: Path | None, name: str) -> Told:
    """What is told of an image; its pictures are written when there is a folder for them."""
    image, seen = pair
    document = {"file": str(path), **seen.fields}
    if folder is None:
        return Told(document, seen.rows)
    drawn = folder / f"{name}.jpg"
    with replacing(drawn) as draft:
        seen.drawn(image, False).save(draft, format="JPEG", quality=90)
    if seen.mask is not None:
        document |= {"mask": str(_saved_mask(seen.mask, folder / "masks" / f"{name}.png"))}
        document |= {"overlay": str(drawn)}
    return Told(document, seen.rows)


def _saved_mask(mask: Any, path: Path) -> Path:
    """A mask written as a palette PNG of class indices."""
    from mobilenets.reports.masks import palette_picture

    with replacing(path) as draft:
        palette_picture(mask).save(draft, format="PNG", optimize=True)
    return path


def _readable(paths: Sequence[Path]) -> tuple[list[Path], list[dict[str, str]]]:
    """Files that decode, and the others with their reason, said. Raises DataError when too many do not."""
    from mobilenets.data.images import inspect_all
    from mobilenets.data.load import leave_out

    facts = inspect_all(paths)
    skipped = leave_out({fact.path: fact.problem for fact in facts if fact.problem}, len(paths))
    return [fact.path for fact in facts if not fact.problem], skipped


def _write(out: Path, document: dict[str, Any], columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """Predictions as JSON, as CSV, or both in a folder. Raises StorageError."""
    match out.suffix.lower():
        case ".json":
            write_json(out, document)
        case ".csv":
            write_text(out, _csv(columns, rows))
        case _:
            write_json(out / "predictions.json", document)
            write_text(out / "predictions.csv", _csv(columns, rows))


def _csv(columns: Sequence[str], rows: list[dict[str, Any]]) -> str:
    """One row per image, box or class."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
