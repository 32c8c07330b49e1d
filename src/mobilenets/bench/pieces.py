"""A network as the pieces whose times add up to its latency: what is measured, and what a table keys on.

A piece is an operation, or several that always come together, described by what decides its time and nothing
else: no names, no norms (they are folded into the weights), no activation that runtimes do within the
convolution. It is made from lowered operations, so that every kind of block and head is covered.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, get_args

from mobilenets.arch.checks import count, geometry, one_of, positive
from mobilenets.arch.lower import Layer, Lowered, Op, OpActivation, lower
from mobilenets.arch.spec import Arch, Attention, Conv, Embedder, Head, Padding, SSDLite
from mobilenets.base.errors import ArchError, shown

Kind = Literal[
    "conv", "depthwise", "linear", "squeeze", "attention", "activation", "add", "scale", "pool",
    "average", "blur", "resize", "concat", "image", "softmax", "unit", "rows",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
SIZES = {
    "image": 1,
    "squeeze": 1,
    "attention": 5,
    "resize": 1,
    "concat": 1,
    "softmax": 1,
    "rows": 1,
}  # how many each has
ENTRIES, MOST_ENTRIES = ("rows", "concat", "activation"), 10**9  # kinds that may count entries, not channels
FUSED = ("none", "relu", "relu6")  # runtimes clamp while they write the output, at no cost


@dataclass(frozen=True, order=True)
class Piece:
    """What decides how long a piece takes: `side` of its square input, channels in and out, and by kind:

    conv, depthwise   kernel, stride, groups (0 in a depthwise one, whose groups are its channels), dilation;
                      padding of those that stride, where dialects differ
    linear            side 1
    squeeze           squeeze-and-excitation, pooling to scaling; sizes: channels inside; activation: gate
    attention         sizes: heads, key, value, shrink, gain (0 or 1); kernel of the shrinking convolution
    activation        one pass over the map by an `activation` that is not fused into what comes before
    add, scale        of two maps; of a map by a vector
    pool              global average; average, blur: 2x2 means and the 3x3 filter, which halve the map
    resize            sizes: side of the output
    concat            sizes: how many maps; cin, cout: channels of all together
    image             raw pixels less their mean; sizes: 1 where they are divided here, 0 where by the stem
    softmax           over the channels, side 1; sizes: how many rows of them
    unit              a vector brought to length 1
    rows              a detector's maps as rows of one list; cin: entries in all; sizes: how many maps
    """

    kind: Kind
    side: int
    cin: int
    cout: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    padding: str = ""
    activation: str = ""
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises ArchError."""
        one_of("kind", self.kind, KINDS)
        geometry(self.kernel, self.stride, side=self.side)
        for name, number in (("cin", self.cin), ("cout", self.cout)):
            if self.kind not in ENTRIES:
                positive(**{name: number})
            elif type(number) is not int or not 1 <= number <= MOST_ENTRIES:
                raise ArchError(
                    f"{name} must be an integer from 1 to {MOST_ENTRIES} here, got {shown(number)}"
                )
        positive(dilation=self.dilation)
        if self.kind != "depthwise":
            positive(groups=self.groups)
        elif self.groups or self.cin != self.cout:
            raise ArchError(
                "groups of a depthwise piece must be 0 and cout its cin, "
                f"got groups {self.groups} and {self.cin} -> {self.cout}"
            )
        one_of("padding", self.padding, ("", *get_args(Padding)))
        strides = self.kind in ("conv", "depthwise") and self.stride > 1 and self.kernel > 1
        if strides != bool(self.padding):
            wish = f"{' or '.join(get_args(Padding))} where a kernel strides" if strides else "empty here"
            raise ArchError(f"padding must be {wish}, got {shown(self.padding)}")
        one_of("activation", self.activation, ("", *get_args(OpActivation)))
        if len(self.sizes) != SIZES.get(self.kind, 0):
            raise ArchError(
                f"sizes of {self.kind} must be {SIZES.get(self.kind, 0)} numbers, got {shown(self.sizes)}"
            )
        for index, size in enumerate(self.sizes):
            if self.kind == "softmax" and type(size) is int and 1 <= size <= MOST_ENTRIES:
                continue  # as many rows as pixels of a mask
            flag = self.kind == "image" or (self.kind == "attention" and index == len(self.sizes) - 1)
            (count if flag else positive)(**{f"sizes[{index}]": size})

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without what is as usual."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        usual = {one.name: one.default for one in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value != usual[name]
        }

    def __str__(self) -> str:
        """For a person: `conv 1x1 24->144 at 56`."""
        parts = [self.kind, f"{self.kernel}x{self.kernel}" if self.kernel > 1 else "", self.activation]
        parts += [
            f"{self.cin}->{self.cout} at {self.side}",
            f"stride {self.stride}" if self.stride > 1 else "",
        ]
        return " ".join(part for part in parts if part)


def pieces(arch: Arch) -> tuple[Piece, ...]:
    """Every piece of a network as it is exported, in order; what occurs twice is there twice.

    A detector is taken in the form without NMS, a segmenter in that which gives scores (docs/files.md).
    """
    layers = lower(arch)
    inner = [piece for layer in layers for piece in of_layer(layer, arch.dialect.padding)]
    return (*image_of(arch), *inner, *answer_of(arch, layers))


def image_of(arch: Arch) -> tuple[Piece, ...]:
    """What an exported file does to raw pixels; a stem that is a plain convolution divides them itself."""
    return _image(arch.resolution, not isinstance(arch.blocks[0], Conv))


def answer_of(arch: Arch, layers: Lowered) -> tuple[Piece, ...]:
    """What an exported file does with the output of the head; `layers` are the network lowered."""
    last = layers[-1]
    return _answer(
        arch.head, last.side, arch.resolution, _rows(last) if isinstance(arch.head, SSDLite) else 0
    )


@lru_cache(maxsize=65536)
def of_layer(layer: Layer, padding: Padding) -> tuple[Piece, ...]:
    """The pieces of one block or head."""
    return tuple(_of_layer(layer, padding))


def _of_layer(layer: Layer, padding: Padding) -> Iterator[Piece]:
    """The pieces of one block or head."""
    first, last = layer.ops[0], layer.ops[-1]
    if isinstance(block := layer.block, Attention):
        sizes = (block.heads, block.key, block.value, block.shrink, int(block.gain))
        kernel = block.kernel if block.shrink > 1 else 1
        yield Piece("attention", first.side_in, first.cin, block.out, kernel, sizes=sizes)
    else:
        squeezing = {op.name: op for op in layer.ops if op.name.startswith("squeeze.")}
        for op in layer.ops:
            if op.name not in squeezing:
                yield from _of_op(op, padding)
            elif op.name == "squeeze.pool":
                yield from _squeeze(op, squeezing["squeeze.reduce"], squeezing["squeeze.expand"])
    if layer.residual:
        yield Piece("add", last.side_out, last.cout, last.cout)


def _of_op(op: Op, padding: Padding) -> Iterator[Piece]:
    """One operation, and the pass of its activation where that is one of its own."""
    match op.kind:
        case "conv":
            yield Piece(
                "depthwise" if op.depthwise else "conv", op.side_in, op.cin, op.cout, op.kernel, op.stride,
                0 if op.depthwise else op.groups, op.dilation,
                padding if op.stride > 1 and op.kernel > 1 else "",
            )  # fmt: skip
        case "average" | "blur":
            yield Piece(op.kind, op.side_in, op.cin, op.cout, stride=op.stride)
        case "resize":
            yield Piece("resize", op.side_in, op.cin, op.cout, sizes=(op.side_out,))
        case "concat":
            yield Piece("concat", op.side_in, op.cin, op.cout, sizes=(len(op.reads),))
        case "linear" | "pool" | "scale" | "add":
            yield Piece(op.kind, op.side_in, op.cin, op.cout)
        case "gain":
            pass  # converters fold it into the convolution before it
        case "norm" | "match" | "mix":
            raise AssertionError(f"{op.kind} occurs within attention only, which is one piece")
    yield from _activation(op.activation, op.side_out, op.cout)


def _squeeze(pool: Op, reduce: Op, expand: Op) -> Iterator[Piece]:
    """Squeeze-and-excitation on the map that `pool` reads."""
    yield Piece(
        "squeeze", pool.side_in, pool.cin, pool.cin, activation=expand.activation, sizes=(reduce.cout,)
    )
    yield from _activation(reduce.activation, 1, reduce.cout)


def _activation(name: str, side: int, channels: int) -> Iterator[Piece]:
    """The pass of an activation, where it is one of its own."""
    if name not in FUSED:
        yield Piece("activation", side, channels, channels, activation=name)


@lru_cache(maxsize=1024)
def _image(side: int, divided: bool) -> tuple[Piece, ...]:
    """The pieces of `image_of`."""
    return (Piece("image", side, 3, 3, sizes=(int(divided),)),)


@lru_cache(maxsize=4096)
def _answer(head: Head, side: int, resolution: int, rows: int) -> tuple[Piece, ...]:
    """The pieces of `answer_of`."""
    match head.task:
        case "classify":
            return (Piece("softmax", 1, head.classes, head.classes, sizes=(1,)),)
        case "segment":
            return (
                Piece("resize", side, head.classes, head.classes, sizes=(resolution,)),
                Piece("softmax", 1, head.classes, head.classes, sizes=(resolution**2,)),
            )
        case "detect":
            assert isinstance(head, SSDLite)
            maps, softmax = len(head.anchors), head.scoring == "softmax"
            entries = head.classes + softmax
            return (
                Piece("rows", 1, 4 * rows, 4 * rows, sizes=(maps,)),
                Piece("rows", 1, entries * rows, entries * rows, sizes=(maps,)),
                Piece("softmax", 1, entries, entries, sizes=(rows,)) if softmax else
                Piece("activation", 1, rows * entries, rows * entries, activation="sigmoid"),
            )  # fmt: skip
        case "embed":
            assert isinstance(head, Embedder)
            return (Piece("unit", 1, head.size, head.size),)


def _rows(layer: Layer) -> int:
    """How many boxes a detector has."""
    return sum(op.cout // 4 * op.side_out**2 for op in layer.ops if op.name.startswith("boxes.") and op.bias)
