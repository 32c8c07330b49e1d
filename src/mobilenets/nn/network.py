"""`build(arch)`: the torch module of a description."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.lower import Layer, Op, lower
from mobilenets.arch.spec import Arch, Attention, Conv, Dialect
from mobilenets.nn.heads import SSDLiteHead, head_module
from mobilenets.nn.ops import ConvNorm, Gain, MultiQuery, Smooth, Squeeze


class Network(nn.Module):
    """A network built from `arch`, in float32. Parameter names follow `Lowered.named_ops` and do not change:

    `blocks.3.expand.conv.weight`, `blocks.3.depthwise.norm.bias`, `blocks.3.squeeze.reduce.weight`,
    `head.hidden.weight`, `head.classifier.weight`.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.arch = arch
        *blocks, head = lower(arch)
        self.blocks = nn.ModuleList(block_module(layer, arch.dialect) for layer in blocks)
        self.head = head_module(head, arch)
        self.strides = _strides(arch)
        self.taps = arch.head.taps

    def forward(self, x: Tensor, start: int = 0) -> Any:
        """Normalised images (B, 3, H, W) to what the head gives.

        Without taps, `x` may be what the blocks before `start` gave.

        A classifier: logits (B, classes). A detector: offsets (B, N, 4) of boxes against `arch.anchors`, as
        dx, dy, dw, dh times 10, 10, 5, 5, and logits (B, N, classes), background first where softmax scores.
        A segmenter: logits (B, classes, H, W). An embedder: unit vectors (B, size).
        """
        if not self.taps:
            for block in self.blocks[start:]:
                x = block(x)
            return self.head(x)
        assert start == 0, "taps may lie before it"
        return self._answer(self.tapped(x), x)

    def watched(self, x: Tensor) -> tuple[Any, dict[int, Tensor]]:
        """What `forward` gives and what `features` gives, from one pass; for networks in training."""
        maps = self._maps(x)
        outputs = [maps[f"blocks.{index}"] for index in range(len(self.blocks))]
        last = dict(zip(self.strides, outputs, strict=True))
        if not self.taps:
            return self.head(outputs[-1]), last
        return self._answer([maps[tap] for tap in self.taps], x), last

    def tapped(self, x: Tensor) -> list[Tensor]:
        """The maps that the head reads, in the order of its taps."""
        maps = self._maps(x)
        return [maps[tap] for tap in self.taps]

    def _answer(self, maps: list[Tensor], x: Tensor) -> Any:
        """What a head makes of the maps that it reads, for images `x`."""
        answers = self.head(maps)
        if self.arch.head.task == "segment":
            answers = F.interpolate(answers, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return answers

    def _maps(self, x: Tensor) -> dict[str, Tensor]:
        """The output of every block and every operation that is tapped, by name."""
        maps: dict[str, Tensor] = {}
        parts = dict(tap.rsplit(".", 1) for tap in self.taps if tap.count(".") > 1)
        for index, block in enumerate(self.blocks):
            name = f"blocks.{index}"
            if part := parts.get(name):
                assert isinstance(block, Block)
                x, maps[f"{name}.{part}"] = block.through(x, part)
            else:
                x = block(x)
            maps[name] = x
        return maps

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """The last map of every stride, e.g. {2: (B, 16, H/2, W/2), ..., 32: (B, 1280, H/32, W/32)}."""
        maps = {}
        for stride, block in zip(self.strides, self.blocks, strict=True):
            maps[stride] = x = block(x)
        return maps


class Block(nn.Module):
    """The operations of one block by name, and the input added where the layer is residual."""

    def __init__(self, layer: Layer, dialect: Dialect) -> None:
        super().__init__()
        self.residual = layer.residual
        ops = {op.name: op for op in layer.ops}
        for name, op in ops.items():
            if module := _module(op, ops, dialect):
                self.add_module(name.partition(".")[0], module)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H / stride, W / stride)."""
        y = x
        for op in self.children():
            y = op(y)
        return y + x if self.residual else y

    def through(self, x: Tensor, part: str) -> tuple[Tensor, Tensor]:
        """The output, and what the operation called `part` gives (the input, where there is none)."""
        y = inner = x
        for name, op in self.named_children():
            y = op(y)
            if name == part:
                inner = y
        return (y + x if self.residual else y), inner


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
    if isinstance(network.head, SSDLiteHead):
        network.head.initialise()
    return network


def block_module(layer: Layer, dialect: Dialect) -> nn.Module:
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
