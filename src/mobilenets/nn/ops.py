"""Lowered operations as torch modules. The only place that knows torch's names for them."""

from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.lower import Op, OpActivation
from mobilenets.arch.spec import Dialect


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
        case "hardsigmoid":
            return nn.Hardsigmoid(inplace=True)
        case _:
            assert_never(kind)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: the surplus lies at the bottom and on the right."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, cin, H, W) to (B, cout, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if down or right:
            x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return super().forward(x)


def convolution(op: Op, dialect: Dialect) -> nn.Conv2d:
    """The bare convolution of an operation, padded as the dialect says."""
    same = dialect.padding == "same"
    kind = SameConv if same and op.stride > 1 else nn.Conv2d  # at stride 1 both paddings agree
    padding = 0 if kind is SameConv else (op.kernel - 1) // 2
    return kind(op.cin, op.cout, op.kernel, op.stride, padding, groups=op.groups, bias=op.bias)


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
    """Squeeze-and-excitation: pool, reduce, ReLU, expand, hard-sigmoid, multiply (V3, section 5.3)."""

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
