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
    """The images that a training had: where they lie, and how they were split."""

    data: str
    task: str
    val: float | None = None
    seed: int = 0

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
    from mobilenets.data.load import find_source, load_dataset

    return load_dataset(find_source(material.data), material.val, material.seed, material.task)[0]


def forget() -> None:
    """Have the images read anew: they may have changed since the last search or adaptation here."""
    _dataset.cache_clear()
