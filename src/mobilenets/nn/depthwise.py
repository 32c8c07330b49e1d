"""Depthwise convolutions whose gradients take no longer than they must on a processor."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Depthwise(nn.Conv2d):
    """A depthwise convolution that learns quickly where oneDNN falls back on slow kernels: on maps smaller
    than the filter, and with dilation.

    What it computes forwards is `nn.Conv2d`, and so are its gradients but for the order of their sums.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H / stride, W / stride)."""
        if self.training and torch.is_grad_enabled() and self.weight.requires_grad and self._is_slow(x):
            y: Tensor = _Convolved.apply(
                x, self.weight, self.bias, self.stride[0], self.padding[0], self.dilation[0]
            )
            return y
        return super().forward(x)

    def _is_slow(self, x: Tensor) -> bool:
        """Whether oneDNN has no kernel of its own for the gradient of these filters."""
        known = min(x.shape[-2:]) >= self.kernel_size[0] and self.dilation[0] == 1
        return x.device.type == "cpu" and not known


class _Convolved(torch.autograd.Function):
    """A depthwise convolution with square filters of odd sides."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, dilation: int
    ) -> Tensor:
        """As `F.conv2d`."""
        ctx.save_for_backward(x, weight)
        ctx.terms = stride, padding, dilation
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the map, the filters and the bias."""
        x, weight = ctx.saved_tensors
        grad, filters = grads[0].to(x.dtype), weight.to(x.dtype)  # they differ under autocast
        of_map, of_filters, of_bias = ctx.needs_input_grad[:3]
        return (
            map_gradient(grad, x, filters, *ctx.terms) if of_map else None,
            filter_gradient(grad, x, weight.shape[-1], *ctx.terms).to(weight.dtype) if of_filters else None,
            grad.sum((0, 2, 3)).to(weight.dtype) if of_bias else None,
            None, None, None,
        )  # fmt: skip


def map_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    """The gradient (B, C, H, W) of the map that was convolved, from that of the result."""
    if stride == 1:  # forwards over the filters turned round: with dilation much faster than oneDNN's own
        around = dilation * (weight.shape[-1] - 1) - padding
        return F.conv2d(grad, weight.flip(-2, -1), None, 1, around, dilation, groups=x.shape[1])
    one: Tensor = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0], x.shape[1],
        [True, False, False],
    )[0]  # fmt: skip
    return one


def filter_gradient(grad: Tensor, x: Tensor, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    """The gradient (C, 1, K, K) of the filters, tap by tap: how the result's goes with what the tap saw."""
    seen, given = x.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1)
    taps = x.new_zeros(kernel, kernel, x.shape[1])
    for i, rows, above in _overlaps(x.shape[2], grad.shape[2], kernel, stride, padding, dilation):
        for j, columns, left in _overlaps(x.shape[3], grad.shape[3], kernel, stride, padding, dilation):
            torch.sum(seen[:, above, left] * given[:, rows, columns], (0, 1, 2), out=taps[i, j])
    return taps.permute(2, 0, 1).unsqueeze(1)


def _overlaps(
    side: int, out: int, kernel: int, stride: int, padding: int, dilation: int
) -> Iterator[tuple[int, slice, slice]]:
    """For each tap along one axis that sees more than padding: which results have it within the map, and
    which positions of the map these are.
    """
    for tap in range(kernel):
        shift = tap * dilation - padding
        first, last = max(0, -(shift // stride)), min(out - 1, (side - 1 - shift) // stride)
        if first <= last:
            begin = first * stride + shift
            yield tap, slice(first, last + 1), slice(begin, last * stride + shift + 1, stride)
