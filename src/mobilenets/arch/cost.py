"""What a network costs before it is built: parameters, multiply-accumulates, peak activation memory."""

from dataclasses import dataclass

from mobilenets.arch.lower import Lowered, Op, lower
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
        peak_bytes=BYTES_PER_FLOAT * max([layer.peak for layer in layers]),
    )


def cost_per_op(arch: Arch) -> list[tuple[str, Op]]:
    """Every operation by module name; each knows its `params`, `macs` and `elements`."""
    return list(lower(arch).named_ops())
