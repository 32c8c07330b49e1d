"""Weights that are told apart by their order: files of Keras, TFLite files, networks with names of their own.

Their readers put tensors into torch's layouts and sort them by kind of layer. Here they are fitted to a
description, operation by operation: within a kind, the order of layers is the order in which they compute.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mobilenets.arch.lower import CALCULATING, Op, lower
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch, Padding

if TYPE_CHECKING:
    from torch import Tensor

HALF = (0.5, 0.5, 0.5)  # pixels from -1 to 1
NORM = ("weight", "bias", "running_mean", "running_var")  # scale, shift, mean, variance


@dataclass(frozen=True)
class Unit:
    """One layer of a file: its name there and its tensors in torch's layouts, by torch's names.

    A convolution or linear layer has `weight` (out, in / groups, k, k) or (out, in) and perhaps `bias`, a
    batch norm the four of NORM. `stride` and `activation` are empty where the file does not say.
    """

    name: str
    tensors: Mapping[str, "Tensor"]
    stride: int | None = None
    activation: str | None = None


@dataclass(frozen=True)
class Ordered:
    """The layers of a file by kind, each in the order of computing; `convs` ends with its linear layers.

    `norms` is empty where they are folded into the convolutions. `padding` and `norm_eps` are what the
    weights were trained with, `dialects` the readings to try.
    """

    convs: tuple[Unit, ...]
    depthwise: tuple[Unit, ...]
    norms: tuple[Unit, ...] = ()
    padding: Padding = "same"
    norm_eps: float = 1e-3
    dialects: tuple[str, ...] = ("keras", "tensorflow")
    preprocess: Preprocess = field(default_factory=lambda: Preprocess(224, 256, "bilinear", HALF, HALF))

    @property
    def classes(self) -> int:
        """Outputs of the last layer."""
        return int(self.convs[-1].tensors["weight"].shape[0]) if self.convs else 0


def misfit(arch: Arch, found: Ordered) -> str:
    """What speaks against `found` being the weights of `arch` but for its classes, as the rest of a sentence;
    or "".
    """
    dialect = arch.dialect
    if found.padding != dialect.padding:
        return f"pads its images in the manner called {found.padding}, {dialect.name} {dialect.padding}"
    if found.norms and found.norm_eps != dialect.norm_eps:
        return f"was trained with norm epsilon {found.norm_eps:g}, {dialect.name} has {dialect.norm_eps:g}"
    if any(op.params and op.kind not in CALCULATING for _, op in lower(arch).named_ops()):
        return f"is told by the order of its convolutions, and {arch.name} learns more than those"
    for name, op, unit, norm in _pairs(arch, found):
        if unit is None or (norm is None and op.norm and found.norms):
            return f"ends before {name}"
        if reason := _unlike(op, unit, norm, any_out=name == "head.classifier"):
            return f"{reason} where {name} {_wanted(op)}"
    return _left_over(arch, found)


def _unlike(op: Op, unit: Unit, norm: Unit | None, *, any_out: bool) -> str:
    """In what a layer of the file is not the operation; or ""."""
    shape = tuple(unit.tensors["weight"].shape)
    wanted = (op.cout, op.cin // op.groups, op.kernel, op.kernel)
    full = shape + (1,) * (4 - len(shape))
    if full[any_out:] != wanted[any_out:]:
        return f"has {unit.name} of shape {shape}"
    if unit.stride not in (None, op.stride):
        return f"has {unit.name} of stride {unit.stride}"
    if unit.activation not in (None, op.activation):
        return f"has {unit.name} with {unit.activation}"
    if norm is not None and any(tensor.shape != (op.cout,) for tensor in norm.tensors.values()):
        return f"has {norm.name} of {norm.tensors['running_mean'].numel()} channels"
    if "bias" not in unit.tensors and (op.bias or norm is None):
        return f"has {unit.name} without a bias"
    return f"has {unit.name} with a bias" if norm is not None and "bias" in unit.tensors else ""


def _wanted(op: Op) -> str:
    """What the network has in an operation's place."""
    activation = f", {op.activation}" if op.activation != "none" else ""
    shape = (op.cout, op.cin // op.groups, op.kernel, op.kernel)
    return f"is {shape}, stride {op.stride}{activation}{', with a batch norm' if op.norm else ''}"


def _left_over(arch: Arch, found: Ordered) -> str:
    """The first layer of the file that no operation takes; or ""."""
    used = {id(unit) for _, _, *units in _pairs(arch, found) for unit in units}
    for unit in (*found.convs, *found.depthwise, *found.norms):
        if id(unit) not in used:
            return f"goes on with {unit.name} of shape {tuple(next(iter(unit.tensors.values())).shape)}"
    return ""


def state_of(arch: Arch, found: Ordered) -> dict[str, "Tensor"]:
    """The tensors under our names, for weights that fit `arch` (no `misfit`).

    A folded batch norm has scale 1, the layer's bias as shift, mean 0 and variance 1 - epsilon, which
    computes the identity: evaluation is exact, a training has them made ready (`training.folded`).
    """
    import torch

    state: dict[str, Tensor] = {}
    for name, op, unit, norm in _pairs(arch, found):
        assert unit is not None
        layer = f"{name}.conv" if op.norm else name
        shape = (-1, op.cin) if op.kind == "linear" else (-1, op.cin // op.groups, op.kernel, op.kernel)
        state[f"{layer}.weight"] = unit.tensors["weight"].reshape(shape)
        if not op.norm:
            state[f"{name}.bias"] = unit.tensors["bias"]
            continue
        if norm is not None:
            state |= {f"{name}.norm.{key}": tensor for key, tensor in norm.tensors.items()}
            continue
        bias = unit.tensors["bias"]
        folded = (torch.ones_like(bias), bias, torch.zeros_like(bias),
                  torch.full_like(bias, 1 - arch.dialect.norm_eps))  # fmt: skip
        state |= {f"{name}.norm.{key}": tensor for key, tensor in zip(NORM, folded, strict=True)}
    return state


def _pairs(arch: Arch, found: Ordered) -> Iterator[tuple[str, Op, Unit | None, Unit | None]]:
    """Every operation that holds weights, with its layer and its batch norm in the file."""
    convs, depthwise, norms = iter(found.convs), iter(found.depthwise), iter(found.norms)
    for name, op in lower(arch).named_ops():
        if op.kind in CALCULATING:
            per_channel = op.groups == op.cin > 1
            yield name, op, next(depthwise if per_channel else convs, None), _norm(op, norms)


def _norm(op: Op, norms: Iterator[Unit]) -> Unit | None:
    """The next batch norm where the operation has one."""
    return next(norms, None) if op.norm else None


def diverged(found: Ordered) -> str:
    """The name of the first layer with NaN or infinity; or ""."""
    for unit in (*found.convs, *found.depthwise, *found.norms):
        if not all(bool(tensor.isfinite().all()) for tensor in unit.tensors.values()):
            return unit.name
    return ""
