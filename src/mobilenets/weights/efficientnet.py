"""EfficientNet-Lite under the names of the package efficientnet-lite-pytorch: in order, of TensorFlow."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mobilenets.arch.preprocess import Preprocess
from mobilenets.weights.ordered import HALF, NORM, Ordered, Unit

if TYPE_CHECKING:
    from torch import Tensor

NAMED_BY = "_conv_stem.weight"  # a tensor that only these files have


def from_efficientnet(state: "Mapping[str, Tensor]") -> Ordered:
    """The layers of such a state dict, which lists them in the order in which they compute."""
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        module, _, key = name.rpartition(".")
        if key in (*NORM, "bias"):
            modules.setdefault(module, {})[key] = tensor
    units = [Unit(module, tensors) for module, tensors in modules.items()]
    norms = tuple(unit for unit in units if "running_var" in unit.tensors)
    layers = [unit for unit in units if "running_var" not in unit.tensors and "weight" in unit.tensors]
    depthwise = tuple(unit for unit in layers if "depthwise" in unit.name)
    convs = tuple(unit for unit in layers if "depthwise" not in unit.name)
    record = Preprocess(224, 256, "bicubic", HALF, HALF)
    return Ordered(convs, depthwise, norms, dialects=("tensorflow",), preprocess=record)
