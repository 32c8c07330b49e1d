"""Lowered operations as torch modules. The only place that knows torch's names for them."""

from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.lower import Layer, Op, OpActivation
from mobilenets.arch.spec import Dialect
from mobilenets.nn.depthwise import Depthwise


def activation(kind: OpActivation) -> nn.Module:
    """The activation of an operation; h-swish and hard-sigmoid are torch's fused ones."""
    match kind:
        case "none":
            return nn.Identity()
        case "relu":
            return nn.ReLU(inplace=True)
        case "relu6":
            return nn.ReLU6(inplace=True)
        case "hardswish":
            return nn.Hardswish(inplace=True)
        case "gelu":
            return nn.GELU()
        case "hardsigmoid":
            return nn.Hardsigmoid(inplace=True)
        case "sigmoid":
            return nn.Sigmoid()
        case _:
            assert_never(kind)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: the surplus lies at the bottom and on the right."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.dilation[0] * (self.kernel_size[0] - 1) + 1, self.stride[0]
        down, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if down or right:
            x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return super().forward(x)


def convolution(op: Op, dialect: Dialect) -> nn.Conv2d:
    """The bare convolution of an operation, padded as the dialect says."""
    same = dialect.padding == "same"
    kind: type[nn.Conv2d] = Depthwise if op.depthwise else nn.Conv2d
    if same and op.stride > 1:  # at stride 1 both paddings agree
        kind = SameConv
    padding = 0 if kind is SameConv else (op.kernel - 1) // 2 * op.dilation
    return kind(op.cin, op.cout, op.kernel, op.stride, padding, op.dilation, op.groups, op.bias)


class ConvNorm(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(self, op: Op, dialect: Dialect) -> None:
        super().__init__()
        self.conv = convolution(op, dialect)
        self.norm = nn.BatchNorm2d(op.cout, eps=dialect.norm_eps, momentum=dialect.norm_momentum)
        self.act = activation(op.activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, H / stride, W / stride)."""
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y


class Squeeze(nn.Module):
    """Squeeze-and-excitation: pool, reduce, activation, expand, gate, multiply (V3, section 5.3)."""

    def __init__(self, reduce: Op, expand: Op, dialect: Dialect) -> None:
        super().__init__()
        self.reduce = convolution(reduce, dialect)
        self.reduce_act = activation(reduce.activation)
        self.expand = convolution(expand, dialect)
        self.gate = activation(expand.activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        pooled = F.adaptive_avg_pool2d(x, 1)  # (B, C, 1, 1)
        gate: Tensor = self.gate(self.expand(self.reduce_act(self.reduce(pooled))))  # (B, C, 1, 1)
        return gate * x


class Pool(nn.Module):
    """Global average over the image."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C)."""
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)


class Smooth(nn.Module):
    """Half the map without aliasing: means of 2x2 pixels, or a 3x3 binomial filter at every second pixel."""

    kernel: Tensor

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.blur = op.kind == "blur"
        row = torch.tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(row, row).expand(op.cout, 1, 3, 3).clone() if self.blur else torch.empty(0)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to half the sides, rounded down for means and up for the filter."""
        if self.blur:
            return F.conv2d(x, self.kernel, stride=2, padding=1, groups=x.shape[1])
        return F.avg_pool2d(x, [min(2, side) for side in x.shape[-2:]])


class Gain(nn.Module):
    """A learned factor per channel."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((op.cout,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x * self.gamma.view(1, -1, 1, 1)


class MultiQuery(nn.Module):
    """Multi-query attention: every head has its own queries, all share one key and one value (V4, sec. 3).

    Layouts and order of the sums are those of timm's attention2d.py, so that equal weights give equal bits.
    """

    def __init__(self, layer: Layer, dialect: Dialect) -> None:
        super().__init__()
        self.residual = layer.residual
        ops = {op.name: op for op in layer.ops}
        self.heads = ops["match"].groups
        self.norm = nn.BatchNorm2d(ops["norm"].cout, eps=dialect.norm_eps, momentum=dialect.norm_momentum)
        self.query = convolution(ops["query"], dialect)
        for name in ("key", "value"):
            if shrink := ops.get(f"{name}_shrink"):
                self.add_module(shrink.name, ConvNorm(shrink, dialect))
            self.add_module(name, convolution(ops[name], dialect))
        self.project = convolution(ops["project"], dialect)
        self.gain = Gain(ops["gain"]) if "gain" in ops else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, cout, H, W)."""
        batch, _, height, width = x.shape
        normed = self.norm(x)
        query = self.query(normed).reshape(batch, self.heads, -1, height * width)  # (B, heads, key, HW)
        # heads stand in a row: they share keys and values, and exporters do not broadcast these over heads
        query = query.transpose(2, 3).reshape(batch, 1, self.heads * height * width, -1)
        mixed = F.scaled_dot_product_attention(
            query, self._shared(normed, "key"), self._shared(normed, "value")
        )  # (B, 1, heads * HW, value)
        mixed = mixed.reshape(batch, self.heads, height * width, -1).transpose(1, 2)
        mixed = mixed.reshape(batch, height, width, -1)
        y: Tensor = self.gain(self.project(mixed.permute(0, 3, 1, 2).contiguous()))
        return y + x if self.residual else y

    def _shared(self, x: Tensor, name: str) -> Tensor:
        """The one key or value of all heads: (B, C, H, W) to (B, 1, pixels, channels)."""
        if hasattr(self, f"{name}_shrink"):
            x = self.get_submodule(f"{name}_shrink")(x)
        y: Tensor = self.get_submodule(name)(x)
        return y.flatten(2).transpose(1, 2).unsqueeze(1).contiguous()
