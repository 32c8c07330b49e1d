"""The graph that is converted: `nn.Deployed`, made as cheap to convert and to run as it can be."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

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
        self.network = network
        # repeated along a row (W, 3): runtimes subtract whole rows far quicker than three values at a time
        self.register_buffer("shift", (255 * torch.tensor(record.mean)).repeat(network.arch.resolution, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Raw pixels (B, H, W, 3) to probabilities (B, classes)."""
        logits: Tensor = self.network((pixels - self.shift).permute(0, 3, 1, 2))
        return logits.softmax(dim=1)


def shipped(network: Network, record: Preprocess) -> tuple[nn.Module, Tensor]:
    """What a converter is given: the module in evaluation mode and an example input (1, H, W, 3).

    `network` is left as it is.
    """
    network = copy.deepcopy(network).eval()
    fold_norms(network)
    stem, side = network.blocks[0], network.arch.resolution
    example = torch.full((1, side, side, 3), 128.0)
    if not isinstance(stem, ConvNorm):
        return Deployed(network, record).eval(), example
    divide(stem.conv, 255 * torch.tensor(record.std, dtype=torch.float64))
    return Shipped(network, record).eval(), example


def fold_norms(network: Network) -> None:
    """Move every batch norm into the convolution before it.

    Converters do the same, after they have traced each norm as several operations; without them the
    conversion of V3-Small takes about a quarter less time.
    """
    for part in network.modules():
        if isinstance(part, ConvNorm):
            assert isinstance(part.norm, nn.BatchNorm2d)
            part.conv = fuse_conv_bn_eval(part.conv, part.norm)
            part.norm = nn.Identity()  # type: ignore[assignment]


def divide(conv: nn.Conv2d, by: Tensor) -> None:
    """Make a convolution divide its input channels (cin,) first; its bias is not of the input."""
    with torch.no_grad():
        conv.weight.copy_(conv.weight.double() / by.view(1, -1, 1, 1))
