"""Every kind of block through both exporters; parity in the file's own runtime is part of exporting."""

from typing import get_args

import numpy as np
import pytest
import torch

from mobilenets.arch import Attention, Conv, Fused, Inverted, Separable, Universal, zoo
from mobilenets.arch.spec import Arch, Block, Classifier
from mobilenets.exporters import export
from mobilenets.exporters.parity import reference
from mobilenets.jobs.subject import blank_card, sample_pixels
from mobilenets.nn import build, normalise

BLOCKS = (
    Conv(3, 8, 2, "relu"),
    Fused(3, 16, 16, 2, groups=2, antialias="average"),
    Separable(3, 16),
    Universal(3, 5, 32, 24, 2, gain=True, antialias="blur"),
    Universal(0, 0, 48, 24, gain=True, activation="gelu"),
    Attention(24, 2, 8, 8, shrink=2),
    Attention(24, 2, 8, 8),
    Inverted(5, 48, 24, 1, "relu", squeeze=6, gate="sigmoid", dilation=2),
    Inverted(3, 48, 24, 2, "hardswish", squeeze=8),
)


def settle_norms(network, images):
    """Let the batch norms take the statistics of `images`, so that the answers depend on the image."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnx"])
@pytest.mark.parametrize("dialect", ["timm", "tensorflow"])
def test_a_network_of_every_kind_of_block_is_exported(runtime, dialect, tmp_path):
    assert {type(block) for block in BLOCKS} == set(get_args(Block))
    reading = zoo.find("mobilenet_v2", dialect=dialect).dialect
    arch = Arch("blocks", 64, BLOCKS, Classifier(10, 32, "relu", 0.2, "norm"), reading)
    torch.manual_seed(0)
    network = build(arch).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.constant_(parameter, 0.5)  # at 1e-5 a wrong attention would hide
        elif name.endswith("classifier.weight"):
            torch.nn.init.normal_(parameter)
    card = blank_card(arch)
    pixels = sample_pixels(card.preprocess)
    settle_norms(network, normalise(card.preprocess, torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    assert np.ptp(reference(network, card, pixels)[0], axis=0).max() > 0.05
    file = tmp_path / f"model.{'tflite' if runtime == 'litert' else 'onnx'}"
    done = export(network, card, file, runtime, pixels)
    assert (done.path, done.parity.agreement) == (file, 1.0)
    assert done.parity.max_abs < 1e-3
