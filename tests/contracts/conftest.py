"""One small network, exported once per format: what the contracts are tried on."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.exporters import EXPORTERS, Exported, export
from mobilenets.nn import Network, build, normalise
from mobilenets.runtimes import RUNTIMES

SIDE = 64
LABELS = ("stop", "crane", "Vorfahrt gewähren", "止まれ", "crane")  # one twice, two beyond ASCII


@dataclass(frozen=True)
class Subject:
    """A network whose answers depend on the image, its card, and images."""

    network: Network
    card: Card
    pixels: np.ndarray  # uint8 (N, H, W, 3)


def lively(network: Network, x: torch.Tensor) -> Network:
    """Statistics as training leaves them, logits spread about zero: fresh ones are the same for any image."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.3, 0.9)
    last = network.eval().head.classifier
    with torch.no_grad():
        last.weight.mul_(1.5 / network(x).std(dim=0)[:, None])
        last.bias.sub_(network(x).mean(dim=0))
    return network


@pytest.fixture(scope="session")
def subject() -> Subject:
    torch.manual_seed(0)
    arch = find("mobilenet_v3_small", width=0.35, resolution=SIDE)
    arch = replace(arch, head=replace(arch.head, classes=len(LABELS)))
    card = Card("classify", arch, LABELS, Preprocess(crop=SIDE, resize=73), command="mobilenets export x")
    random = np.random.default_rng(0)
    shades = random.integers(0, 256, (8, 1, 1, 3)) + random.integers(-60, 60, (8, SIDE, SIDE, 3))
    pixels = shades.clip(0, 255).astype(np.uint8)
    x = normalise(card.preprocess, torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return Subject(lively(build(arch), x), card, pixels)


@pytest.fixture(scope="session", params=list(EXPORTERS))
def exported(request, subject, tmp_path_factory) -> Exported:
    path: Path = tmp_path_factory.mktemp(request.param) / f"model{RUNTIMES[request.param]}"
    return export(subject.network, subject.card, path, request.param, subject.pixels)
