"""From a description to operations: `lower(arch)` settles every channel count, side, group and residual.

This is the only place that knows what a block is made of. Counting, building and exporting read its result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Literal, assert_never

from mobilenets.arch.spec import (
    HEADS,
    LRASPP,
    Antialias,
    Arch,
    Attention,
    Block,
    Classifier,
    Conv,
    DeepLab,
    Embedder,
    Fused,
    Head,
    HiddenKind,
    Inverted,
    Separable,
    SSDLite,
    Universal,
)

Kind = Literal["conv", "linear", "pool", "scale", "norm", "gain", "match", "mix", "average", "blur",
               "resize", "concat", "add"]  # fmt: skip
OpActivation = Literal["none", "relu", "relu6", "hardswish", "gelu", "hardsigmoid", "sigmoid"]


@dataclass(frozen=True)
class Op:
    """One operation: `name` within its block, channels and square sides in and out.

    kind "conv" (with `norm`: batch norm and no bias), "linear", "pool" (global average), "scale" (the
    channel-wise multiplication of squeeze-and-excitation), "norm" (batch norm alone), "gain" (a learned
    factor per channel), "match" (softmax of queries by keys: `groups` heads, each a channel per key pixel),
    "mix" (values by those weights), "average" and "blur" (2x2 means and a 3x3 binomial filter, which halve
    the map), "resize" (bilinear), "concat" and "add" of what they read.
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

    @property
    def depthwise(self) -> bool:
        """Whether every channel is filtered by itself, and there are several."""
        return self.groups == self.cin == self.cout > 1

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
    `held` are the entries of each earlier map that a head reads beside the last one, by the index of the
    block that made it; no `peak` counts these.
    Layers are shared between networks that contain the same block at the same place, so all is counted once.
    """

    block: Block | Head
    ops: tuple[Op, ...]
    residual: bool = False
    held: tuple[tuple[int, int], ...] = ()
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

    The block's own input is read by the first operation, and again at the end where it is added. The first
    operation of a head may read an earlier map instead.
    """
    first = ops[0] if not ops[0].reads else next((op for op in ops if INPUT in op.reads), ops[0])
    readers: dict[str, int] = {INPUT: 0}
    before = INPUT
    for index, op in enumerate(ops):
        for name in op.reads or (before,):
            readers[name] = index
        before = op.name
    if residual:
        readers[INPUT] = len(ops) - 1
    alive = {INPUT: first.cin * first.side_in**2}
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
            prefix = "head" if isinstance(layer.block, HEADS) else f"blocks.{index}"
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
    shapes = tuple([tapped(layers, name) for name in arch.head.taps]) or ((channels, side),)
    layers.append(_lower_head(arch.head, shapes, arch.dialect.hidden))
    return Lowered(layers)


def tapped(layers: Sequence[Layer], name: str) -> tuple[int, int]:
    """Channels and side of what an operation of the backbone gives, e.g. `blocks.13.expand`, `blocks.18`."""
    _, index, *part = name.split(".")
    layer = layers[int(index)]
    if not part:
        return layer.channels, layer.side
    op = next(op for op in layer.ops if op.name == part[0])
    return op.cout, op.side_out


@lru_cache(maxsize=65536)
def lower_block(block: Block, cin: int, side: int) -> Layer:
    """The operations of one block on an input of `cin` channels and `side` pixels."""
    ops = tuple(_ops(block, cin, side))
    may_add = not isinstance(block, Conv | Separable) and block.residual
    return Layer(block, ops, may_add and block.stride == 1 and block.out == cin)


def _ops(block: Block, cin: int, side: int) -> Iterator[Op]:
    """What each kind of block is made of."""
    small = -(-side // block.stride)  # both paddings give ceil(side / stride) for odd kernels
    match block:
        case Conv():
            yield Op("", "conv", cin, block.out, side, small, block.kernel, block.stride, norm=True,
                     activation=block.activation)  # fmt: skip
        case Separable():
            yield _depthwise("depthwise", cin, side, block.kernel, block.stride, block.activation,
                             block.dilation)  # fmt: skip
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
                block.stride, block.groups, norm=True, activation=block.activation,
                dilation=block.dilation)  # fmt: skip
    yield from (ops := _smoothed(expand, block.antialias))
    yield _pointwise("project", block.hidden, block.out, ops[-1].side_out, "none")


def _universal(block: Universal, cin: int, side: int) -> Iterator[Op]:
    """Linear depthwise, expansion, depthwise, linear projection, gain: the depthwise layers are optional."""
    if block.start:
        stride = 1 if block.kernel else block.stride
        first = _depthwise("start", cin, side, block.start, stride, "none", block.dilation)
        ops = _smoothed(first, block.antialias)
        yield from ops
        side = ops[-1].side_out
    yield _pointwise("expand", cin, block.hidden, side, block.activation)
    if block.kernel:
        middle = _depthwise("depthwise", block.hidden, side, block.kernel, block.stride, block.activation,
                            block.dilation)  # fmt: skip
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


Shapes = tuple[tuple[int, int], ...]  # channels and side of each map that a head reads, the last block's last


@lru_cache(maxsize=4096)
def _lower_head(head: Head, shapes: Shapes, kind: HiddenKind) -> Layer:
    """What each kind of head is made of."""
    match head:
        case Classifier():
            return Layer(head, tuple(_classifier(head, *shapes[-1], kind)))
        case Embedder():
            cin, side = shapes[-1]
            pool = Op("pool", "pool", cin, cin, side, 1)
            return Layer(head, (pool, Op("project", "linear", cin, head.size, 1, 1, bias=True)))
        case SSDLite():
            ops = _ssdlite(head, shapes)
        case LRASPP():
            ops = _lraspp(head, shapes)
        case DeepLab():
            ops = _deeplab(head, *shapes[-1])
        case _:
            assert_never(head)
    earlier = zip(head.taps[:-1], shapes[:-1], strict=True)
    held = tuple([(int(name.split(".")[1]), channels * side * side) for name, (channels, side) in earlier])
    return Layer(head, tuple(ops), held=held)


def _classifier(head: Classifier, cin: int, side: int, kind: HiddenKind) -> Iterator[Op]:
    """Pool, optional hidden layer, classifier."""
    yield Op("pool", "pool", cin, cin, side, 1)
    if head.hidden:
        norm = head.shift == "norm"
        yield Op("hidden", "conv" if norm else kind, cin, head.hidden, 1, 1, norm=norm,
                 bias=head.shift == "bias", activation=head.activation)  # fmt: skip
    yield Op("classifier", "linear", head.hidden or cin, head.classes, 1, 1, bias=True)


def _ssdlite(head: SSDLite, shapes: Shapes) -> Iterator[Op]:
    """Further maps, each half as large; two separable convolutions on every map, for boxes and classes."""
    maps = [(name, *shape) for name, shape in zip(head.taps, shapes, strict=True)]
    maps[-1] = (INPUT, *shapes[-1])
    for index, out in enumerate(head.extras):
        name, (before, cin, side) = f"extras.{index}", maps[-1]
        yield replace(_pointwise(f"{name}.reduce", cin, out // 2, side, "relu6"), reads=(before,))
        depthwise = _depthwise(f"{name}.depthwise", out // 2, side, 3, 2, "relu6")
        yield depthwise
        yield _pointwise(f"{name}.expand", out // 2, out, depthwise.side_out, "relu6")
        maps.append((f"{name}.expand", out, depthwise.side_out))
    classes = head.classes + (head.scoring == "softmax")
    for index, ((before, cin, side), sizes) in enumerate(zip(maps, head.anchors, strict=True)):
        for name, each in (("boxes", 4), ("scores", classes)):
            depthwise = _depthwise(f"{name}.{index}.depthwise", cin, side, 3, 1, "relu6")
            yield replace(depthwise, reads=(before,))
            yield Op(f"{name}.{index}.predict", "conv", cin, each * len(sizes), side, side, bias=True)


def _lraspp(head: LRASPP, shapes: Shapes) -> Iterator[Op]:
    """A gated 1x1 convolution on the last map, enlarged; class scores of it and of the finer map, added."""
    (fine, fine_side), (cin, side) = shapes
    mid = head.channels
    yield _pointwise("high", cin, mid, side, "relu")
    yield Op("pool", "pool", cin, cin, side, 1, reads=(INPUT,))
    yield Op("gate", "conv", cin, mid, 1, 1, activation="sigmoid")
    yield Op("scale", "scale", mid, mid, side, side, reads=("high", "gate"))
    yield Op("enlarge", "resize", mid, mid, side, fine_side)
    yield Op("high_classifier", "conv", mid, head.classes, fine_side, fine_side, bias=True)
    yield Op("low_classifier", "conv", fine, head.classes, fine_side, fine_side, bias=True,
             reads=(head.taps[0],))  # fmt: skip
    yield Op("add", "add", head.classes, head.classes, fine_side, fine_side,
             reads=("low_classifier", "high_classifier"))  # fmt: skip


def _deeplab(head: DeepLab, cin: int, side: int) -> Iterator[Op]:
    """Branches on the last map side by side, projected, perhaps refined, classified."""
    mid, names = head.channels, ["branches.0"]
    yield _pointwise(names[0], cin, mid, side, "relu")
    for index, rate in enumerate(head.rates, start=1):
        names.append(f"branches.{index}")
        yield Op(names[-1], "conv", cin, mid, side, side, 3, norm=True, activation="relu", dilation=rate,
                 reads=(INPUT,))  # fmt: skip
    yield Op("pool", "pool", cin, cin, side, 1, reads=(INPUT,))
    yield _pointwise("mean", cin, mid, 1, "relu")
    yield Op("spread", "resize", mid, mid, 1, side)
    names.append("spread")
    wide = mid * len(names)
    yield Op("join", "concat", wide, wide, side, side, reads=tuple(names))
    yield _pointwise("project", wide, mid, side, "relu")
    if head.refine:
        yield Op("refine", "conv", mid, mid, side, side, 3, norm=True, activation="relu")
    yield Op("classifier", "conv", mid, head.classes, side, side, bias=True)
