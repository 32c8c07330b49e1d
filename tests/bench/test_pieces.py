"""Networks as pieces: nothing is lost, nothing depends on names, every kind of block and head is covered."""

from collections import Counter
from dataclasses import replace

import pytest
from arch_strategies import archs
from hypothesis import given, settings

from mobilenets.arch import lower
from mobilenets.arch.heads import named, with_head
from mobilenets.arch.spec import Attention, Conv, Fused
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.base.errors import ArchError
from mobilenets.bench.families import family, work
from mobilenets.bench.pieces import KINDS, Piece, pieces


@given(archs())
@settings(max_examples=60)
def test_pieces_have_all_the_weights_of_the_network_and_no_more(arch):
    ops = [op for layer in lower(arch) for op in layer.ops]
    assert sum(work(piece).weights for piece in pieces(arch)) == sum(op.weights for op in ops)


@given(archs())
@settings(max_examples=60)
def test_pieces_have_all_the_multiply_adds_outside_attention(arch):
    layers = [layer for layer in lower(arch) if not isinstance(layer.block, Attention)]
    plain = [piece for piece in pieces(arch) if piece.kind not in ("attention", "squeeze")]
    inside = [op for layer in layers for op in layer.ops if op.name.startswith("squeeze.")]
    wanted = sum(layer.macs for layer in layers) - sum(op.macs for op in inside)
    assert sum(round(work(piece).macs * piece.cout) for piece in plain) == wanted


def test_pieces_of_v2_by_hand():
    counted = Counter(pieces(find("mobilenet_v2", resolution=96)))
    assert list(counted)[:5] == [
        Piece("image", 96, 3, 3, sizes=(0,)),
        Piece("conv", 96, 3, 32, kernel=3, stride=2, padding="symmetric"),
        Piece("depthwise", 48, 32, 32, kernel=3, groups=0),
        Piece("conv", 48, 32, 16),
        Piece("conv", 48, 16, 96),
    ]
    assert counted[Piece("conv", 6, 64, 384)] == 4
    assert counted[Piece("add", 6, 64, 64)] == 3
    assert sum(counted.values()) == 1 + 1 + 2 + 16 * 3 + 10 + 1 + 2 + 1
    assert list(counted)[-3:] == [
        Piece("pool", 3, 1280, 1280),
        Piece("linear", 1, 1280, 1000),
        Piece("softmax", 1, 1000, 1000, sizes=(1,)),
    ]


def test_h_swish_is_a_pass_of_its_own_and_squeezing_is_one_piece():
    found = pieces(find("mobilenet_v3_small", resolution=96))
    assert Piece("activation", 48, 16, 16, activation="hardswish") in found
    assert Piece("squeeze", 24, 16, 16, activation="hardsigmoid", sizes=(8,)) in found
    assert not any(piece.kind == "scale" for piece in found)


def test_what_costs_nothing_makes_no_other_piece():
    one = find("mobilenet_v2", resolution=64)
    dialect = replace(one.dialect, name="other", norm_eps=0.01, norm_momentum=0.5)
    blocks = tuple(replace(block, activation="relu") for block in one.blocks)
    other = replace(one, name="other", dialect=dialect, blocks=blocks)
    assert pieces(other) == pieces(one)
    same = replace(one, dialect=replace(one.dialect, padding="same"))
    differing = set(pieces(same)) ^ set(pieces(one))
    assert differing
    assert all(piece.stride == 2 for piece in differing)


def subjects():
    """A network of every kind of block, and one with every head."""
    yield from (find(name, resolution=64) for name in FAMILIES)
    backbone = find("mobilenet_v3_small", resolution=64)
    yield from (with_head(backbone, task, 3) for task in ("detect", "segment", "embed"))
    yield named("ssdlite320_mobilenet_v3_large")
    yield named("deeplabv3_mobilenet_v3_large")
    small = find("mobilenet_v4_conv_small", resolution=64)
    yield from (
        replace(small, blocks=(Fused(3, 8, 8, stride=2, antialias=antialias), *small.blocks))
        for antialias in ("average", "blur")
    )


def test_every_kind_of_piece_comes_from_some_network():
    found = {piece.kind for arch in subjects() for piece in pieces(arch)}
    assert found == set(KINDS)


def test_only_a_stem_that_is_a_plain_convolution_divides_the_pixels_itself():
    arch = find("mobilenet_v2", resolution=32)
    assert isinstance(arch.blocks[0], Conv)
    assert pieces(arch)[0].sizes == (0,)
    fused = replace(arch, blocks=(Fused(3, 8, 32, stride=2), *arch.blocks[1:]))
    assert pieces(fused)[0].sizes == (1,)


def test_families_differ_in_all_but_widths_and_side():
    piece = Piece("conv", 14, 24, 48)
    assert family(piece) == family(Piece("conv", 7, 8, 8))
    assert family(piece) != family(replace(piece, kernel=3))
    squeeze = Piece("squeeze", 7, 32, 32, activation="sigmoid", sizes=(8,))
    assert family(squeeze) == family(replace(squeeze, sizes=(16,)))
    resize = Piece("resize", 7, 32, 32, sizes=(14,))
    assert family(resize) != family(replace(resize, sizes=(28,)))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"kind": "dense"}, "kind must be one of conv"),
        ({"side": 0}, "side must be an integer from 1"),
        ({"kernel": 2}, "kernel must be an odd number"),
        ({"sizes": (3,)}, "sizes of conv must be 0 numbers"),
        ({"padding": "valid"}, "padding must be one of"),
        ({"activation": "swish"}, "activation must be one of"),
        ({"cin": True}, "cin must be an integer"),
    ],
)
def test_pieces_that_cannot_be_are_refused(change, line):
    with pytest.raises(ArchError, match=line):
        replace(Piece("conv", 14, 24, 48), **change)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "conv", "groups": 0},
        {"kind": "squeeze", "sizes": (0,)},
        {"kind": "attention", "sizes": (1, 8, 8, 0, 0)},
        {"kind": "resize", "sizes": (0,)},
    ],
)
def test_numbers_that_mean_nothing_are_refused(given):
    with pytest.raises(ArchError, match="must be an integer from 1"):
        Piece(**{"side": 8, "cin": 8, "cout": 8, **given})


def test_a_detector_on_large_images_is_more_rows_than_any_layer_has_channels():
    arch = with_head(find("mobilenet_v2", resolution=1024), "detect", 90)
    assert max(piece.cin for piece in pieces(arch)) > 1_000_000
