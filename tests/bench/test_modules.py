"""Pieces as modules: what they take and give, and that they compute what the network computes there."""

import pytest
import torch

from mobilenets.arch import lower
from mobilenets.arch.heads import named, with_head
from mobilenets.arch.zoo import find
from mobilenets.bench.families import work
from mobilenets.bench.modules import inputs, module
from mobilenets.bench.pieces import KINDS, Piece, pieces
from mobilenets.exporters.graph import fold_norms
from mobilenets.nn import build

BY_KIND = {
    "conv": Piece("conv", 9, 6, 10, kernel=3, stride=2, groups=2, padding="same"),
    "depthwise": Piece("depthwise", 9, 6, 6, kernel=5, groups=0, dilation=2),
    "linear": Piece("linear", 1, 7, 5),
    "squeeze": Piece("squeeze", 5, 8, 8, activation="hardsigmoid", sizes=(4,)),
    "attention": Piece("attention", 6, 8, 8, kernel=3, sizes=(2, 4, 4, 2, 1)),
    "activation": Piece("activation", 5, 3, 3, activation="gelu"),
    "add": Piece("add", 5, 3, 3),
    "scale": Piece("scale", 5, 3, 3),
    "pool": Piece("pool", 5, 3, 3),
    "average": Piece("average", 6, 3, 3, stride=2),
    "blur": Piece("blur", 6, 3, 3, stride=2),
    "resize": Piece("resize", 5, 3, 3, sizes=(9,)),
    "concat": Piece("concat", 5, 9, 9, sizes=(3,)),
    "image": Piece("image", 8, 3, 3, sizes=(1,)),
    "softmax": Piece("softmax", 1, 4, 4, sizes=(6,)),
    "unit": Piece("unit", 1, 8, 8),
    "rows": Piece("rows", 1, 24, 24, sizes=(4,)),
}
SHAPES = {
    "conv": (1, 10, 5, 5), "linear": (1, 5), "pool": (1, 3), "average": (1, 3, 3, 3), "blur": (1, 3, 3, 3),
    "resize": (1, 3, 9, 9), "softmax": (6, 4), "rows": (1, 24),
}  # fmt: skip


def run(piece):
    """What a piece's module gives for ones."""
    with torch.inference_mode():
        return module(piece).eval()(*map(torch.ones, inputs(piece)))


def test_every_kind_is_here():
    assert set(BY_KIND) == set(KINDS)


@pytest.mark.parametrize("piece", BY_KIND.values(), ids=BY_KIND)
def test_a_piece_gives_as_much_as_it_is_said_to_write(piece):
    out = run(piece)
    assert out.shape == SHAPES.get(piece.kind, inputs(piece)[0] if piece.kind != "concat" else (1, 9, 5, 5))
    assert out.numel() == work(piece).written
    taken = sum(torch.Size(shape).numel() for shape in inputs(piece))
    assert taken >= work(piece).read
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("piece", BY_KIND.values(), ids=BY_KIND)
def test_a_piece_has_the_weights_it_is_said_to_have(piece):
    weights = sum(p.numel() for n, p in module(piece).named_parameters() if p.dim() > 1 and "gamma" not in n)
    assert weights == work(piece).weights


def modules_of(network, kind):
    return [part for part in network.modules() if type(part) is kind]


@pytest.mark.parametrize(
    "arch",
    [
        find("mobilenet_v3_small", resolution=64, dialect="tensorflow"),
        find("mobilenet_v4_hybrid_medium", resolution=64),
        with_head(find("mobilenet_v2", resolution=64), "segment", 3),
        named("ssdlite320_mobilenet_v3_large"),
    ],
    ids=lambda arch: f"{arch.name} {arch.head.task}",
)
def test_pieces_together_have_the_weights_of_the_module(arch):
    """The judge is the torch module after folding: each convolution and linear layer is in one piece."""
    network = build(arch).eval()
    fold_norms(network)
    wanted = sorted(
        part.weight.numel() for kind in (torch.nn.Conv2d, torch.nn.Linear) for part in network.modules()
        if isinstance(part, kind)
    )  # fmt: skip
    found = sorted(
        p.numel()
        for piece in pieces(arch)
        for n, p in module(piece).named_parameters()
        if p.dim() > 1 and "gamma" not in n
    )
    assert found == wanted
    assert len(found) > 20
    assert sum(wanted) == sum(op.weights for layer in lower(arch) for op in layer.ops)


def test_paddings_differ_where_the_dialect_does():
    same, symmetric = (Piece("conv", 8, 2, 2, kernel=3, stride=2, padding=p) for p in ("same", "symmetric"))
    torch.manual_seed(0)
    one, other = module(same), module(symmetric)
    other.load_state_dict(one.state_dict())
    x = torch.rand(1, 2, 8, 8)
    assert one(x).shape == other(x).shape
    assert not torch.equal(one(x), other(x))
