"""The images of a training, for what is trained or judged on them again: by fit, adapt and search."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from mobilenets.arch.card import Card

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset
    from mobilenets.nn import Network


@dataclass(frozen=True)
class Material:
    """The images that a training had: where they lie, and how they were split.

    The share `apart` of each class is put aside before val is cut from the rest: images by which something
    else is judged in the end.
    """

    data: str
    task: str
    val: float | None = None
    seed: int = 0
    apart: float = 0.0

    def dataset(self) -> "Dataset":
        """The images, read once per process. Raises DataError."""
        return _dataset(self)


def judged(network: "Network", card: Card, dataset: "Dataset") -> tuple[float, float]:
    """The task's metric and the loss on the val split."""
    from mobilenets import tasks

    task = tasks.get(card.task)
    found = task.evaluate(network, task.val_feed(dataset.val, card), card)
    assert found is not None  # nothing stops it
    return found.metrics[task.metric], found.loss


@lru_cache(maxsize=2)
def _dataset(material: Material) -> "Dataset":
    """The images of a training."""
    from mobilenets.data.listing import ALL, Listing
    from mobilenets.data.load import find_source, load_dataset
    from mobilenets.data.split import split_listing

    first = material.apart or material.val
    dataset, _ = load_dataset(find_source(material.data), first, material.seed, material.task)
    if not material.apart:
        return dataset
    rest = Listing(dataset.root, dataset.labels, {ALL: dataset.train})
    return split_listing(rest, material.val, material.seed)


def forget() -> None:
    """Have the images read anew: they may have changed since the last search or adaptation here."""
    _dataset.cache_clear()
