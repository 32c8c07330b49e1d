"""Published weights: facts, names, download, and loading of any weights file into our networks."""

from mobilenets.weights.download import cached, fetch
from mobilenets.weights.files import read_state, read_weights
from mobilenets.weights.guess import class_count, fitting
from mobilenets.weights.load import (
    Origin,
    imagenet_labels,
    load_weights,
    own_card,
    published_file,
    with_backbone,
)
from mobilenets.weights.ordered import Ordered
from mobilenets.weights.registry import PUBLISHED, Published, published_for

__all__ = [
    "PUBLISHED", "Ordered", "Origin", "Published", "cached", "class_count", "fetch", "fitting",
    "imagenet_labels", "load_weights", "own_card", "published_file", "published_for", "read_state",
    "read_weights", "with_backbone",
]  # fmt: skip
