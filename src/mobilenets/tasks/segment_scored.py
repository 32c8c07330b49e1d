"""A segmenter's file over labelled images: its masks, how good they are, and what a report tells of them."""

import base64
import zlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.base.errors import DataError, UsageError
from mobilenets.data.dataset import IGNORED, MaskedSample
from mobilenets.data.preprocess import pixels

WORST, BEST = 8, 4  # images whose masks are kept for the report
SIDE = 640  # longer side in pixels of a mask that is kept for the report
METRICS = ("mIoU", "pixel_accuracy")

Run = Callable[[np.ndarray], np.ndarray]  # raw pixels (B, S, S, 3) to probabilities (B, S, S, classes)


def mask_of(output: np.ndarray, card: Card, size: tuple[int, int]) -> np.ndarray:
    """The mask uint8 (H, W) of an image of `size` (width, height) from a file's output for it.

    Probabilities (h, w, classes) are scaled bilinearly to the image, then the highest class wins, the lower
    index among equals. A file that gives classes (h, w) has them scaled by the nearest pixel.
    """
    if card.outputs == "argmax":
        classes = torch.from_numpy(np.ascontiguousarray(output)).reshape(1, 1, *output.shape[:2]).float()
        nearest = F.interpolate(classes, size[::-1], mode="nearest-exact")[0, 0]
        mask: np.ndarray = nearest.to(torch.uint8).numpy()
        return mask
    best = np.zeros(size[::-1], np.uint8)
    highest = np.full(size[::-1], -1, np.float32)
    for index in range(output.shape[2]):  # one plane at a time: all of a photograph's do not fit in memory
        plane = torch.from_numpy(np.ascontiguousarray(output[None, None, ..., index]))
        scaled = F.interpolate(plane, size[::-1], mode="bilinear", align_corners=False)[0, 0].numpy()
        higher = scaled > highest
        best[higher], highest[higher] = index, scaled[higher]
    return best


def by_windows(run: Run, card: Card, image: Image.Image, side: int) -> np.ndarray:
    """The mask uint8 (H, W) of an image seen through square windows of `side` pixels, half overlapping; in
    smaller images of their shorter side.

    Each window is scaled to the network's input, its probabilities back to the window; where windows overlap
    they are added up, which decides as their mean does. Raises UsageError for a file without probabilities.
    """
    if card.outputs == "argmax":
        raise UsageError("the file gives classes only, and windows need scores; export it with --form scores")
    width, height = image.size
    side = min(side, width, height)
    winner = np.zeros((height, width), np.uint8)
    total = np.zeros((side, width, card.arch.head.classes), np.float32)  # of one row of windows: all are much
    tops = _starts(height, side)
    for y, following in zip(tops, [*tops[1:], height], strict=True):
        for x in _starts(width, side):
            part = image.crop((x, y, x + side, y + side))
            scores = torch.from_numpy(run(_batch(card.preprocess, part))).permute(0, 3, 1, 2)
            scaled = F.interpolate(scores, (side, side), mode="bilinear", align_corners=False)
            total[:, x : x + side] += scaled[0].permute(1, 2, 0).numpy()
        done = following - y  # rows that no further window reaches
        winner[y:following] = total[:done].argmax(axis=2)
        total[: side - done] = total[done:]
        total[side - done :] = 0
    return winner


def _starts(length: int, side: int) -> list[int]:
    """Where windows begin along one side: half a window apart, the last at the end."""
    return [*range(0, length - side, max(1, side // 2)), length - side]


def _batch(record: Preprocess, image: Image.Image) -> np.ndarray:
    """One image as raw pixels (1, S, S, 3)."""
    batch: np.ndarray = pixels(record, image).permute(1, 2, 0).numpy()[None]
    return batch


def counted(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Pixels by true class (rows) and predicted class (columns), int64; those that are ignored left out."""
    counts: np.ndarray = np.bincount(
        truth[truth != IGNORED].astype(np.int64) * classes + predicted[truth != IGNORED],
        minlength=classes * classes,
    ).reshape(classes, classes)
    return counts


def ious(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class (classes,); NaN for one that is neither there nor predicted."""
    hits = np.diag(counts).astype(np.float64)
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    shares: np.ndarray = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
    return shares


def figures(counts: np.ndarray, n: int) -> dict[str, float]:
    """From pixel counts (classes, classes) of `n` masks, by true class and predicted: the mean IoU over the
    classes that are there or predicted, and the share of pixels that are right.

    Raises DataError where no pixel has a class.
    """
    if not counts.sum():
        raise DataError(f"no pixel of the {n} masks to judge by has a class; put images with classes there")
    return {"mIoU": float(np.nanmean(ious(counts))), "pixel_accuracy": float(np.trace(counts) / counts.sum())}


@dataclass(frozen=True)
class Judged:
    """One image: the mean IoU over the classes that are there or predicted; 1 where nothing is labelled."""

    sample: MaskedSample
    iou: float


@dataclass(frozen=True)
class Pictured:
    """Both masks of an image, small and packed."""

    judged: Judged
    truth: bytes
    predicted: bytes
    size: tuple[int, int]


@dataclass(eq=False)
class Scored:
    """Masks judged image by image as they come; files lie under `root`.

    `counts` are the pixels of all images by true and predicted class, `pictured` the worst and the best
    images, the worst first: the masks of all would not fit in memory.
    """

    labels: tuple[str, ...]
    root: Path
    metric: str = "mIoU"
    images: list[Judged] = field(default_factory=list)
    pictured: list[Pictured] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with no pixel."""
        self.counts = np.zeros((len(self.labels), len(self.labels)), np.int64)

    def __len__(self) -> int:
        """How many images."""
        return len(self.images)

    def add(self, sample: MaskedSample, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Judge one image; both masks are uint8 (H, W)."""
        counts = counted(truth, predicted, len(self.labels))
        self.counts += counts
        each = ious(counts)
        self.images.append(Judged(sample, 1.0 if np.isnan(each).all() else float(np.nanmean(each))))
        self._picture(self.images[-1], truth, predicted)

    def _picture(self, judged: Judged, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Keep the masks if the image is among the worst or the best so far."""
        place = bisect_right([one.judged.iou for one in self.pictured], judged.iou)
        if len(self.pictured) == WORST + BEST:
            if place == WORST:
                return
            del self.pictured[WORST - 1 if place < WORST else WORST]
            place -= place > WORST
        small = [_small(mask) for mask in (truth, predicted)]
        height, width = small[0].shape
        real, guess = (zlib.compress(mask.tobytes(), 1) for mask in small)
        self.pictured.insert(place, Pictured(judged, real, guess, (width, height)))

    @property
    def metrics(self) -> dict[str, float]:
        """The mIoU over the classes that are there or predicted, and the share of pixels that are right.

        Raises DataError where no pixel has a class.
        """
        return figures(self.counts, len(self))

    @property
    def value(self) -> float:
        """The metric that decides."""
        return self.metrics[self.metric]

    def confusion(self) -> list[list[int]]:
        """Pixels, one row per true class, one column per predicted class."""
        counts: list[list[int]] = self.counts.tolist()
        return counts

    def per_class(self) -> list[dict[str, Any]]:
        """Each class that is there or predicted: `label`, `n` pixels, `IoU`, `accuracy` (of its pixels)."""
        n, hits = self.counts.sum(axis=1), np.diag(self.counts)
        return [
            {
                "label": label,
                "n": int(n[i]),
                "IoU": float(iou),
                "accuracy": float(hits[i] / n[i]) if n[i] else None,
            }
            for i, (label, iou) in enumerate(zip(self.labels, ious(self.counts), strict=True))
            if not np.isnan(iou)
        ]

    def document(self) -> dict[str, Any]:
        """What result.json says of them: metrics, classes, confusion, every image, the masks of a few."""
        return {
            "metrics": self.metrics,
            "per_class": self.per_class(),
            "confusion": self.confusion(),
            "predictions": [{"file": self._file(image), "mIoU": image.iou} for image in self.images],
            "masks": [
                {
                    "file": self._file(image.judged),
                    "mIoU": image.judged.iou,
                    "truth": _png(image.truth, image.size),
                    "predicted": _png(image.predicted, image.size),
                }
                for image in self.pictured
            ],
        }

    def _file(self, image: Judged) -> str:
        """Its place below the root."""
        return image.sample.path.relative_to(self.root).as_posix()


def _small(mask: np.ndarray) -> np.ndarray:
    """The mask with its longer side at most SIDE."""
    if max(mask.shape) <= SIDE:
        return mask
    picture = Image.fromarray(mask)
    factor = SIDE / max(mask.shape)
    size = (max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor)))
    return np.asarray(picture.resize(size, Image.Resampling.NEAREST))


def _png(packed: bytes, size: tuple[int, int]) -> str:
    """A packed mask as a grey PNG of class indices, in base64."""
    content = BytesIO()
    Image.frombytes("L", size, zlib.decompress(packed)).save(content, format="PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()
