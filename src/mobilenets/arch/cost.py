"""What a network costs before it is built: parameters, multiply-accumulates, peak activation memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from mobilenets.arch.lower import Layer, Lowered, Op, lower
from mobilenets.arch.spec import Arch

BYTES_PER_FLOAT = 4


@dataclass(frozen=True)
class Cost:
    """`params` and `macs` as integers; `peak_bytes` of float32 activations alive at once, batch 1."""

    params: int
    macs: int
    peak_bytes: int


def cost(arch: Arch | Lowered) -> Cost:
    """Count a network. MACs cover convolutions and linear layers, as the published counts do."""
    layers = lower(arch) if isinstance(arch, Arch) else arch
    return Cost(
        params=sum([layer.params for layer in layers]),
        macs=sum([layer.macs for layer in layers]),
        peak_bytes=BYTES_PER_FLOAT * _peak(layers),
    )


def _peak(layers: Sequence[Layer]) -> int:
    """The most activation entries alive at once; what the head reads lives from its block on."""
    held = layers[-1].held
    if not held:
        return max([layer.peak for layer in layers])
    return max(
        layer.peak + sum(size for made, size in held if made < index) for index, layer in enumerate(layers)
    )


def cost_per_op(arch: Arch) -> list[tuple[str, Op]]:
    """Every operation by module name; each knows its `params`, `macs` and `elements`."""
    return list(lower(arch).named_ops())
