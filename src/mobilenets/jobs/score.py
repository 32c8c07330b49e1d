"""Running a model over labelled images: the one way that `evaluate` and `fit` arrive at a figure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenets.base.console import track
from mobilenets.base.errors import DataError, RunError

if TYPE_CHECKING:
    from mobilenets.arch.card import Card
    from mobilenets.arch.preprocess import Preprocess
    from mobilenets.data.dataset import Dataset, Sample, Split
    from mobilenets.runtimes import Session

BATCH = 32


@dataclass(frozen=True)
class Scored:
    """Probabilities (N, classes) for N images and their true classes (N,)."""

    probabilities: np.ndarray
    truth: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, (N,)."""
        best: np.ndarray = self.probabilities.argmax(axis=1)
        return best

    @property
    def top1(self) -> float:
        """The share of images whose most probable class is the true one."""
        return float((self.predicted == self.truth).mean())

    def top(self, k: int) -> float:
        """The share of images whose true class is among the `k` most probable."""
        best = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return float((best == self.truth[:, None]).any(axis=1).mean())

    def confusion(self) -> list[list[int]]:
        """Counts, one row per true class, one column per predicted class."""
        classes = self.probabilities.shape[1]
        counts = np.zeros((classes, classes), dtype=int)
        np.add.at(counts, (self.truth, self.predicted), 1)
        return counts.tolist()

    def per_class(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Images, recall and precision of every class that occurs, in class order."""
        rows = []
        for index in np.unique(self.truth):
            of_class, guessed = self.truth == index, self.predicted == index
            hits = int((of_class & guessed).sum())
            rows.append(
                {
                    "label": labels[index],
                    "n": int(of_class.sum()),
                    "recall": hits / int(of_class.sum()),
                    "precision": hits / int(guessed.sum()) if guessed.any() else None,
                }
            )
        return rows

    def predictions(self, samples: "Sequence[Sample]", root: Path) -> list[dict[str, Any]]:
        """File, true class, predicted class and its probability of every image."""
        return [
            {
                "file": sample.path.relative_to(root).as_posix(),
                "label": int(label),
                "predicted": int(guess),
                "score": round(float(row[guess]), 6),
            }
            for sample, label, guess, row in zip(
                samples, self.truth, self.predicted, self.probabilities, strict=True
            )
        ]


def card_of(session: "Session", name: str) -> "Card":
    """The card of an opened file. Raises RunError when it has none."""
    if session.card is None:
        raise RunError(
            f"{name} carries no card, so its preprocessing is not known; export it with mobilenets export"
        )
    return session.card


def score(session: "Session", dataset: "Dataset", split: "Split", name: str = "the model") -> Scored:
    """Run a model over one split of a dataset, whose class names it must know. Raises RunError, DataError."""
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
