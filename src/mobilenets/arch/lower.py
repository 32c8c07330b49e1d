"""From a description to operations: `lower(arch)` settles every channel count, side, group and residual.

This is the only place that knows what a block is made of. Counting, building and exporting read its result.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Literal, assert_never

from mobilenets.arch.spec import (
    Antialias,
    Arch,
    Attention,
    Block,
    Classifier,
    Conv,
    Fused,
    HiddenKind,
    Inverted,
    Separable,
    Universal,
)

Kind = Literal["conv", "linear", "pool", "scale", "norm", "gain", "match", "mix", "average", "blur"]
OpActivation = Literal["none", "relu", "relu6", "hardswish", "gelu", "hardsigmoid", "sigmoid"]


@dataclass(frozen=True)
class Op:
    """One operation: `name` within its block, channels and square sides in and out.

    kind "conv" (with `norm`: batch norm and no bias), "linear", "pool" (global average), "scale" (the
    channel-wise multiplication of squeeze-and-excitation), "norm" (batch norm alone), "gain" (a learned
    factor per channel), "match" (softmax of queries by keys: `groups` heads, each a channel per key pixel),
    "mix" (values by those weights), "average" and "blur" (2x2 means and a 3x3 binomial filter, which halve
    the map).
    `reads` names the operations whose outputs it takes where that is not the one before.
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
    dilation: int = 1
    reads: tuple[str, ...] = ()

    @cached_property
    def weights(self) -> int:
        """Entries of the weight tensor."""
        return (
            self.kernel * self.kernel * self.cin // self.groups * self.cout if self.kind in CALCULATING else 0
        )

    @cached_property
    def params(self) -> int:
        """Learned numbers: weights, bias or gain, scale and shift of the batch norm."""
        per_channel = 2 * self.norm + (self.bias or self.kind == "gain")
        return self.weights + per_channel * self.cout

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers for one image; nothing else is counted."""
        return self.weights * self.side_out * self.side_out

    @cached_property
    def elements(self) -> int:
        """Entries of the input and the output together."""
        return self.cin * self.side_in * self.side_in + self.cout * self.side_out * self.side_out


CALCULATING = ("conv", "linear")
INPUT = "input"  # the input of a block, as an operation that reads it again would name it


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
    """The most activation entries alive at once: every tensor lives from when it is made to its last reader.

    The block's own input is read by the first operation, and again at the end where it is added.
    """
    readers: dict[str, int] = {INPUT: 0}
    before = INPUT
    for index, op in enumerate(ops):
        for name in op.reads or (before,):
            readers[name] = index
        before = op.name
    if residual:
        readers[INPUT] = len(ops) - 1
    alive = {INPUT: ops[0].cin * ops[0].side_in ** 2}
    most = 0
    for index, op in enumerate(ops):
        alive[op.name] = op.cout * op.side_out**2
        most = max(most, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if readers.get(name, index + 1) > index}
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
    may_add = isinstance(block, Universal | Attention) or (
        isinstance(block, Inverted | Fused) and block.residual
    )
    return Layer(block, ops, may_add and block.stride == 1 and block.out == cin)


def _ops(block: Block, cin: int, side: int) -> Iterator[Op]:
    """What each kind of block is made of."""
    small = -(-side // block.stride)  # both paddings give ceil(side / stride) for odd kernels
    match block:
        case Conv():
            yield Op("", "conv", cin, block.out, side, small, block.kernel, block.stride, norm=True,
                     activation=block.activation)  # fmt: skip
        case Separable():
            yield _depthwise("depthwise", cin, side, block.kernel, block.stride, block.activation)
            yield _pointwise("pointwise", cin, block.out, small, block.activation)
        case Inverted():
            if block.expand:
                yield _pointwise("expand", cin, block.hidden, side, block.activation)
            yield _depthwise("depthwise", block.hidden, side, block.kernel, block.stride, block.activation,
                             block.dilation)  # fmt: skip
            if block.squeeze:
                yield from _squeeze(block.hidden, block.squeeze, small, block.squeeze_activation, block.gate)
            yield _pointwise("project", block.hidden, block.out, small, "none")
        case Fused():
            yield from _fused(block, cin, side)
        case Universal():
            yield from _universal(block, cin, side)
        case Attention():
            yield from _attention(block, cin, side)
        case _:
            assert_never(block)


def _fused(block: Fused, cin: int, side: int) -> Iterator[Op]:
    """Full convolution, linear 1x1."""
    expand = Op("expand", "conv", cin, block.hidden, side, -(-side // block.stride), block.kernel,
                block.stride, block.groups, norm=True, activation=block.activation)  # fmt: skip
    yield from (ops := _smoothed(expand, block.antialias))
    yield _pointwise("project", block.hidden, block.out, ops[-1].side_out, "none")


def _universal(block: Universal, cin: int, side: int) -> Iterator[Op]:
    """Linear depthwise, expansion, depthwise, linear projection, gain: the depthwise layers are optional."""
    if block.start:
        stride = 1 if block.kernel else block.stride
        ops = _smoothed(_depthwise("start", cin, side, block.start, stride, "none"), block.antialias)
        yield from ops
        side = ops[-1].side_out
    yield _pointwise("expand", cin, block.hidden, side, block.activation)
    if block.kernel:
        middle = _depthwise("depthwise", block.hidden, side, block.kernel, block.stride, block.activation)
        ops = _smoothed(middle, block.antialias)
        yield from ops
        side = ops[-1].side_out
    yield _pointwise("project", block.hidden, block.out, side, "none")
    if block.gain:
        yield Op("gain", "gain", block.out, block.out, side, side)


def _attention(block: Attention, cin: int, side: int) -> Iterator[Op]:
    """Batch norm, queries, one key and one value for all heads, attention, projection, gain; no bias."""
    queries, mixed, small = block.heads * block.key, block.heads * block.value, -(-side // block.shrink)
    matched = block.heads * small * small
    yield Op("norm", "norm", cin, cin, side, side, norm=True)
    yield Op("query", "conv", cin, queries, side, side)
    for name, out in (("key", block.key), ("value", block.value)):
        reads: tuple[str, ...] = ("norm",)
        if block.shrink > 1:
            yield replace(_depthwise(f"{name}_shrink", cin, side, block.kernel, block.shrink, "none"),
                          reads=reads)  # fmt: skip
            reads = ()
        yield Op(name, "conv", cin, out, small, small, reads=reads)
    yield Op("match", "match", queries, matched, side, side, groups=block.heads, reads=("query", "key"))
    yield Op("mix", "mix", matched, mixed, side, side, groups=block.heads, reads=("match", "value"))
    yield Op("project", "conv", mixed, block.out, side, side)
    if block.gain:
        yield Op("gain", "gain", block.out, block.out, side, side)


def _smoothed(conv: Op, antialias: Antialias) -> tuple[Op, ...]:
    """A strided convolution; against aliasing it runs at stride 1 and its output is smoothed and halved."""
    if antialias == "none" or conv.stride == 1:
        return (conv,)
    side = conv.side_in
    small = max(1, side // 2) if antialias == "average" else conv.side_out  # 2x2 means leave out an odd pixel
    return (
        replace(conv, stride=1, side_out=side),
        Op("smooth", antialias, conv.cout, conv.cout, side, small, stride=2),
    )


# Operations are remembered too: a block that was never seen is mostly made of operations that were.
@lru_cache(maxsize=65536)
def _depthwise(
    name: str, channels: int, side: int, kernel: int, stride: int, activation: OpActivation, dilation: int = 1
) -> Op:
    """One filter per channel."""
    return Op(name, "conv", channels, channels, side, -(-side // stride), kernel, stride, groups=channels,
              norm=True, activation=activation, dilation=dilation)  # fmt: skip


@lru_cache(maxsize=65536)
def _pointwise(name: str, cin: int, cout: int, side: int, activation: OpActivation) -> Op:
    """A 1x1 convolution."""
    return Op(name, "conv", cin, cout, side, side, norm=True, activation=activation)


@lru_cache(maxsize=65536)
def _squeeze(
    channels: int, squeeze: int, side: int, activation: OpActivation, gate: OpActivation
) -> tuple[Op, ...]:
    """Squeeze-and-excitation (V3, section 5.3; MnasNet, figure 7)."""
    return (
        Op("squeeze.pool", "pool", channels, channels, side, 1),
        Op("squeeze.reduce", "conv", channels, squeeze, 1, 1, bias=True, activation=activation),
        Op("squeeze.expand", "conv", squeeze, channels, 1, 1, bias=True, activation=gate),
        Op("squeeze.scale", "scale", channels, channels, side, side, reads=("depthwise", "squeeze.expand")),
    )


@lru_cache(maxsize=4096)
def _lower_head(head: Classifier, cin: int, side: int, kind: HiddenKind) -> Layer:
    """Pool, optional hidden layer, classifier."""
    ops = [Op("pool", "pool", cin, cin, side, 1)]
    if head.hidden:
        norm = head.shift == "norm"
        ops.append(Op("hidden", "conv" if norm else kind, cin, head.hidden, 1, 1, norm=norm,
                      bias=head.shift == "bias", activation=head.activation))  # fmt: skip
    ops.append(Op("classifier", "linear", head.hidden or cin, head.classes, 1, 1, bias=True))
    return Layer(head, tuple(ops))
