"""The graph that converters are given."""

import pytest
import torch

from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch, Classifier, Conv, Dialect, Separable
from mobilenets.arch.zoo import find
from mobilenets.exporters.graph import shipped
from mobilenets.nn import Deployed, build


@pytest.mark.parametrize("dialect", ["torchvision", "tensorflow"])
def test_folding_the_division_changes_only_the_last_bits(dialect):
    torch.manual_seed(0)
    network = build(find("mobilenet_v2", width=0.35, resolution=96, dialect=dialect)).eval()
    with torch.no_grad():
        network.head.classifier.weight.mul_(100)
    before = network.blocks[0].conv.weight.clone()
    record = Preprocess(96, 110)
    module, example = shipped(network, record)
    assert module.divided
    assert example.shape == (1, 96, 96, 3)
    pixels = torch.randint(0, 256, (2, 96, 96, 3)).float()
    with torch.inference_mode():
        torch.testing.assert_close(module(pixels), Deployed(network, record)(pixels), rtol=1e-4, atol=1e-6)
    assert torch.equal(network.blocks[0].conv.weight, before), "the network itself is not folded"


def test_a_network_without_a_plain_stem_is_converted_unfolded():
    arch = Arch(
        "odd", 32, (Separable(3, 8, 2), Conv(1, 16)), Classifier(3), Dialect("torchvision", 1e-5, 0.1)
    )
    module, _ = shipped(build(arch).eval(), Preprocess(32, 32))
    assert not module.divided
    pixels = torch.randint(0, 256, (2, 32, 32, 3)).float()
    with torch.inference_mode():
        wanted = Deployed(module.network, Preprocess(32, 32))(pixels)
        torch.testing.assert_close(module(pixels), wanted, rtol=1e-4, atol=1e-6)
