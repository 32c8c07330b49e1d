"""From a description to operations: `lower(arch)` settles every channel count, side, group and residual.

This is the only place that knows what a block is made of. Counting, building and exporting read its result.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Literal, assert_never

from mobilenets.arch.spec import Arch, Block, Classifier, Conv, HiddenKind, Inverted, Separable

Kind = Literal["conv", "linear", "pool", "scale"]
OpActivation = Literal["none", "relu", "relu6", "hardswish", "hardsigmoid"]


@dataclass(frozen=True)
class Op:
    """One operation: `name` within its block, channels and square sides in and out.

    kind "conv" (with `norm`: batch norm and no bias), "linear", "pool" (global average) or "scale" (the
    channel-wise multiplication of squeeze-and-excitation).
    """

    name: str
    kind: Kind
    cin: int
    cout: int
    side_in: int
    side_out: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    norm: bool = False
    bias: bool = False
    activation: OpActivation = "none"

    @cached_property
    def weights(self) -> int:
        """Entries of the weight tensor."""
        return (
            self.kernel * self.kernel * self.cin // self.groups * self.cout if self.kind in CALCULATING else 0
        )

    @cached_property
    def params(self) -> int:
        """Learned numbers: weights, bias, scale and shift of the batch norm."""
        return self.weights + (2 * self.cout if self.norm else 0) + (self.cout if self.bias else 0)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers for one image; nothing else is counted."""
        return self.weights * self.side_out * self.side_out

    @cached_property
    def elements(self) -> int:
        """Entries of the input and the output together."""
        return self.cin * self.side_in * self.side_in + self.cout * self.side_out * self.side_out


CALCULATING = ("conv", "linear")


@dataclass(frozen=True, eq=False)
class Layer:
    """The operations of one block or of the head, in order. `residual` adds the input to the output.

    `channels` and `side` are those of the output; `peak` is the most activation entries alive at once.
    Layers are shared between networks that contain the same block at the same place, so all is counted once.
    """

    block: Block | Classifier
    ops: tuple[Op, ...]
    residual: bool = False
    channels: int = field(init=False)
    side: int = field(init=False)
    params: int = field(init=False)
    macs: int = field(init=False)
    peak: int = field(init=False)

    def __post_init__(self) -> None:
        """Count."""
        settle = partial(object.__setattr__, self)  # frozen for everybody else
        settle("channels", self.ops[-1].cout)
        settle("side", self.ops[-1].side_out)
        settle("params", sum([op.params for op in self.ops]))
        settle("macs", sum([op.macs for op in self.ops]))
        settle("peak", _peak(self.ops, self.residual))


def _peak(ops: tuple[Op, ...], residual: bool) -> int:
    """The most activation entries alive at once: an operation's input and output, and what waits for it.

    A residual waits through its block; the tensor to be scaled waits through squeeze-and-excitation, whose
    gate is there when it is scaled.
    """
    first = ops[0]
    kept = first.cin * first.side_in**2 if residual else 0
    most, scaled = first.elements, 0
    for op in ops[1:]:
        match op.name:
            case "squeeze.pool":
                scaled = op.cin * op.side_in**2
                waiting = kept
            case "squeeze.reduce" | "squeeze.expand":
                waiting = kept + scaled
            case "squeeze.scale":
                waiting = kept + op.cin
            case _:
                waiting = kept
        most = max(most, op.elements + waiting)
    return most


class Lowered(tuple[Layer, ...]):
    """The layers of a network: one per block and the head last. `print` shows every operation's shapes."""

    __slots__ = ()

    def __str__(self) -> str:
        """One row per operation with its shapes and costs."""
        from mobilenets.arch.show import shape_table

        return shape_table(self)

    def named_ops(self) -> Iterator[tuple[str, Op]]:
        """Every operation under the name its module has in the network, e.g. `blocks.3.expand`."""
        for index, layer in enumerate(self):
            prefix = "head" if isinstance(layer.block, Classifier) else f"blocks.{index}"
            for op in layer.ops:
                yield (f"{prefix}.{op.name}" if op.name else prefix), op


def lower(arch: Arch) -> Lowered:
    """Settle `arch` into layers of operations. Blocks are remembered, whole networks are not."""
    layers: list[Layer] = []
    channels, side = 3, arch.resolution
    for block in arch.blocks:
        layer = lower_block(block, channels, side)
        layers.append(layer)
        channels, side = layer.channels, layer.side
    layers.append(_lower_head(arch.head, channels, side, arch.dialect.hidden))
    return Lowered(layers)


@lru_cache(maxsize=65536)
def lower_block(block: Block, cin: int, side: int) -> Layer:
    """The operations of one block on an input of `cin` channels and `side` pixels."""
    ops = tuple(_ops(block, cin, side))
    residual = isinstance(block, Inverted) and block.stride == 1 and block.out == cin
    return Layer(block, ops, residual)


def _ops(block: Block, cin: int, side: int) -> Iterator[Op]:
    """What each kind of block is made of."""
    small = -(-side // block.stride)  # both paddings give ceil(side / stride) for odd kernels
    match block:
        case Conv():
            yield Op("", "conv", cin, block.out, side, small, block.kernel, block.stride, norm=True,
                     activation=block.activation)  # fmt: skip
        case Separable():
            yield _depthwise(cin, side, small, block.kernel, block.stride, block.activation)
            yield _pointwise("pointwise", cin, block.out, small, block.activation)
        case Inverted():
            if block.expand:
                yield _pointwise("expand", cin, block.hidden, side, block.activation)
            yield _depthwise(block.hidden, side, small, block.kernel, block.stride, block.activation)
            if block.squeeze:
                yield from _squeeze(block.hidden, block.squeeze, small)
            yield _pointwise("project", block.hidden, block.out, small, "none")
        case _:
            assert_never(block)


# Operations are remembered too: a block that was never seen is mostly made of operations that were.
@lru_cache(maxsize=65536)
def _depthwise(
    channels: int, side: int, small: int, kernel: int, stride: int, activation: OpActivation
) -> Op:
    """One filter per channel."""
    return Op("depthwise", "conv", channels, channels, side, small, kernel, stride, groups=channels,
              norm=True, activation=activation)  # fmt: skip


@lru_cache(maxsize=65536)
def _pointwise(name: str, cin: int, cout: int, side: int, activation: OpActivation) -> Op:
    """A 1x1 convolution."""
    return Op(name, "conv", cin, cout, side, side, norm=True, activation=activation)


@lru_cache(maxsize=65536)
def _squeeze(channels: int, squeeze: int, side: int) -> tuple[Op, ...]:
    """Squeeze-and-excitation with a hard-sigmoid gate (V3, section 5.3)."""
    return (
        Op("squeeze.pool", "pool", channels, channels, side, 1),
        Op("squeeze.reduce", "conv", channels, squeeze, 1, 1, bias=True, activation="relu"),
        Op("squeeze.expand", "conv", squeeze, channels, 1, 1, bias=True, activation="hardsigmoid"),
        Op("squeeze.scale", "scale", channels, channels, side, side),
    )


@lru_cache(maxsize=4096)
def _lower_head(head: Classifier, cin: int, side: int, kind: HiddenKind) -> Layer:
    """Pool, optional hidden layer, classifier."""
    ops = [Op("pool", "pool", cin, cin, side, 1)]
    if head.hidden:
        ops.append(Op("hidden", kind, cin, head.hidden, 1, 1, bias=True, activation=head.activation))
    ops.append(Op("classifier", "linear", head.hidden or cin, head.classes, 1, 1, bias=True))
    return Layer(head, tuple(ops))
