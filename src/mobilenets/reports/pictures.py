"""The images that the model was surest about, right and wrong, small enough to live inside the page."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

from mobilenets.base.errors import DataError

SIDE = 176  # pixels: sharp at the size that the page shows them, on dense screens too
SHOWN = 12


@dataclass(frozen=True)
class Picture:
    """One image as a data URI with what it is and what it was taken for; `score` is from 0 to 1."""

    uri: str
    file: str
    truth: str
    predicted: str
    score: float


def surest(
    predictions: Sequence[dict[str, Any]], labels: Sequence[str], root: Path, *, right: bool
) -> list[Picture]:
    """The most confident predictions that are right, or wrong, at most SHOWN.

    Of the right ones each class comes once before any comes twice. `predictions` are those of result.json,
    their files lie under `root`; an image that is gone or lies elsewhere is passed over.
    """
    picked = [item for item in predictions if (item["label"] == item["predicted"]) is right]
    ranked = sorted(picked, key=lambda item: (-item["score"], item["file"]))
    return list(islice(_pictures(_in_turns(ranked) if right else ranked, labels, root), SHOWN))


def _in_turns(ranked: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best of each class, then the second best of each, and so on."""
    seen: dict[int, int] = {}
    turns = []
    for item in ranked:
        turn = seen[item["label"]] = seen.get(item["label"], -1) + 1
        turns.append((turn, item))
    return [item for _, item in sorted(turns, key=lambda pair: pair[0])]


def _pictures(items: Iterable[dict[str, Any]], labels: Sequence[str], root: Path) -> Iterator[Picture]:
    """Those of the predictions whose image can be read."""
    for item in items:
        if uri := data_uri(root, item["file"]):
            truth, predicted = labels[item["label"]], labels[item["predicted"]]
            yield Picture(uri, item["file"], truth, predicted, item["score"])


def data_uri(root: Path, file: str) -> str | None:
    """A thumbnail of `file` under `root` as a JPEG data URI, None when it cannot be had."""
    from mobilenets.data.images import open_rgb

    relative = PurePath(file)
    if relative.is_absolute() or ".." in relative.parts or not (root / relative).is_file():
        return None
    try:
        image = open_rgb(root / relative)
    except DataError:
        return None
    image.thumbnail((SIDE, SIDE))
    content = BytesIO()
    image.save(content, format="JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
