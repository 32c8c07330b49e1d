"""Running a model over labelled images: the one way that `evaluate` and `fit` arrive at a figure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenets.base.console import track
from mobilenets.base.errors import DataError, RunError, UsageError

if TYPE_CHECKING:
    from mobilenets.arch.card import Card
    from mobilenets.arch.preprocess import Preprocess
    from mobilenets.data.dataset import Dataset, Part
    from mobilenets.runtimes import Session
    from mobilenets.tasks import classify, embed_scored, segment_scored
    from mobilenets.tasks.detect.scored import Scored as DetectScored

    Scored = classify.Scored | DetectScored | segment_scored.Scored | embed_scored.Scored

BATCH = 32
KINDS = {"Sample": "a class for each image", "BoxedSample": "boxes", "MaskedSample": "masks"}
WANTED = {"classify": "Sample", "embed": "Sample", "detect": "BoxedSample", "segment": "MaskedSample"}


def card_of(session: "Session", name: str) -> "Card":
    """The card of an opened file. Raises RunError when it has none."""
    if session.card is None:
        raise RunError(
            f"{name} carries no card, so its preprocessing is not known; export it with mobilenets export"
        )
    return session.card


def score(
    session: "Session", dataset: "Dataset", split: "Part", name: str = "the model", *, window: int = 0
) -> "Scored":
    """Run a model over one split of a dataset, whose class names it must know, and judge it by its task.

    All kinds of result have `metrics` by name, `value`, the one that decides, and `document()`, their part of
    result.json. `window` above 0 has segmentation look at images through windows
    of so many pixels. Embeddings are looked up among those of the train split.
    Raises RunError, DataError, UsageError.
    """
    card = card_of(session, name)
    if window and card.task != "segment":
        raise UsageError(f"windows are for models that segment; {name} is one to {card.task}")
    samples = samples_of(dataset, split, card, name)
    match card.task:
        case "classify":
            return _classified(session, dataset, samples, name)
        case "detect":
            return _detected(session, dataset, samples, name)
        case "segment":
            return _segmented(session, dataset, samples, name, window)
        case _:
            return _embedded(session, dataset, samples, split, name)


def samples_of(dataset: "Dataset", split: "Part", card: "Card", name: str) -> tuple[Any, ...]:
    """The samples of a split. Raises DataError when there are none or their labels are for another task."""
    samples: tuple[Any, ...] = dataset.split(split)
    if not samples:
        raise DataError(f"{dataset.root} has no images in its {split} split")
    given, wanted = type(samples[0]).__name__, WANTED[card.task]
    if given != wanted:
        raise DataError(
            f"{name} is a model to {card.task} and needs images with {KINDS[wanted]}; "
            f"{dataset.root} was read with {KINDS.get(given, given)}"
        )
    return samples


def indices(dataset: "Dataset", card: "Card", name: str) -> list[int]:
    """The model's index of each class of the data. Raises DataError for a class it does not know."""
    known = {label: i for i, label in enumerate(card.labels)}
    strangers = [label for label in dataset.labels if label not in known]
    if strangers:
        raise DataError(
            f"the data has the class {strangers[0]!r}, which {name} does not know; "
            f"it knows {', '.join(card.labels[:8])}"
        )
    return [known[label] for label in dataset.labels]


def probabilities(session: "Session", record: "Preprocess", paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Probabilities (b, classes) of the images of one batch after another, with a progress bar."""
    for batch in batches(record, paths):
        yield session.run(batch)


def batches(record: "Preprocess", paths: Sequence[Path], size: int = BATCH) -> Iterator[np.ndarray]:
    """Images as raw pixels uint8 (b, H, W, 3), one batch after another, with a progress bar."""
    from mobilenets.data.preprocess import read_pixels

    starts = range(0, len(paths), size)
    for start in track(starts, "looking at images", len(starts)):
        batch = [read_pixels(record, path).permute(1, 2, 0).numpy() for path in paths[start : start + size]]
        yield np.stack(batch)


def _classified(
    session: "Session", dataset: "Dataset", samples: Sequence[Any], name: str
) -> "classify.Scored":
    """Probabilities beside true classes."""
    from mobilenets.tasks.classify import Scored

    card = card_of(session, name)
    own = indices(dataset, card, name)
    truth = np.array([own[sample.label] for sample in samples])
    paths = [sample.path for sample in samples]
    scores = np.concatenate(list(probabilities(session, card.preprocess, paths)))
    return Scored(scores, truth, samples, dataset.root)


def _detected(session: "Session", dataset: "Dataset", samples: Sequence[Any], name: str) -> "DetectScored":
    """Detections beside true boxes, under the rules of exported files."""
    from mobilenets.tasks.detect.scored import Scored, found

    card = card_of(session, name)
    own = indices(dataset, card, name)
    renamed = [
        replace(one, boxes=tuple(replace(box, label=own[box.label]) for box in one.boxes)) for one in samples
    ]
    seen: list[Any] = []
    for pixels in batches(card.preprocess, [one.path for one in samples]):
        sizes = [(one.width, one.height) for one in samples[len(seen) : len(seen) + len(pixels)]]
        seen += found(session.outputs(pixels), card, sizes)
    return Scored(seen, renamed, card.labels, dataset.root)


def _segmented(
    session: "Session", dataset: "Dataset", samples: Sequence[Any], name: str, window: int
) -> "segment_scored.Scored":
    """Masks beside true masks, one image after another, at the size of the true mask."""
    from mobilenets.data.dataset import IGNORED
    from mobilenets.data.images import open_rgb
    from mobilenets.data.masks import read_mask
    from mobilenets.tasks.segment_scored import Scored, by_windows, mask_of

    card = card_of(session, name)
    renamed = np.full(256, IGNORED, np.uint8)
    renamed[: len(dataset.labels)] = indices(dataset, card, name)
    scored = Scored(card.labels, dataset.root)
    pixels = (
        one for batch in batches(card.preprocess, [s.path for s in samples], 1) for one in batch[:, None]
    )
    for sample in track(samples, "looking at images", len(samples)) if window else samples:
        truth = renamed[read_mask(sample)]
        if window:
            mask = by_windows(session.run, card, open_rgb(sample.path), window)
        else:
            mask = mask_of(session.run(next(pixels))[0], card, truth.shape[::-1])
        scored.add(sample, truth, mask)
    return scored


def _embedded(
    session: "Session", dataset: "Dataset", samples: Sequence[Any], split: "Part", name: str
) -> "embed_scored.Scored":
    """Vectors of the split beside those that they look into: the train split, and what was cut from it.

    The train split and all look into themselves.
    """
    from mobilenets.tasks.embed_scored import Scored

    record = card_of(session, name).preprocess
    vectors = _vectors(session, record, samples)
    if split in ("train", "all"):
        return Scored(vectors, samples, dataset.labels, dataset.root)
    cut = dataset.val if split == "test" and "val" in dataset.made else ()
    gallery = (*dataset.train, *cut)
    return Scored(vectors, samples, dataset.labels, dataset.root, _vectors(session, record, gallery), gallery)


def _vectors(session: "Session", record: "Preprocess", samples: Sequence[Any]) -> np.ndarray:
    """Embeddings (N, size) of images."""
    return np.concatenate(list(probabilities(session, record, [sample.path for sample in samples])))
