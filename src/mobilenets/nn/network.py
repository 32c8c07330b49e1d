"""`build(arch)`: the torch module of a description."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mobilenets.arch.lower import Layer, Op, lower
from mobilenets.arch.spec import Arch, Attention, Conv, Dialect
from mobilenets.nn.ops import ConvNorm, Gain, MultiQuery, Pool, Smooth, Squeeze, activation, convolution


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

    def features(self, x: Tensor, *, expanded: bool = False) -> dict[int, Tensor]:
        """The last map of every stride, e.g. {2: (B, 16, H/2, W/2), ..., 32: (B, 1280, H/32, W/32)}.

        With `expanded`, a stride that ends in a block which expands before it halves the map gives that
        expansion: what SSDLite reads at stride 16 (V2, section 6.2; V3, section 6.3).
        """
        maps, before = {}, 1
        for stride, block in zip(self.strides, self.blocks, strict=True):
            if isinstance(block, Block):
                x, expansion = block.through(x)
                if expanded and stride > before and expansion is not None:
                    maps[before] = expansion
            else:
                x = block(x)
            maps[stride] = x
            before = stride
        return maps


class Block(nn.Module):
    """The operations of one block by name, and the input added where the layer is residual."""

    def __init__(self, layer: Layer, dialect: Dialect) -> None:
        super().__init__()
        self.residual = layer.residual
        first, ops = layer.ops[0], {op.name: op for op in layer.ops}
        # a fused block strides while it expands: its expansion is no map of the input's stride
        self.expands_first = "expand" in ops and ops["expand"].side_out == first.side_in
        for name, op in ops.items():
            if module := _module(op, ops, dialect):
                self.add_module(name.partition(".")[0], module)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H / stride, W / stride)."""
        return self.through(x)[0]

    def through(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The output, and the expanded map where it has the sides of the input."""
        y, expansion = x, None
        for name, op in self.named_children():
            y = op(y)
            if name == "expand" and self.expands_first:
                expansion = y
        return (y + x if self.residual else y), expansion


def _module(op: Op, ops: Mapping[str, Op], dialect: Dialect) -> nn.Module | None:
    """The module of one operation; squeeze-and-excitation is one module, made at its last operation."""
    match op.kind:
        case "conv" if op.norm:
            return ConvNorm(op, dialect)
        case "scale":
            return Squeeze(ops["squeeze.reduce"], ops["squeeze.expand"], dialect)
        case "gain":
            return Gain(op)
        case "average" | "blur":
            return Smooth(op)
        case _:
            return None


class Head(nn.Module):
    """Pool, optional hidden layer, dropout, classifier."""

    def __init__(self, layer: Layer, arch: Arch) -> None:
        super().__init__()
        ops = {op.name: op for op in layer.ops}
        self.pool = Pool()
        self.hidden: nn.Module | None = None
        if hidden := ops.get("hidden"):
            self.hidden = _hidden(hidden, arch.dialect)
            self.flat = hidden.kind == "linear"
            self.act = nn.Identity() if hidden.norm else activation(hidden.activation)
        self.dropout = nn.Dropout(arch.head.dropout)
        self.classifier = nn.Linear(ops["classifier"].cin, ops["classifier"].cout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, classes)."""
        x = self.pool(x)  # (B, C)
        if self.hidden is not None:
            # a 1x1 convolution sums in another order than a linear layer: dialects differ in the last bits
            x = x if self.flat else x[:, :, None, None]
            x = torch.flatten(self.act(self.hidden(x)), 1)
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


def _hidden(op: Op, dialect: Dialect) -> nn.Module:
    """The layer before the classifier: linear, a 1x1 convolution, or one with norm and activation (V4)."""
    if op.norm:
        return ConvNorm(op, dialect)
    return nn.Linear(op.cin, op.cout, op.bias) if op.kind == "linear" else convolution(op, dialect)


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
    match layer.block:
        case Conv():
            return ConvNorm(layer.ops[0], dialect)
        case Attention():
            return MultiQuery(layer, dialect)
        case _:
            return Block(layer, dialect)


def _strides(arch: Arch) -> tuple[int, ...]:
    """The stride of each block's output against the image."""
    strides, product = [], 1
    for block in arch.blocks:
        product *= block.stride
        strides.append(product)
    return tuple(strides)
