"""What a network is, as data: describe, lower, count, edit, write down. Standard library only."""

from mobilenets.arch.cost import Cost, cost
from mobilenets.arch.lower import Layer, Lowered, Op, lower
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch, Classifier, Conv, Dialect, Inverted, Separable

__all__ = [
    "Arch", "Classifier", "Conv", "Cost", "Dialect", "Inverted", "Layer", "Lowered", "Op", "Preprocess",
    "Separable", "cost", "lower",
]  # fmt: skip
