"""Why weights do not fit a network, and which network they would fit: the second half of an error's line."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenets.arch.card import Card
from mobilenets.arch.spec import Arch, Classifier
from mobilenets.arch.zoo import FAMILIES
from mobilenets.base.errors import shown
from mobilenets.weights import ordered
from mobilenets.weights.guess import fitting
from mobilenets.weights.keys import Naming, block_count
from mobilenets.weights.ordered import Ordered
from mobilenets.weights.registry import Published

if TYPE_CHECKING:
    from torch import Tensor


def strange(path: Path, names: Iterable[str]) -> str:
    """The line for tensors that no MobileNet has."""
    return (
        f"{path} holds no MobileNet that we, torchvision or timm name: its first tensor is "
        f"{shown(next(iter(names)))}; give the weights of one of {', '.join(FAMILIES)}"
    )


def described(arch: Arch) -> str:
    """A network in a few words."""
    first, last = arch.blocks[0].out, arch.blocks[-1].out
    return f"{arch.name} ({len(arch.blocks)} blocks, {first} to {last} channels, {arch.dialect.name} dialect)"


def published_elsewhere(entry: Published, arch: Arch) -> str:
    """The line for published weights of another network, known before anything is downloaded."""
    return f"{entry.name} belongs to {described(entry.arch)}, not to {described(arch)}; use {entry.model}"


def other_network(arch: Arch, state: Mapping[str, "Tensor"], naming: Naming) -> str:
    """What is wrong at first sight: blocks of another number or a dialect that computes otherwise; or ""."""
    count = block_count(state, naming)
    if count != len(arch.blocks):
        return f"holds a network of {count} blocks, not {described(arch)}{_hint(state)}"
    trained = _trained(naming, arch.head) if isinstance(arch.head, Classifier) else ()
    if trained and (arch.dialect.norm_eps, arch.dialect.padding) not in trained:
        return (
            f"holds weights of {naming}, which {arch.dialect.name} reads with another batch norm epsilon or "
            f"padding; use --dialect {naming}"
        )
    return ""


def other_dialect(arch: Arch, card: Card | None) -> str:
    """What is wrong with weights of ours that were trained in a dialect that computes otherwise; or ""."""
    if card is None:
        return ""
    trained, wanted = card.arch.dialect, arch.dialect
    if (trained.norm_eps, trained.padding) == (wanted.norm_eps, wanted.padding):
        return ""
    return (
        f"was trained in the {trained.name} dialect, and {wanted.name} has another batch norm epsilon or "
        f"padding; use --dialect {trained.name}"
    )


def _trained(naming: Naming, head: Classifier) -> tuple[tuple[float, str], ...]:
    """The batch norm epsilon and padding that weights of a naming were trained with, under this head.

    They show in no tensor, only in who named them. Anything else would load and quietly compute otherwise.
    """
    match naming:
        case "torchvision":
            return ((1e-3 if head.hidden else 1e-5, "symmetric"),)
        case "timm" if head.hidden and head.shift == "none":  # mobilenetv3_rw alone
            return ((1e-3, "symmetric"),)
        case "timm":
            return ((1e-5, "symmetric"), (1e-3, "same"))
        case "ours":
            return ()


def other_layers(arch: Arch, found: Ordered) -> str:
    """What is wrong with the layers of a Keras or TFLite file for a network; or ""."""
    if reason := ordered.misfit(arch, found):
        return f"{reason}, so it is not {described(arch)}{_hint(found)}"
    if layer := ordered.diverged(found):
        return f"has NaN or infinity in {layer}: its training went wrong; give other weights"
    return ""


def other_tensors(arch: Arch, wanted: Mapping[str, "Tensor"], state: Mapping[str, "Tensor"]) -> str:
    """The first tensor that is missing, of another shape, not of real numbers or left over; or ""."""
    for name, tensor in wanted.items():
        found = state.get(name)
        if found is None:
            return f"lacks {name}, so it is not {described(arch)}{_hint(state)}"
        if _core(found.shape) != _core(tensor.shape):
            return (
                f"has {name} of shape {tuple(found.shape)} where {described(arch)} needs "
                f"{tuple(tensor.shape)}{_hint(state)}"
            )
        if found.is_floating_point() != tensor.is_floating_point():
            return f"has {name} of {found.dtype}, the network holds {tensor.dtype}; give float weights"
        if not found.isfinite().all():
            return f"has NaN or infinity in {name}: its training went wrong; give other weights"
    for name in state:
        spare = "classifier" in name or ".predict." in name or name.endswith("num_batches_tracked")
        if name not in wanted and not spare:
            return f"has {name}, which {described(arch)} lacks{_hint(state)}"
    return ""


def _core(shape: Iterable[int]) -> tuple[int, ...]:
    """A shape without the trailing ones of a 1x1 kernel."""
    sides = list(shape)
    while len(sides) > 1 and sides[-1] == 1:
        sides.pop()
    return tuple(sides)


def _hint(held: "Mapping[str, Tensor] | Ordered") -> str:
    """The network of the zoo whose weights these are, as an instruction."""
    for options, _ in fitting(held):
        return f"; it fits {options}"
    return "; give the weights of that network"
