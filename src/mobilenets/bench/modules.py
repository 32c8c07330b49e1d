"""A piece as a torch module, made of the same parts as whole networks, with an example of its inputs."""

from typing import assert_never, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.lower import Op, OpActivation, lower_block
from mobilenets.arch.spec import Attention, Dialect, Padding
from mobilenets.bench.pieces import Piece
from mobilenets.nn.ops import MultiQuery, Pool, Smooth, Squeeze, activation, convolution

Shape = tuple[int, ...]  # of a map (1, C, H, W), or a vector (1, C)


def module(piece: Piece) -> nn.Module:
    """What computes the piece, from maps (1, C, H, W) or vectors (1, C) as `inputs` says."""
    match piece.kind:
        case "conv" | "depthwise":
            return Convolution(piece)
        case "linear":
            return nn.Linear(piece.cin, piece.cout)
        case "squeeze":
            return _squeeze(piece)
        case "attention":
            return _attention(piece)
        case "activation":
            return activation(cast("OpActivation", piece.activation))
        case "pool":
            return Pool()
        case "average" | "blur":
            return Smooth(_op(piece))
        case "add" | "scale" | "resize" | "concat" | "image" | "softmax" | "unit" | "rows":
            return Plain(piece)
        case _:
            assert_never(piece.kind)


def inputs(piece: Piece) -> tuple[Shape, ...]:
    """The shapes of what the module takes."""
    whole = (1, piece.cin, piece.side, piece.side)
    match piece.kind:
        case "linear" | "unit":
            return ((1, piece.cin),)
        case "softmax":
            return ((piece.sizes[0], piece.cin),)
        case "add":
            return (whole, whole)
        case "scale":
            return (whole, (1, piece.cin, 1, 1))
        case "concat" | "rows":
            count = piece.sizes[0]
            shares = [piece.cin // count + (i < piece.cin % count) for i in range(count)]
            return tuple((1, share, piece.side, piece.side) for share in shares)
        case _:
            return (whole,)


class Convolution(nn.Module):
    """A convolution as it is after folding: with a bias, and clamped."""

    def __init__(self, piece: Piece) -> None:
        super().__init__()
        self.conv = convolution(_op(piece), _dialect(piece))

    def forward(self, x: Tensor) -> Tensor:
        """(1, C, H, W) to (1, cout, H / stride, W / stride)."""
        return F.relu(self.conv(x))


class Plain(nn.Module):
    """What has no parts of its own in a network."""

    shift: Tensor

    def __init__(self, piece: Piece) -> None:
        super().__init__()
        self.piece = piece
        self.register_buffer(
            "shift", torch.rand(3, 1, piece.side) + 1 if piece.kind == "image" else torch.ones(0)
        )

    def forward(self, *maps: Tensor) -> Tensor:
        """As the piece's kind says."""
        x, kind = maps[0], self.piece.kind
        if kind == "image":
            return (x - self.shift) / (2 * self.shift) if self.piece.sizes[0] else x - self.shift
        if kind in ("concat", "rows"):
            return torch.cat([m.flatten(1) for m in maps] if kind == "rows" else maps, dim=1)
        if kind == "resize":
            return F.interpolate(x, size=[self.piece.sizes[0]] * 2, mode="bilinear", align_corners=False)
        if kind == "softmax":
            return x.softmax(dim=1)
        if kind == "unit":
            return F.normalize(x, dim=1)
        return maps[0] + maps[1] if kind == "add" else maps[0] * maps[1]


def _op(piece: Piece) -> Op:
    """The operation of a piece that is one; folding has left it a bias."""
    small = -(-piece.side // piece.stride)
    kind = piece.kind if piece.kind in ("average", "blur") else "conv"
    return Op(
        piece.kind, kind, piece.cin, piece.cout, piece.side, small, piece.kernel, piece.stride,
        piece.groups or piece.cin, bias=True, dilation=piece.dilation,
    )  # fmt: skip


def _dialect(piece: Piece) -> Dialect:
    """Only its padding matters."""
    same = piece.padding in get_args(Padding)
    return Dialect("", 1e-3, 0.1, cast("Padding", piece.padding) if same else "symmetric")


def _squeeze(piece: Piece) -> nn.Module:
    """Squeeze-and-excitation."""
    (inner,) = piece.sizes
    reduce = Op("reduce", "conv", piece.cin, inner, 1, 1, bias=True, activation="relu")
    gate = cast("OpActivation", piece.activation)
    expand = Op("expand", "conv", inner, piece.cin, 1, 1, bias=True, activation=gate)
    return Squeeze(reduce, expand, _dialect(piece))


def _attention(piece: Piece) -> nn.Module:
    """Attention without the residual, which is a piece of its own."""
    heads, key, value, shrink, gain = piece.sizes
    block = Attention(piece.cout, heads, key, value, shrink, piece.kernel, bool(gain))
    made = MultiQuery(lower_block(block, piece.cin, piece.side), _dialect(piece))
    made.residual = False
    return made
