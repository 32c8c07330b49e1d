"""The graph that is converted: `nn.Deployed`, made as cheap to convert and to run as it can be."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mobilenets.arch.preprocess import Preprocess
from mobilenets.nn import Network
from mobilenets.nn.deploy import answer
from mobilenets.nn.heads import Predictor, SSDLiteHead
from mobilenets.nn.ops import ConvNorm


class Shipped(nn.Module):
    """Raw pixels (B, H, W, 3), float32 0 to 255, to what `nn.Deployed` gives, or to classes of pixels.

    ((x / 255) - mean) / std is (x - 255 mean) / (255 std): the division moves into the weights of the stem,
    the subtraction stays, because the stem pads with zeros after it. One pass over the image instead of
    three; at 224 pixels the three cost about 3 % of V3-Large's time. Where the stem is no plain convolution,
    `divided` is false and the division stays.
    """

    shift: Tensor
    spread: Tensor

    def __init__(self, network: Network, record: Preprocess, form: str, divided: bool) -> None:
        super().__init__()
        self.network, self.form, self.divided = network, form, divided
        # repeated along a row (W, 3): runtimes subtract whole rows far quicker than three values at a time
        rows = network.arch.resolution, 1
        self.register_buffer("shift", (255 * torch.tensor(record.mean)).repeat(rows))
        self.register_buffer("spread", (255 * torch.tensor(record.std)).repeat(rows))

    def forward(self, pixels: Tensor) -> Any:
        """Raw pixels (B, H, W, 3) to the outputs of the form."""
        x = pixels - self.shift
        outputs = self.network((x if self.divided else x / self.spread).permute(0, 3, 1, 2))
        if self.form == "argmax":
            return outputs.permute(0, 2, 3, 1).argmax(dim=3).to(torch.uint8)
        answers = answer(self.network.arch.head, outputs)
        # the order dy, dx, dh, dw is in the weights already
        return (outputs[0], answers[1]) if isinstance(outputs, tuple) else answers


def shipped(network: Network, record: Preprocess, form: str = "") -> tuple[nn.Module, Tensor]:
    """What a converter is given: the module in evaluation mode and an example input (1, H, W, 3).

    `form` is one of the task's `arch.card.FORMS`; those of detectors differ in what follows the graph only.
    `network` is left as it is.
    """
    network = copy.deepcopy(network).eval()
    fold_norms(network)
    stem, side = network.blocks[0], network.arch.resolution
    if isinstance(stem, ConvNorm):
        divide(stem.conv, 255 * torch.tensor(record.std, dtype=torch.float64))
    if isinstance(network.head, SSDLiteHead):
        flip(network.head)
    module = Shipped(network, record, form, divided=isinstance(stem, ConvNorm))
    return module.eval(), torch.full((1, side, side, 3), 128.0)


def flip(head: SSDLiteHead) -> None:
    """Make a detector give dy, dx, dh, dw for dx, dy, dw, dh at no cost: its weights change places."""
    for predictor in head.boxes:
        assert isinstance(predictor, Predictor)
        conv = predictor.predict
        with torch.no_grad():
            for values in (conv.weight, conv.bias):
                assert values is not None
                values.copy_(values.reshape(-1, 4, *values.shape[1:])[:, [1, 0, 3, 2]].reshape(values.shape))


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
