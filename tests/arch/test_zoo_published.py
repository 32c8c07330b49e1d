"""The authors' figures: each for a network of the zoo at one input side."""

import pytest

from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.arch.zoo.published import SIDES, TOP1, published_side, published_top1


def test_every_figure_is_for_a_network_with_a_source():
    assert len(TOP1) > 30
    assert set(SIDES) <= set(FAMILIES)
    for (family, width), (top1, source) in TOP1.items():
        assert find(family, width=width, resolution=published_side(family)).name == family
        assert 40 < top1 < 90
        assert len(source) > 10


@pytest.mark.parametrize("family", sorted({family for family, _ in TOP1}))
def test_a_wider_network_is_better(family):
    widths = sorted(width for name, width in TOP1 if name == family)
    figures = [published_top1(family, width, published_side(family)).top1 for width in widths]
    assert figures == sorted(figures)


def test_a_figure_is_not_given_for_another_side():
    assert published_top1("mobilenet_v4_conv_large", 1.0) is None
    assert published_top1("mobilenet_v4_conv_large", 1.0, 384).top1 == 82.9
    assert published_top1("mobilenet_v4_conv_small", 1.0).top1 == 73.8
    assert published_top1("mobilenet_v2", 1.0, 192) is None
    assert published_top1("mnasnet_a1", 0.4) is None
