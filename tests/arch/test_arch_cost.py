"""Counting: sums over operations, peak memory by hand, and nothing that counts twice."""

from dataclasses import replace

import pytest
from arch_strategies import archs
from hypothesis import given

from mobilenets.arch import (
    Arch,
    Attention,
    Classifier,
    Conv,
    Dialect,
    Fused,
    Inverted,
    Separable,
    Universal,
    cost,
    lower,
    zoo,
)
from mobilenets.arch.cost import cost_per_op
from mobilenets.arch.spec import SSDLite

PLAIN = Dialect("plain", 1e-3, 0.1)


def tiny(*blocks, resolution=8, head=None):
    return Arch("tiny", resolution, blocks, head or Classifier(10), PLAIN)


def test_a_small_network_by_hand():
    arch = tiny(Conv(3, 4, stride=2), Inverted(3, 8, 4, squeeze=2), head=Classifier(10, hidden=6))
    stem = 3 * 3 * 3 * 4
    expand, depthwise, squeeze, project = 4 * 8, 9 * 8, 8 * 2, 8 * 4
    head = 4 * 6, 6 * 10
    weights = stem + expand + depthwise + 2 * squeeze + project + sum(head)
    norms_and_biases = 2 * (4 + 8 + 8 + 4) + (2 + 8) + (6 + 10)
    assert cost(arch).params == weights + norms_and_biases
    assert cost(arch).macs == 16 * (stem + expand + depthwise + project) + 2 * squeeze + sum(head)


def test_the_new_blocks_by_hand():
    arch = tiny(
        Fused(3, 8, 4, stride=2), Universal(3, 5, 16, 4, gain=True), Attention(4, 2, 3, 5, shrink=2),
        head=Classifier(10, hidden=6, shift="norm"),
    )  # fmt: skip
    fused = 9 * 3 * 8, 8 * 4
    universal = 9 * 4, 4 * 16, 25 * 16, 16 * 4
    shrinks, shared, others = 2 * 9 * 4, 4 * 3 + 4 * 5, 4 * 6 + 10 * 4
    head = 4 * 6, 6 * 10
    norms = 2 * (8 + 4) + 2 * (4 + 16 + 16 + 4) + 2 * (4 + 4 + 4) + 2 * 6
    gains_and_biases = 4 + 4 + 10
    weights = sum(fused) + sum(universal) + shrinks + shared + others + sum(head)
    assert cost(arch).params == weights + norms + gains_and_biases
    assert cost(arch).macs == 16 * (sum(fused) + sum(universal) + others) + 4 * (shrinks + shared) + sum(head)


@pytest.mark.parametrize(
    ("arch", "entries"),
    [
        # the stem's input 3x8x8 and output 4x4x4
        (tiny(Conv(3, 4, stride=2)), 192 + 64),
        # its depthwise layer: input 4x8x8 and output alike
        (tiny(Conv(3, 4), Separable(3, 4)), 256 + 256),
        # the depthwise layer of a residual: input and output 8x4x4, while 4x4x4 waits to be added
        (tiny(Conv(3, 4, stride=2), Inverted(3, 8, 4)), 128 + 128 + 64),
        # without a residual nothing waits
        (tiny(Conv(3, 4, stride=2), Inverted(3, 8, 5)), 128 + 128),
        # scaling: tensor, gate of 8 and result, while 4x4x4 waits to be added
        (tiny(Conv(3, 4, stride=2), Inverted(3, 8, 4, squeeze=2)), 128 + 8 + 128 + 64),
        # squeezing to more channels than there are: 8 to 100, while 8x1x1 waits to be scaled
        (tiny(Conv(3, 4, stride=2), Inverted(3, 8, 5, squeeze=100), resolution=2), 8 + 100 + 8),
        # before smoothing a convolution runs at stride 1: 3x8x8 to 8x8x8
        (tiny(Fused(3, 8, 4, stride=2, antialias="average")), 192 + 512),
        # smoothing itself: 16x8x8 to 16x4x4
        (tiny(Fused(3, 16, 4, stride=2, antialias="average"), resolution=8), 1024 + 256),
        # attention of 2 heads over 16 pixels: the matches, the queries 6x4x4 and key 3x4x4 they come from,
        # the value 3x4x4 they will be mixed with, and the 4x4x4 to be added to
        (tiny(Conv(3, 4, stride=2), Attention(4, 2, 3, 3), head=Classifier(1)), 2 * 256 + 96 + 48 + 48 + 64),
        # a large classifier after a small body
        (tiny(Conv(1, 1, stride=2), resolution=2, head=Classifier(5000)), 1 + 5000),
    ],
)
def test_peak_memory_by_hand(arch, entries):
    assert cost(arch).peak_bytes == 4 * entries


def test_peak_memory_of_a_head_that_reads_an_earlier_map_first():
    head = SSDLite(1, ("blocks.0", "blocks.1"), (), (((1.0, 1.0),),) * 2)
    arch = tiny(Conv(1, 3), Conv(1, 16), head=head, resolution=1)
    # both maps, boxes and scores of the first, boxes of the last, the depthwise layer before its scores
    assert cost(arch).peak_bytes == 4 * (3 + 16 + 4 + 1 + 4 + 16)


@given(archs())
def test_a_network_costs_what_its_operations_cost(arch):
    whole, per_op = cost(arch), cost_per_op(arch)
    assert whole.params == sum(op.params for _, op in per_op)
    assert whole.macs == sum(op.macs for _, op in per_op)
    assert whole.peak_bytes >= 4 * max(op.elements for _, op in per_op)
    assert whole == cost(lower(arch))


@given(archs())
def test_parameters_do_not_depend_on_the_resolution_and_macs_do(arch):
    larger = replace(arch, resolution=arch.resolution * 2)
    assert cost(larger).params == cost(arch).params
    assert cost(larger).macs >= cost(arch).macs


def test_only_convolutions_and_linear_layers_have_macs():
    for name, op in cost_per_op(zoo.find("mobilenet_v3_large")):
        assert (op.macs > 0) == (op.kind in ("conv", "linear")), name


def test_v1_shares_are_those_of_the_paper():
    """Table 2 of the V1 paper: 1x1 convolutions 94.86 % of the MACs and 74.59 % of the parameters."""
    ops = [op for _, op in cost_per_op(zoo.find("mobilenet_v1"))]
    pointwise = [op for op in ops if op.kind == "conv" and op.kernel == 1]
    assert sum(op.macs for op in pointwise) / sum(op.macs for op in ops) == pytest.approx(0.9486, abs=5e-4)
    assert sum(op.params for op in pointwise) / sum(op.params for op in ops) == pytest.approx(
        0.7459, abs=4e-3
    )
