"""What a network is, as data: describe, lower, count, edit, write down. Standard library only."""

from mobilenets.arch.cost import Cost, cost
from mobilenets.arch.lower import Layer, Lowered, Op, lower
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import (
    Arch,
    Attention,
    Classifier,
    Conv,
    Dialect,
    Fused,
    Inverted,
    Separable,
    Universal,
)

__all__ = [
    "Arch", "Attention", "Classifier", "Conv", "Cost", "Dialect", "Fused", "Inverted", "Layer", "Lowered",
    "Op", "Preprocess", "Separable", "Universal", "cost", "lower",
]  # fmt: skip
