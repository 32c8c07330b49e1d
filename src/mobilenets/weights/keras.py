"""Weights files of Keras applications, read with h5py alone: legacy .h5, .weights.h5 and .keras.

A legacy file lists its layers in order (`layer_names`) and their tensors (`weight_names`); a file of Keras 3
counts layers by class (`layers/conv2d_3/vars/0`); a .keras file is a zip archive with such a file in it
(keras-team/keras, keras/src/legacy/saving/legacy_h5_format.py and keras/src/saving/saving_lib.py). Nothing in
them is executed: the configuration is read for the input's side only, and links out of the file are refused.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import WeightsError, needs, shown
from mobilenets.weights.ordered import NORM, Ordered, Unit

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".h5", ".hdf5", ".keras")
LARGEST = 512 << 20  # bytes of weights; the largest network here has 151 MB
LONGEST = 16 << 20  # bytes of a configuration
WEIGHTS, CONFIG = "model.weights.h5", "config.json"  # in a .keras archive
LEGACY_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
COUNTED = re.compile(r"(.*/)?(?P<layer>[^/]+)/vars/(?P<index>\d+)")
NUMBER = re.compile(r"_(\d+)$")
Layer = tuple[str, str, dict[str, Any]]  # its name in the file, its class, its arrays by torch's names


def read_keras(path: Path) -> Ordered:
    """The layers of a Keras weights file. Raises WeightsError, MissingPackage.

    At sides that are no multiple of 32, Keras's V1 pads odd maps otherwise than its V2 and V3 and than "same"
    does (keras/src/applications/mobilenet.py), and its answers are not ours.
    """
    with needs("h5py", "keras"):
        import h5py

    try:
        source, config = _unzipped(path) if path.suffix == ".keras" else (path, None)
        with h5py.File(source, "r") as file:
            _check(file, path)
            config = config or file.attrs.get("model_config")
            legacy = file.get("model_weights", file)
            layers = list(_legacy(legacy) if "layer_names" in legacy.attrs else _counted(file))
    except WeightsError:
        raise
    except Exception as error:  # a broken file can raise anything
        reason = " ".join(str(error).split())[:160]
        raise WeightsError(
            f"{path} is no whole weights file of Keras ({reason}); copy or save it again"
        ) from error
    return _ordered(path, layers, config)


def _unzipped(path: Path) -> tuple[io.BytesIO, bytes | None]:
    """Weights and configuration in a .keras archive, which may not grow beyond what a MobileNet needs."""
    with zipfile.ZipFile(path) as archive:
        for name, most in ((WEIGHTS, LARGEST), (CONFIG, LONGEST)):
            if name not in archive.namelist():
                raise WeightsError(f"{path} holds no {name}, so it is no .keras file; save the model again")
            if archive.getinfo(name).file_size > most:
                raise WeightsError(
                    f"{path} unpacks {name} to over {most >> 20} MB, no MobileNet is as large; give another"
                )
        return io.BytesIO(archive.read(WEIGHTS)), archive.read(CONFIG)


def _check(file: Any, path: Path) -> None:
    """Raise WeightsError for what would reach outside the file, or is larger than any network here."""
    import h5py

    total = 0

    def look(name: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset):
            total += item.size * item.dtype.itemsize
            if item.external or item.is_virtual or item.dtype.kind not in "fiu":
                raise WeightsError(f"{path} keeps {shown(name)} elsewhere or not as numbers; save it again")
        elif any(not isinstance(item.get(key, getlink=True), h5py.HardLink) for key in item):
            raise WeightsError(f"{path} has a link to another file in {shown(name)}; save it again")

    look("/", file)
    file.visititems(look)
    if total > LARGEST:
        raise WeightsError(
            f"{path} claims {total >> 20} MB of weights, no MobileNet is as large; give another"
        )


def _legacy(group: Any) -> Iterator[Layer]:
    """The layers of a legacy file in their order; a network within a network lists its own in a row."""
    for layer in group.attrs["layer_names"]:
        inner = group[_text(layer)]
        arrays: dict[str, dict[str, Any]] = {}
        for name in inner.attrs["weight_names"]:
            owner, _, key = _text(name).rpartition("/")
            arrays.setdefault(owner or _text(layer), {})[key.removesuffix(":0")] = inner[_text(name)][()]
        for owner, named in arrays.items():
            yield _by_names(owner.rpartition("/")[2], named)


def _by_names(layer: str, arrays: dict[str, Any]) -> Layer:
    """A layer of a legacy file, whose class shows in its arrays."""
    if "moving_variance" in arrays:
        return layer, "norm", {ours: arrays[key] for ours, key in zip(NORM, LEGACY_NORM, strict=True)}
    kernel = arrays.get("depthwise_kernel", arrays.get("kernel"))
    if kernel is None or not {*arrays} <= {"depthwise_kernel", "kernel", "bias"}:
        return layer, f"layer with {', '.join(arrays)}", {}
    per_channel = kernel.ndim == 4 and kernel.shape[3] == 1 < kernel.shape[0]
    kind = "depthwise" if "depthwise_kernel" in arrays or per_channel else "conv"
    return layer, kind, {"weight": kernel} | ({"bias": arrays["bias"]} if "bias" in arrays else {})


KINDS = {"conv2d": "conv", "dense": "conv", "depthwise_conv2d": "depthwise", "batch_normalization": "norm"}


def _counted(file: Any) -> Iterator[Layer]:
    """The layers of a Keras 3 file, class by class in their numbers' order."""
    import h5py

    layers: dict[str, dict[int, Any]] = {}
    names: dict[str, str] = {}

    def look(path: str, item: Any) -> None:
        found = COUNTED.fullmatch(path)
        if found and isinstance(item, h5py.Dataset) and not path.startswith("optimizer/"):
            place = path.rpartition("/vars/")[0]
            layers.setdefault(place, {})[int(found["index"])] = item[()]
            names[place] = _text(item.parent.attrs.get("name", found["layer"]))

    file.visititems(look)
    for place in sorted(layers, key=_rank):
        arrays, kind = layers[place], KINDS.get(NUMBER.sub("", place.rpartition("/")[2]), place)
        keys = NORM if kind == "norm" else ("weight", "bias")
        yield names[place], kind, {key: arrays[index] for index, key in enumerate(keys) if index in arrays}


def _rank(place: str) -> tuple[bool, str, int]:
    """Sorts layers by class, a dense layer last, then by number."""
    layer = place.rpartition("/")[2]
    number = NUMBER.search(layer)
    kind = NUMBER.sub("", layer)
    return kind == "dense", kind, int(number[1]) if number else 0


def _ordered(path: Path, layers: list[Layer], config: Any) -> Ordered:
    """The layers by kind. Raises WeightsError for one that no MobileNet has."""
    kinds: dict[str, list[Unit]] = {"conv": [], "depthwise": [], "norm": []}
    for name, kind, arrays in layers:
        if kind not in kinds or not arrays or (kind == "norm" and len(arrays) != len(NORM)):
            raise WeightsError(
                f"{path} has the layer {shown(name)} ({shown(kind)}), which no MobileNet has; "
                "give the weights of keras.applications' MobileNet, MobileNetV2 or MobileNetV3"
            )
        try:
            tensors = {key: _tensor(array, kind) for key, array in arrays.items()}
        except (ValueError, RuntimeError) as error:
            raise WeightsError(f"{path} has the layer {shown(name)} in a shape that no {kind} has") from error
        kinds[kind].append(Unit(name, tensors))
    found = Ordered(tuple(kinds["conv"]), tuple(kinds["depthwise"]), tuple(kinds["norm"]))
    side = _side(config)
    if side is None:
        return found
    record = replace(found.preprocess, crop=side, resize=round(side / 0.875))
    return replace(found, preprocess=record)


def _tensor(array: Any, kind: str) -> "Tensor":
    """An array in torch's layout: HWIO to OIHW, a depthwise HWC1 to C1HW, a dense (in, out) to (out, in)."""
    import torch

    tensor = torch.from_numpy(array).float()
    match tensor.ndim, kind:
        case 4, "depthwise":
            if tensor.shape[3] != 1:
                raise ValueError("more than one filter per channel")
            return tensor.permute(2, 3, 0, 1).contiguous()
        case 4, "conv":
            return tensor.permute(3, 2, 0, 1).contiguous()
        case 2, "conv":
            return tensor.t().contiguous()
        case 1, _:
            return tensor
    raise ValueError("no such layout")


def _side(config: Any) -> int | None:
    """The input's side in pixels, where the configuration settles a square one."""
    if config is None:
        return None
    found = re.search(r'"batch(?:_input)?_shape": \[null, (\d+), (\d+), 3\]', _text(config))
    return int(found[1]) if found and found[1] == found[2] and 0 < int(found[1]) <= 4096 else None


def _text(value: Any) -> str:
    """A name as h5py gives it, in text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
