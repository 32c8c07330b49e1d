"""The graph that is converted: `nn.Deployed` with its normalisation made as cheap as it can be."""

import copy

import torch
from torch import Tensor, nn

from mobilenets.arch.preprocess import Preprocess
from mobilenets.nn import Deployed, Network
from mobilenets.nn.ops import ConvNorm


class Shipped(nn.Module):
    """Raw pixels (B, H, W, 3), float32 0 to 255, to probabilities (B, classes).

    ((x / 255) - mean) / std is (x - 255 mean) / (255 std): the division moves into the weights of the stem,
    the subtraction stays, because the stem pads with zeros after it. One pass over the image instead of
    three; at 224 pixels the three cost about 3 % of V3-Large's time.
    """

    shift: Tensor

    def __init__(self, network: Network, record: Preprocess) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.register_buffer("shift", 255 * torch.tensor(record.mean))
        stem = self.network.blocks[0]
        assert isinstance(stem, ConvNorm)
        with torch.no_grad():
            exact = stem.conv.weight.double() / (255 * torch.tensor(record.std).double()).view(1, 3, 1, 1)
            stem.conv.weight.copy_(exact)

    def forward(self, pixels: Tensor) -> Tensor:
        """Raw pixels (B, H, W, 3) to probabilities (B, classes)."""
        logits: Tensor = self.network((pixels - self.shift).permute(0, 3, 1, 2))
        return logits.softmax(dim=1)


def shipped(network: Network, record: Preprocess) -> tuple[nn.Module, Tensor]:
    """What a converter is given: the module in evaluation mode and an example input (1, H, W, 3)."""
    side = network.arch.resolution
    kind = Shipped if isinstance(network.blocks[0], ConvNorm) else Deployed
    return kind(network, record).eval(), torch.full((1, side, side, 3), 128.0)
