"""A labelled image dataset as data: which file belongs to which class and which split."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One image file and the index of its class in `Dataset.labels`."""

    path: Path
    label: int


@dataclass(frozen=True)
class Dataset:
    """Class names in order and the samples of each split (`val` is never empty; `test` may be).

    `root` is the folder that sample paths lie under. `made` names the splits that were cut here, not found.
    """

    root: Path
    labels: tuple[str, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    test: tuple[Sample, ...] = ()
    made: tuple[Split, ...] = ()

    def split(self, name: Split) -> tuple[Sample, ...]:
        """The samples of one split."""
        samples: tuple[Sample, ...] = getattr(self, name)
        return samples

    @property
    def held_out(self) -> Split:
        """The split that final numbers come from: `test` where there is one, else `val`."""
        return "test" if self.test else "val"

    def counts(self, name: Split) -> list[int]:
        """Images per class in one split, in the order of `labels`."""
        counter = Counter(sample.label for sample in self.split(name))
        return [counter[i] for i in range(len(self.labels))]

    def fingerprint(self) -> str:
        """A SHA-256 over class names, splits, relative paths and sizes: other data, other fingerprint."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for name in SPLITS:
            for sample in self.split(name):
                relative = sample.path.relative_to(self.root).as_posix()
                digest.update(f"{name}\t{relative}\t{sample.label}\t{sample.path.stat().st_size}\n".encode())
        return digest.hexdigest()
