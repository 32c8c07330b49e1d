"""The set of sign pictures on disk: every file follows from its split, class and number alone."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mobilenets.base.console import track
from mobilenets.base.errors import DataError, StorageError
from mobilenets.base.files import cache_folder, filling, write_json
from mobilenets.data.signs.faces import LABELS
from mobilenets.data.signs.scenes import PIXELS, compose

VERSION = 1  # goes up whenever the pictures change, so that an older set is not taken for this one
COUNTS = {"train": 125, "val": 25, "test": 25}  # pictures per class
INDEX = "annotations.json"


class Task(NamedTuple):
    """Which picture to make."""

    split: int
    split_name: str
    label: str
    number: int


def signs(folder: Path | None = None, counts: Mapping[str, int] = COUNTS) -> Path:
    """The folder of images, split/CLASS/NNN.jpg, of the embedded data set; it is made where it is absent.

    It lies in `folder`, by default in the cache, beside `masks` (PNG: 0 for none, else 1 + class) and
    `annotations.json` (class and boxes of each picture's signs, the main sign first). The same Pillow and
    NumPy make the same bytes. Raises DataError when `folder` holds something else, StorageError when the disk
    refuses.
    """
    home = folder or cache_folder() / f"signs-{VERSION}"
    if not (home / INDEX).exists():
        if home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise DataError(f"{home} exists and is not the signs data set; give another folder")
        try:
            with filling(home) as draft:
                _fill(draft, counts)
        except StorageError:
            if not (home / INDEX).exists():  # else another process was quicker
                raise
    return home / "images"


def _fill(home: Path, counts: Mapping[str, int]) -> None:
    """Make all pictures on all cores, then the index."""
    for split in counts:
        for label in LABELS:
            (home / "images" / split / label).mkdir(parents=True)
            (home / "masks" / split / label).mkdir(parents=True)
    tasks = [
        Task(place, split, label, number)
        for place, split in enumerate(counts)
        for label in LABELS
        for number in range(counts[split])
    ]
    images = list(track(_made(home, tasks), "drawing signs", len(tasks)))
    write_json(
        home / INDEX, {"version": VERSION, "size": [PIXELS, PIXELS], "labels": LABELS, "images": images}
    )


def _made(home: Path, tasks: list[Task]) -> Iterator[dict[str, Any]]:
    """The entries of the pictures, in order, as their files are written."""
    make = partial(_make, home)
    # Other ways to start a process run the caller's script anew, which it may not expect
    if "fork" not in multiprocessing.get_all_start_methods():
        yield from map(make, tasks)
        return
    # Ctrl-C reaches the whole group; only this process shall speak of it
    quiet = (signal.SIGINT, signal.SIG_IGN)
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), signal.signal, quiet) as pool:
        yield from pool.imap(make, tasks, chunksize=20)


def _make(home: Path, task: Task) -> dict[str, Any]:
    """Write one picture and its mask; its entry in the index."""
    rng = np.random.default_rng((VERSION, task.split, LABELS.index(task.label), task.number))
    scene = compose(rng, task.label)
    name = f"{task.split_name}/{task.label}/{task.number:03}"
    _save(scene.image, home / "images" / f"{name}.jpg", format="JPEG", quality=92)
    _save(scene.mask, home / "masks" / f"{name}.png", format="PNG")
    found = [{"label": sign.label, "box": sign.box} for sign in scene.signs]
    return {"image": f"images/{name}.jpg", "mask": f"masks/{name}.png", "label": task.label, "signs": found}


def _save(image: Image.Image, path: Path, **options: Any) -> None:
    """Encode in memory, then write: Pillow by itself takes a file cut short by a full disk for written."""
    content = BytesIO()
    image.save(content, **options)
    path.write_bytes(content.getvalue())
