"""A dataset as data: which file holds what, and in which split. One kind of sample per task."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal

from typing_extensions import TypeVar

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Part = Split | Literal["all"]
PARTS: tuple[Part, ...] = (*SPLITS, "all")
ANNOTATED = ("detect", "segment")  # tasks whose samples are more than an image and a class
IGNORED = 255  # of a mask: pixels that neither teach nor judge


@dataclass(frozen=True)
class Sample:
    """One image file and the index of its class in `Dataset.labels`."""

    path: Path
    label: int

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes of what it shows, once per thing."""
        return (self.label,)

    def facts(self, root: Path) -> str:  # noqa: ARG002 - the other samples name files below it
        """What it says besides the image, for a fingerprint."""
        return str(self.label)


@dataclass(frozen=True)
class Box:
    """A thing's class and its corners in pixels of the upright image: continuous, x1 < x2 and y1 < y2.

    A `crowd` box holds several things; a `difficult` one is not held against a detector that misses it.
    """

    label: int
    x1: float
    y1: float
    x2: float
    y2: float
    crowd: bool = False
    difficult: bool = False

    @property
    def spared(self) -> bool:
        """Whether it costs a detector nothing to miss it."""
        return self.crowd or self.difficult


@dataclass(frozen=True)
class BoxedSample:
    """One image file, its upright width and height, and the boxes on it; there may be none."""

    path: Path
    width: int
    height: int
    boxes: tuple[Box, ...]

    @property
    def classes(self) -> tuple[int, ...]:
        """The class of each box."""
        return tuple(box.label for box in self.boxes)

    def facts(self, root: Path) -> str:  # noqa: ARG002
        """What it says besides the image, for a fingerprint."""
        return repr(self.boxes)


@dataclass(frozen=True)
class Coding:
    """What the values of a mask file mean.

    `table` gives for each of 256 values the class, IGNORED, or `UNKNOWN`. Where `colours` are given the file
    is in colour, and the place of a pixel's colour among them is its value.
    """

    table: bytes
    colours: tuple[tuple[int, int, int], ...] = ()


UNKNOWN = 254  # in `Coding.table`: a value that stands for no class


@dataclass(frozen=True)
class Shape:
    """A region of one class in the frame that its annotation was drawn in, as COCO has it.

    Either `polygons` (x, y, x, y, ... in pixels) or `runs`, lengths down the columns beginning with those
    outside, as numbers or in COCO's compressed text.
    """

    label: int
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] | str = ()


@dataclass(frozen=True)
class MaskedSample:
    """One image file, its upright width and height, and where its mask is; `data.masks.read_mask` reads it.

    `mask` is an image file read by `coding`; or, where `rest` is a class, the JSON that the `shapes` stand
    in, drawn over that class. `turn` is the EXIF orientation that makes the mask upright. `pixels` counts
    those of each class.
    """

    path: Path
    mask: Path
    width: int
    height: int
    coding: Coding = field(repr=False)
    shapes: tuple[Shape, ...] = field(default=(), repr=False)
    rest: int | None = None
    turn: int = 1
    pixels: tuple[int, ...] = ()

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that have a pixel, each once."""
        return tuple(label for label, count in enumerate(self.pixels) if count)

    def facts(self, root: Path) -> str:
        """What it says besides the image, for a fingerprint."""
        name, size = self.mask.relative_to(root).as_posix(), self.mask.stat().st_size
        return repr((name, size, self.coding, self.shapes, self.rest, self.turn, self.pixels))


AnySample = Sample | BoxedSample | MaskedSample
S = TypeVar("S", bound=AnySample, default=Any)


@dataclass(frozen=True)
class Dataset(Generic[S]):
    """Class names in order and the samples of each split (`val` is never empty; `test` may be).

    `root` is the folder that sample paths lie under. `made` names the splits that were cut here, not found.
    Background is no label of boxes; in masks it is one like any other.
    """

    root: Path
    labels: tuple[str, ...]
    train: tuple[S, ...]
    val: tuple[S, ...]
    test: tuple[S, ...] = ()
    made: tuple[Split, ...] = ()

    def split(self, name: Part) -> tuple[S, ...]:
        """The samples of one split, or of all."""
        if name == "all":
            return (*self.train, *self.val, *self.test)
        samples: tuple[S, ...] = getattr(self, name)
        return samples

    @property
    def held_out(self) -> Split:
        """The split that final numbers come from: `test` where there is one, else `val`."""
        return "test" if self.test else "val"

    def counts(self, name: Split) -> list[int]:
        """Per class of `labels` in one split: images, boxes, or masks that it occurs in."""
        counter = Counter(label for sample in self.split(name) for label in sample.classes)
        return [counter[i] for i in range(len(self.labels))]

    def fingerprint(self) -> str:
        """A SHA-256 over class names, splits, relative paths, sizes and annotations.

        Other data, other fingerprint.
        """
        digest = hashlib.sha256(repr(self.labels).encode())
        for name in SPLITS:
            for sample in self.split(name):
                relative, size = sample.path.relative_to(self.root).as_posix(), sample.path.stat().st_size
                digest.update(f"{name}\t{relative}\t{sample.facts(self.root)}\t{size}\n".encode())
        return digest.hexdigest()
