"""`build(arch)`: the torch module of a description."""

import torch
from torch import Tensor, nn

from mobilenets.arch.lower import Layer, lower
from mobilenets.arch.spec import Arch, Conv, Dialect
from mobilenets.nn.ops import ConvNorm, Pool, Squeeze, activation, convolution


class Network(nn.Module):
    """A network built from `arch`, in float32. Parameter names follow `Lowered.named_ops` and do not change:

    `blocks.3.expand.conv.weight`, `blocks.3.depthwise.norm.bias`, `blocks.3.squeeze.reduce.weight`,
    `head.hidden.weight`, `head.classifier.weight`.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.arch = arch
        *blocks, head = lower(arch)
        self.blocks = nn.ModuleList(_block(layer, arch.dialect) for layer in blocks)
        self.head = Head(head, arch)
        self.strides = _strides(arch)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) to logits (B, classes)."""
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x)
        return logits

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """The last map of every stride, e.g. {2: (B, 16, H/2, W/2), ..., 32: (B, 1280, H/32, W/32)}."""
        maps = {}
        for stride, block in zip(self.strides, self.blocks, strict=True):
            x = block(x)
            maps[stride] = x
        return maps


class Block(nn.Module):
    """The operations of one block by name, and the input added where the layer is residual."""

    def __init__(self, layer: Layer, dialect: Dialect) -> None:
        super().__init__()
        self.residual = layer.residual
        ops = {op.name: op for op in layer.ops}
        for name, op in ops.items():
            if op.norm:
                self.add_module(name, ConvNorm(op, dialect))
            elif name == "squeeze.scale":
                self.add_module("squeeze", Squeeze(ops["squeeze.reduce"], ops["squeeze.expand"], dialect))

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H / stride, W / stride)."""
        y = x
        for op in self.children():
            y = op(y)
        return y + x if self.residual else y


class Head(nn.Module):
    """Pool, optional hidden layer, dropout, classifier."""

    def __init__(self, layer: Layer, arch: Arch) -> None:
        super().__init__()
        ops = {op.name: op for op in layer.ops}
        self.pool = Pool()
        self.hidden: nn.Module | None = None
        if hidden := ops.get("hidden"):
            linear = hidden.kind == "linear"
            self.hidden = nn.Linear(hidden.cin, hidden.cout) if linear else convolution(hidden, arch.dialect)
            self.act = activation(hidden.activation)
        self.dropout = nn.Dropout(arch.head.dropout)
        self.classifier = nn.Linear(ops["classifier"].cin, ops["classifier"].cout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, classes)."""
        x = self.pool(x)  # (B, C)
        if self.hidden is not None:
            # a 1x1 convolution sums in another order than a linear layer: dialects differ in the last bits
            x = x[:, :, None, None] if isinstance(self.hidden, nn.Conv2d) else x
            x = torch.flatten(self.act(self.hidden(x)), 1)
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


def build(arch: Arch) -> Network:
    """A fresh network of `arch`, initialised as torchvision initialises it; seed torch to repeat it.

    Convolutions: normal with variance 2 / fan-out; linear layers: normal with deviation 0.01; norms 1 and 0
    (torchvision/models/mobilenetv2.py, mobilenetv3.py).
    """
    network = Network(arch)
    for module in network.modules():
        match module:
            case nn.Conv2d():
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            case nn.Linear():
                nn.init.normal_(module.weight, std=0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def _block(layer: Layer, dialect: Dialect) -> nn.Module:
    """The module of one block; a plain convolution needs no wrapping."""
    return ConvNorm(layer.ops[0], dialect) if isinstance(layer.block, Conv) else Block(layer, dialect)


def _strides(arch: Arch) -> tuple[int, ...]:
    """The stride of each block's output against the image."""
    strides, product = [], 1
    for block in arch.blocks:
        product *= block.stride
        strides.append(product)
    return tuple(strides)
