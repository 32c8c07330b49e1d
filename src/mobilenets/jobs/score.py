"""Running a model over labelled images: the one way that `evaluate` and `fit` arrive at a figure."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobilenets.base.console import track
from mobilenets.base.errors import DataError, RunError

if TYPE_CHECKING:
    from mobilenets.arch.card import Card
    from mobilenets.arch.preprocess import Preprocess
    from mobilenets.data.dataset import Dataset, Split
    from mobilenets.runtimes import Session
    from mobilenets.tasks.classify import Scored

BATCH = 32


def card_of(session: "Session", name: str) -> "Card":
    """The card of an opened file. Raises RunError when it has none."""
    if session.card is None:
        raise RunError(
            f"{name} carries no card, so its preprocessing is not known; export it with mobilenets export"
        )
    return session.card


def score(session: "Session", dataset: "Dataset", split: "Split", name: str = "the model") -> "Scored":
    """Run a model over one split of a dataset, whose class names it must know. Raises RunError, DataError."""
    from mobilenets.tasks.classify import Scored

    card = card_of(session, name)
    known = {label: i for i, label in enumerate(card.labels)}
    strangers = [label for label in dataset.labels if label not in known]
    if strangers:
        raise DataError(
            f"the data has the class {strangers[0]!r}, which {name} does not know; "
            f"it knows {', '.join(card.labels[:8])}"
        )
    samples = dataset.split(split)
    if not samples:
        raise DataError(f"{dataset.root} has no images in its {split} split")
    truth = np.array([known[dataset.labels[sample.label]] for sample in samples])
    paths = [sample.path for sample in samples]
    return Scored(np.concatenate(list(probabilities(session, card.preprocess, paths))), truth)


def probabilities(session: "Session", record: "Preprocess", paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Probabilities (b, classes) of the images of one batch after another, with a progress bar."""
    from mobilenets.data.preprocess import read_pixels

    starts = range(0, len(paths), BATCH)
    for start in track(starts, "looking at images", len(starts)):
        batch = [read_pixels(record, path).permute(1, 2, 0).numpy() for path in paths[start : start + BATCH]]
        yield session.run(np.stack(batch))
