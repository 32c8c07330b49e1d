"""Published latencies: of networks that there are, in an order that could be, each with its source."""

from itertools import pairwise

from mobilenets.arch import cost
from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.arch.zoo.latencies import LATENCIES, published_latencies


def test_every_figure_belongs_to_a_network_and_has_its_terms():
    assert sum(map(len, LATENCIES.values())) > 100
    for (family, width, side), figures in LATENCIES.items():
        assert family in FAMILIES
        assert 1e6 < cost(find(family, width, side)).macs < 1e10
        for one in figures:
            assert 0.1 < one.ms < 500
            assert one.precision in ("float32", "float16", "int8", "unstated")
            assert one.device
            assert one.source


def test_more_work_takes_longer_on_the_phone_cores():
    """A row or column read askew would break the order within a source, device and precision."""
    groups = {}
    for (family, width, side), figures in LATENCIES.items():
        macs = cost(find(family, width, side)).macs
        for one in figures:
            if "Pixel" in one.device and "TPU" not in one.device and "GPU" not in one.device:
                groups.setdefault((family, *one[2:], one.device), []).append((macs, one.ms))
    compared = 0
    for points in groups.values():
        for (_, less), (_, more) in pairwise(sorted(points)):
            assert less < 1.25 * more  # networks of about equal MACs may swap
            compared += 1
    assert compared > 40


def test_nothing_is_claimed_for_what_was_not_measured():
    assert published_latencies("mobilenet_v2", 1.0, 223) == ()
    assert published_latencies("mobilenet_v2", 1.0, 96)[0].ms == 17.6
