"""Random networks and the choice of their pieces: repeatable, within bounds, spread out."""

import pytest

from mobilenets.arch import edit, lower
from mobilenets.arch.heads import with_head
from mobilenets.arch.spec import Inverted
from mobilenets.arch.widths import widths
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError
from mobilenets.bench.pieces import Piece, pieces
from mobilenets.bench.sampling import narrower, spread, varied

SEEDS = [
    find(name, resolution=96) for name in ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mnasnet_a1")
]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_varied_networks_repeat_by_their_number_and_keep_strides_and_activations(seed):
    several = [varied(seed, number) for number in range(30)]
    assert several == [varied(seed, number) for number in range(30)]
    assert len(set(several)) == 30
    for arch in several:
        assert [block.stride for block in arch.blocks if block.stride > 1] == [
            block.stride for block in seed.blocks if block.stride > 1
        ]
        assert {block.activation for block in arch.blocks} <= {block.activation for block in seed.blocks}
        assert all(block.out % 8 == 0 for block in arch.blocks)
        assert lower(arch)[-1].channels == 1000


def test_varied_networks_differ_in_all_that_is_drawn():
    seed = find("mobilenet_v3_small", resolution=96)
    blocks = [
        block for number in range(20) for block in varied(seed, number).blocks if isinstance(block, Inverted)
    ]
    assert {block.kernel for block in blocks} == {3, 5}
    assert {bool(block.squeeze) for block in blocks} == {True, False}
    assert len({block.hidden for block in blocks}) > 40
    assert len({len(varied(seed, number).blocks) for number in range(20)}) > 2
    sevens = {
        block.kernel
        for n in range(9)
        for block in varied(seed, n, (7,)).blocks
        if isinstance(block, Inverted)
    }
    assert sevens == {7}
    assert not any(b.squeeze for n in range(9) for b in varied(SEEDS[1], n).blocks if isinstance(b, Inverted))


def test_no_space_around_a_detector():
    with pytest.raises(
        UsageError, match=r"random networks are drawn around classifiers, .* is there to detect"
    ):
        varied(with_head(find("mobilenet_v2"), "detect", 3), 0)


def test_narrower_networks_are_never_wider_and_span_all_sizes():
    seed = with_head(find("mobilenet_v3_small", resolution=96), "segment", 3)
    present = {width.name: width.channels for width in widths(seed)}
    shares = []
    for number in range(40):
        arch = narrower(seed, number)
        assert narrower(seed, number) == arch
        assert [layer.residual for layer in lower(arch)] == [layer.residual for layer in lower(seed)]
        found = {width.name: width.channels for width in widths(arch)}
        assert all(found[name] <= present[name] and found[name] % 8 == 0 for name in found)
        shares.append(sum(found.values()) / sum(present.values()))
    assert min(shares) < 0.25
    assert max(shares) > 0.75


def ones(*channels):
    return [Piece("conv", 14, 64, cout) for cout in channels]


def test_pieces_are_chosen_far_from_each_other():
    offered = ones(8, 16, 24, 32, 64, 120, 128, 136, 256)
    assert spread([], offered, lambda _: 3) == ones(256, 8, 32) or spread([], offered, lambda _: 3)[
        :2
    ] == ones(256, 8)
    assert len(spread([], offered, lambda _: 3)) == 3
    chosen = spread(ones(128), offered, lambda _: 4)
    assert chosen[0] == ones(128)[0]
    assert ones(8)[0] in chosen
    assert ones(120)[0] not in chosen


def test_what_is_known_is_not_measured_again_and_counts():
    offered = ones(8, 16, 24, 32, 64, 120, 128, 136, 256)
    known = spread([], offered, lambda _: 4)
    assert spread([], offered, lambda _: 4, known) == []
    assert spread(ones(72), offered, lambda _: 4, known) == ones(72)
    assert len(spread([], offered, lambda _: 6, known)) == 2


def test_every_family_and_side_of_the_offer_is_covered():
    seed = find("mobilenet_v3_small", resolution=96)
    offered = [piece for number in range(20) for piece in pieces(varied(seed, number))]
    chosen = spread(pieces(seed), offered, lambda _: 3)
    assert set(pieces(seed)) <= set(chosen)
    assert len(chosen) == len(set(chosen)) < len(set(offered)) / 3

    def keys(several):
        return {(piece.kind, piece.kernel, piece.stride, piece.side) for piece in several}

    assert keys(chosen) == keys(offered) | keys(pieces(seed))


def test_equal_sides_share_what_was_measured():
    """Networks at 96 and 192 pixels have maps of 48, 24, 12 and 6 pixels in common."""
    small, large = find("mobilenet_v2", resolution=96), find("mobilenet_v2", resolution=192)
    assert edit.at(large, 96) == small
    both = spread([*pieces(small), *pieces(large)], [], lambda _: 0)
    assert len(both) < len(set(pieces(small))) + len(set(pieces(large)))
