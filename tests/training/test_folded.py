import copy

import pytest
import torch

from mobilenets.arch import edit
from mobilenets.arch.zoo import find
from mobilenets.jobs.start import fresh_card
from mobilenets.nn import build, normalise
from mobilenets.training.folded import folded, unfold


@pytest.fixture
def network():
    """V2 with folded norms, as a TFLite file gives them, and convolutions that let numbers through."""
    torch.manual_seed(0)
    network = build(edit.classes(find("mobilenet_v2", 0.35, 32), 3)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(1 - module.eps)
            module.bias.data.normal_(0, 0.3)
    return network


def test_a_folded_network_computes_the_same_and_begins_its_training_there(network, blobs):
    card = fresh_card(network.arch, ("a", "b", "c"))
    images = sorted(blobs.rglob("*.png"))[:48]
    before, x = copy.deepcopy(network), torch.randint(0, 256, (32, 3, 32, 32), dtype=torch.uint8)
    x = normalise(card.preprocess, x)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(map(folded, norms))
    assert unfold(network, images, card) == len(norms)
    assert not any(map(folded, norms))
    with torch.no_grad():
        torch.testing.assert_close(network(x), before(x), rtol=1e-3, atol=1e-3)
        seen = normalise(card.preprocess, _pixels(card, images))
        wanted = before(seen)
        near, far = (
            (one.train()(seen) - wanted).abs().mean() for one in (no_dropout(network), no_dropout(before))
        )
    assert near < 0.02 * wanted.std()
    assert far > 10 * near


def test_other_networks_are_left_alone(blobs):
    network = build(edit.classes(find("mobilenet_v2", 0.35, 32), 3))
    before = copy.deepcopy(network.state_dict())
    assert unfold(network, sorted(blobs.rglob("*.png"))[:4], fresh_card(network.arch, ("a", "b", "c"))) == 0
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def no_dropout(network):
    """The same without chance."""
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


def _pixels(card, images):
    """What the network sees of images."""
    from mobilenets.data.preprocess import read_pixels

    return torch.stack([read_pixels(card.preprocess, path) for path in images])
