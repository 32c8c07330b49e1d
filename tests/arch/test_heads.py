"""Heads: counts beside the published tables, where they read, what is halved, and what cannot be."""

import pytest

from mobilenets.arch import Fused, codec, cost, lower
from mobilenets.arch.anchors import anchors
from mobilenets.arch.heads import (
    EXTRAS,
    called,
    deeplab,
    embedder,
    fine_tap,
    halve,
    lraspp,
    raspp,
    ssdlite,
    with_head,
)
from mobilenets.arch.published_heads import DETECTORS, SEGMENTERS, macs_of
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.arch.zoo.strides import at_output_stride
from mobilenets.base.errors import ArchError, UnknownName, UsageError


@pytest.mark.parametrize("row", DETECTORS + SEGMENTERS, ids=lambda row: row.name)
def test_counts_are_near_the_published_ones(row):
    """Within 5 % in parameters and 7.5 % in MACs; docs/heads.md says why each differs."""
    assert cost(row.build()).params == pytest.approx(1e6 * row.params, rel=0.05)
    assert macs_of(row) == pytest.approx(1e9 * row.macs, rel=0.075)


@pytest.mark.parametrize(
    ("name", "tap"),
    [
        ("mobilenet_v1", "blocks.11"),  # the pointwise output before the last halving: it does not expand
        ("mobilenet_v2", "blocks.14.expand"),  # slim's layer_15 counts from 1
        ("mobilenet_v3_large", "blocks.13.expand"),
        ("mobilenet_v3_small", "blocks.9.expand"),
    ],
)
def test_where_detectors_read(name, tap):
    assert ssdlite(find(name), 3).head.taps[0] == tap


def test_a_fused_block_strides_while_it_expands_and_has_no_such_map():
    arch = find("mobilenet_v4_conv_medium")
    assert isinstance(arch.blocks[1], Fused)
    assert fine_tap(arch, 2) == "blocks.0"
    assert fine_tap(arch, 16) == "blocks.12.expand"


def test_anchors_of_both_readings():
    """2034 boxes in TensorFlow's reading at 320 pixels, 3234 in torchvision's; all within the image."""
    arch = find("mobilenet_v3_large", resolution=320)
    few, many = anchors(ssdlite(arch, 3)), anchors(ssdlite(arch, 3, reading="torchvision"))
    assert (len(few), len(many)) == (2034, 3234)
    long, short = 0.2 * 2**0.5, 0.1 * 2**0.5
    wanted = [(0.025, 0.025, *size) for size in ((0.1, 0.1), (long, short), (short, long))]
    assert all(one == pytest.approx(other) for one, other in zip(few, wanted, strict=False))
    assert all(0 < share <= 1 for box in few + many for share in box)


def test_every_backbone_carries_every_head():
    for name in FAMILIES:
        arch = find(name, resolution=96)
        assert cost(ssdlite(arch, 3)).macs > 0
        assert lower(lraspp(arch, 3))[-1].side == 12  # stride 8
        assert lower(deeplab(arch, 3, output_stride=8))[-1].side == 12
        assert lower(embedder(arch, size=64))[-1].channels == 64


def test_heads_by_name():
    arch = find("mobilenet_v2")
    assert with_head(arch, "segment", 3) == lraspp(arch, 3)
    assert with_head(arch, "segment", 3, head="raspp", halved=True) == raspp(arch, 3, halved=True)
    assert with_head(arch, "detect", 3, halved=True) == ssdlite(arch, 3, halved=True)
    assert with_head(arch, "embed", 3, size=64) == embedder(arch, size=64)


def test_halving_is_torchvisions_reduced_tail_and_table_6():
    arch = halve(find("mobilenet_v3_large"))
    assert [(b.hidden, b.out) for b in arch.blocks[13:16]] == [(672, 80), (480, 80), (480, 80)]
    assert arch.blocks[16].out == 480
    arch = halve(find("mobilenet_v3_large"), expansion=True)  # "RF2" of table 7
    assert [block.hidden for block in arch.blocks[13:16]] == [336, 480, 480]


def test_held_maps_count_in_the_memory():
    arch = find("mobilenet_v2", resolution=320)
    assert cost(ssdlite(arch, 3)).peak_bytes >= cost(arch).peak_bytes
    assert lower(lraspp(arch, 3))[-1].held == ((6, 192 * 40 * 40),)
    assert lower(lraspp(arch, 3, reading="torchvision"))[-1].held == ((4, 32 * 40 * 40),)


def test_what_cannot_be_is_refused():
    arch = find("mobilenet_v2")
    with pytest.raises(UnknownName, match="no task 'detekt'; did you mean detect"):
        with_head(arch, "detekt", 3)
    with pytest.raises(UnknownName, match="no head to segment 'lrasp'; did you mean lraspp"):
        with_head(arch, "segment", 3, head="lrasp")
    with pytest.raises(UsageError, match="ssdlite has no output_stride; leave it out"):
        with_head(arch, "detect", 3, output_stride=8)
    with pytest.raises(UsageError, match="a classifier has no head and no halved; leave it out"):
        with_head(arch, "classify", 3, head="lraspp", halved=True)
    with pytest.raises(UnknownName, match="reading of SSDLite"):
        ssdlite(arch, 3, reading="keras")
    with pytest.raises(ArchError, match="needs 7 scales, got 2"):
        ssdlite(arch, 3, scales=(0.1, 0.2))
    with pytest.raises(ArchError, match=r"extras\[0\] must be at least 2"):
        ssdlite(arch, 3, extras=(1, *EXTRAS[1:]))
    with pytest.raises(ArchError, match="no detection head"):
        anchors(arch)


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_the_finer_map_of_lraspp_is_the_same_at_every_output_stride(stride):
    """slim's layer_7/depthwise_output of V3-Large; V2's last block of 32 channels."""
    assert lraspp(find("mobilenet_v3_large"), 3, output_stride=stride).head.taps[0] == "blocks.6.depthwise"
    assert lraspp(find("mobilenet_v2"), 3, output_stride=stride).head.taps[0] == "blocks.6.depthwise"


def test_only_what_feeds_a_classifier_is_left_away():
    for width in (1.0, 1.4):
        assert len(raspp(find("mobilenet_v3_large", width), 3).blocks) == 17
        assert len(raspp(find("mobilenet_v2", width), 3).blocks) == 18


def test_a_backbone_that_is_spread_already_stays_so():
    spread = find("mobilenet_v3_large", output_stride=16)
    assert deeplab(spread, 3).blocks == deeplab(find("mobilenet_v3_large"), 3).blocks
    assert at_output_stride(spread, 8) == find("mobilenet_v3_large", output_stride=8)


@pytest.mark.parametrize("name", ["ssdlite320", "lraspp", "deeplabv3"])
def test_heads_are_plain_data_and_back(name):
    arch = called(f"{name}_mobilenet_v3_large")
    assert codec.decode(codec.encode(arch)) == arch
