"""A network as it is shipped: raw pixels in, an answer that needs no knowledge of the network out."""

from typing import Any

import torch
from torch import Tensor, nn

from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Classifier, Head, SSDLite
from mobilenets.nn.network import Network


def normalise(record: Preprocess, pixels: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) from 0 to 255, uint8 or float, to float32 input of the network.

    Divides by 255, subtracts the mean, divides by the deviation, in torchvision's order, so that the results
    are equal to its transforms bit for bit.
    """
    mean = torch.tensor(record.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(record.std, device=pixels.device).view(3, 1, 1)
    return pixels.float().div(255).sub_(mean).div_(std)


def answer(head: Head, outputs: Any) -> Any:
    """What a file gives, from what the network gives: see `Deployed`."""
    match head:
        case Classifier():
            return outputs.softmax(dim=1)
        case SSDLite():
            offsets, logits = outputs
            alone = head.scoring == "sigmoid"
            scores = logits.sigmoid() if alone else logits.softmax(dim=2)[..., 1:]
            return offsets[..., [1, 0, 3, 2]], scores
        case _ if head.task == "segment":
            return outputs.softmax(dim=1).permute(0, 2, 3, 1)
        case _:
            return outputs


class Deployed(nn.Module):
    """What exporters convert: raw pixels (B, H, W, 3), float32 0 to 255, to the task's answer.

    classify: probabilities (B, classes). detect: offsets (B, N, 4) as dy, dx, dh, dw, and scores (B, N,
    classes) without background. segment: probabilities (B, H, W, classes). embed: unit vectors (B, size).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Network, record: Preprocess) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(record.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(record.std).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Any:
        """Raw pixels (B, H, W, 3) to the answer."""
        x = pixels.permute(0, 3, 1, 2) / 255
        return answer(self.network.arch.head, self.network((x - self.mean) / self.std))
