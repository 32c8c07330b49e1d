"""A network as it is shipped: raw pixels in, probabilities out, normalisation and softmax inside."""

import torch
from torch import Tensor, nn

from mobilenets.arch.preprocess import Preprocess
from mobilenets.nn.network import Network


def normalise(record: Preprocess, pixels: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) from 0 to 255, uint8 or float, to float32 input of the network.

    Divides by 255, subtracts the mean, divides by the deviation, in torchvision's order, so that the results
    are equal to its transforms bit for bit.
    """
    mean = torch.tensor(record.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(record.std, device=pixels.device).view(3, 1, 1)
    return pixels.float().div(255).sub_(mean).div_(std)


class Deployed(nn.Module):
    """What exporters convert: raw pixels (B, H, W, 3), float32 0 to 255, to probabilities (B, classes)."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: Network, record: Preprocess) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(record.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(record.std).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Raw pixels (B, H, W, 3) to probabilities (B, classes)."""
        x = pixels.permute(0, 3, 1, 2) / 255
        logits: Tensor = self.network((x - self.mean) / self.std)
        return logits.softmax(dim=1)
