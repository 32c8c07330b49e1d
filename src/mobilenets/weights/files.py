"""Weights files of any origin: tensors by name, or layers in order. Nothing is unpickled beyond tensors."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import WeightsError
from mobilenets.weights import keras, tflite
from mobilenets.weights.efficientnet import NAMED_BY, from_efficientnet
from mobilenets.weights.ordered import Ordered

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt", ".pth.tar", ".bin", ".ckpt", *keras.SUFFIXES, tflite.SUFFIX)
# Where training scripts keep the weights in a checkpoint; averaged weights first, they are the better ones.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and averaging, of torch.compile


def read_weights(path: Path) -> "dict[str, Tensor] | Ordered":
    """What a weights file holds: tensors by name, or the layers of a Keras or TFLite file in their order.

    Raises WeightsError when there is no such file, or it is cut off, unsafe or holds no weights, and
    MissingPackage where reading it takes an extra.
    """
    _exists(path)
    if path.suffix in keras.SUFFIXES:
        return keras.read_keras(path)
    if path.suffix == tflite.SUFFIX:
        return tflite.read_tflite(path)
    state = read_state(path)
    return from_efficientnet(state) if NAMED_BY in state else state


def read_state(path: Path) -> dict[str, "Tensor"]:
    """The tensors by name in a .safetensors or torch file, without wrappers and prefixes, on the CPU.

    Raises WeightsError when there is no such file, or it is cut off, unsafe or holds no tensors.
    """
    _exists(path)
    if path.suffix == ".safetensors":
        from mobilenets.nn import read_safetensors

        document: Any = read_safetensors(path)[0]
    else:
        document = _unpickle(path)
    state = _tensors(_unwrapped(document))
    if not state:
        raise WeightsError(f"{path} holds no weights by name; give a state dict saved with torch.save")
    return state


def _exists(path: Path) -> None:
    """Raise WeightsError unless there is a file."""
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise WeightsError(f"{path} {kind}; give a {' or '.join(SUFFIXES[:3])} file")


def _unpickle(path: Path) -> Any:
    """What a torch file holds, as long as that is tensors and plain data."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle can raise anything
        if "Unsupported global" in str(error) or "weights_only" in str(error):
            reason = "holds program objects, or is no file of weights; save its state_dict() alone"
        else:
            reason = "is cut off or is no file of weights; copy or download it again"
        raise WeightsError(f"{path} {reason}") from error


def _unwrapped(document: Any) -> Any:
    """The state dict within a checkpoint."""
    for key in WRAPPERS:
        if isinstance(document, Mapping) and isinstance(document.get(key), Mapping):
            return document[key]
    return document


def _tensors(document: Any) -> dict[str, "Tensor"]:
    """The named tensors of a state dict, without the prefixes that wrappers add."""
    import torch

    if not isinstance(document, Mapping):
        return {}
    state = {}
    for name, tensor in document.items():
        if isinstance(name, str) and isinstance(tensor, torch.Tensor):
            for prefix in PREFIXES * 2:
                name = name.removeprefix(prefix)
            state[name] = tensor
    state.pop("n_averaged", None)  # torch's AveragedModel counts here
    return state
