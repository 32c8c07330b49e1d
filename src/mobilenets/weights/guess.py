"""Which network a weights file is of, where nobody says: every network of the zoo is held against it."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from mobilenets.arch import edit
from mobilenets.arch.lower import CALCULATING, lower
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import ALIASES, FAMILIES, WIDTHS, find
from mobilenets.arch.zoo.dialects import DIALECTS
from mobilenets.weights import ordered
from mobilenets.weights.keys import Naming, block_count, module_names, naming_of
from mobilenets.weights.ordered import Ordered
from mobilenets.weights.registry import network

if TYPE_CHECKING:
    from torch import Tensor

# Whose names a state dict has, and the readings its weights can have been trained in
DIALECTS_OF: Mapping[Naming, tuple[str, ...]] = {
    "ours": DIALECTS, "torchvision": ("torchvision",), "timm": ("timm", "tensorflow"),
}  # fmt: skip


def fitting(held: "Mapping[str, Tensor] | Ordered") -> Iterator[tuple[str, Arch]]:
    """The networks that the weights fit, tensor by tensor, each with the options that ask for it.

    Their class count is that of the weights; networks that compute the same are named once.
    """
    seen: set[Arch] = set()
    classes = class_count(held)
    for options, arch in _candidates(_dialects(held)):
        if (same := network(arch)) not in seen and fits(arch, held):
            seen.add(same)
            yield options, edit.classes(arch, classes or arch.head.classes)


def fits(arch: Arch, held: "Mapping[str, Tensor] | Ordered") -> bool:
    """Whether the weights are those of `arch`, with as many channels; the class count is left open."""
    if isinstance(held, Ordered):
        return not ordered.misfit(arch, held)
    naming = naming_of(held)
    if naming is None or block_count(held, naming) != len(arch.blocks):
        return False
    modules = module_names(arch, naming, held)
    for name, op in lower(arch).named_ops():
        if op.kind not in CALCULATING or name == "head.classifier":
            continue
        found = held.get(f"{modules.get(f'{name}.conv' if op.norm else name)}.weight")
        if found is None or (found.shape[0], found.numel()) != (op.cout, op.weights):
            return False
    return True


def class_count(held: "Mapping[str, Tensor] | Ordered") -> int | None:
    """Outputs of the classifier; None where the file has none by a known name."""
    if isinstance(held, Ordered):
        return held.classes
    for name in ("head.classifier.weight", "classifier.weight", "classifier.3.weight", "classifier.1.weight"):
        if name in held:
            return int(held[name].shape[0])
    return None


def _dialects(held: "Mapping[str, Tensor] | Ordered") -> tuple[str, ...]:
    """The readings that the weights can have been trained in."""
    if isinstance(held, Ordered):
        return held.dialects
    naming = naming_of(held)
    return DIALECTS_OF[naming] if naming else ()


@lru_cache(maxsize=8)
def _candidates(dialects: tuple[str, ...]) -> tuple[tuple[str, Arch], ...]:
    """Every network with a name in some dialects, and the options that ask for it.

    timm's dialects come with timm's own names, which settle width and dialect; the others as families.
    """
    found = []
    if dialects != DIALECTS_OF["timm"]:
        widths = sorted({0.25, *WIDTHS})
        for family, make in FAMILIES.items():
            for dialect in dialects:
                for width in widths:
                    options = f"{family} --width {width} --dialect {dialect}"
                    found.append((options, make(width=width, dialect=dialect)))
    for alias in ALIASES:
        arch = find(alias)
        if arch.dialect.name in dialects:
            found.append((alias, arch))
    return tuple(found)
