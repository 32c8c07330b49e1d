"""Published weights: facts, names, download, and loading of any weights file into our networks."""

from mobilenets.weights.download import fetch
from mobilenets.weights.files import read_state
from mobilenets.weights.load import Origin, imagenet_labels, load_weights
from mobilenets.weights.registry import PUBLISHED, Published, published_for

__all__ = [
    "PUBLISHED", "Origin", "Published", "fetch", "imagenet_labels", "load_weights", "published_for",
    "read_state",
]  # fmt: skip
