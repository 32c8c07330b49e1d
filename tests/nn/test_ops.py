"""Single operations against those of timm and of torch."""

import pytest
import torch
from torch import nn

from mobilenets.arch import Attention, Dialect, Fused, Inverted, Universal
from mobilenets.arch.lower import lower_block
from mobilenets.nn.network import block_module
from mobilenets.nn.ops import Gain, MultiQuery, SameConv, Smooth

blur_pool = pytest.importorskip("timm.layers.blur_pool")
attention2d = pytest.importorskip("timm.layers.attention2d")

DIALECT = Dialect("plain", 1e-3, 0.1)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [1, 2, 7, 8])
@pytest.mark.parametrize(
    ("antialias", "theirs"),
    [("average", nn.AvgPool2d(2)), ("blur", blur_pool.BlurPool2d(6, stride=2, pad_mode="constant"))],
)
def test_smoothing_is_timms(antialias, theirs, side):
    op = lower_block(Fused(3, 6, 4, stride=2, antialias=antialias), 3, side).ops[1]
    x = noise(2, 6, side, side)
    y = Smooth(op)(x)
    assert y.shape[-1] == op.side_out
    if side > 1 or antialias == "blur":  # timm's means refuse a single pixel, which ours keep
        assert torch.equal(y, theirs(x))
    else:
        assert torch.equal(y, x)


@pytest.mark.parametrize("shrink", [1, 2])
def test_attention_is_timms_and_does_something(shrink):
    torch.manual_seed(0)
    ours = MultiQuery(lower_block(Attention(8, 2, 4, 6, shrink), 8, 7), DIALECT).eval()
    theirs = attention2d.MultiQueryAttention2d(
        8, num_heads=2, key_dim=4, value_dim=6, kv_stride=shrink
    ).eval()
    pairs = [(ours.query, theirs.query.proj), (ours.key, theirs.key.proj), (ours.value, theirs.value.proj),
             (ours.project, theirs.output.proj)]  # fmt: skip
    if shrink == 2:
        pairs += [
            (ours.key_shrink.conv, theirs.key.down_conv),
            (ours.value_shrink.conv, theirs.value.down_conv),
        ]
        for norm in (ours.key_shrink.norm, ours.value_shrink.norm, theirs.key.norm, theirs.value.norm):
            norm.eps = DIALECT.norm_eps
    with torch.inference_mode():
        for mine, other in pairs:
            other.weight.copy_(mine.weight)
        ours.gain.gamma.fill_(0.7)
        x = noise(3, 8, 7, 5)
        wanted = theirs(ours.norm(x)) * 0.7 + x
        assert torch.equal(ours(x), wanted)
        assert (ours(x) - x).abs().max() > 0.01


def test_gains_begin_small():
    ops = {op.name: op for op in lower_block(Universal(0, 3, 8, 4, gain=True), 4, 4).ops}
    gain = Gain(ops["gain"])
    assert torch.equal(gain.gamma, torch.full((4,), 1e-5))
    assert torch.equal(gain(torch.ones(1, 4, 2, 2)), torch.full((1, 4, 2, 2), 1e-5))


@pytest.mark.parametrize("padding", ["symmetric", "same"])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (3, 2), (5, 2), (5, 4)])
def test_a_spread_kernel_keeps_the_map_and_sees_as_far(kernel, dilation, padding):
    dialect = Dialect("plain", 1e-3, 0.1, padding=padding)
    block = block_module(lower_block(Inverted(kernel, 4, 4, expand=False, dilation=dilation), 4, 21), dialect)
    conv = block.depthwise.conv
    with torch.inference_mode():
        conv.weight.fill_(1.0)
        x = torch.zeros(1, 4, 21, 21)
        x[..., 10, 10] = 1
        seen = conv(x)[0, 0, 10].nonzero().flatten()
    assert seen.tolist() == [10 + dilation * step for step in range(-(kernel // 2), kernel // 2 + 1)]


@pytest.mark.parametrize(
    ("side", "kernel", "before"), [(8, 3, 0), (7, 3, 1), (8, 5, 1), (9, 5, 2), (8, 7, 2)]
)
def test_tensorflow_puts_the_surplus_at_the_bottom_and_on_the_right(side, kernel, before):
    conv = SameConv(1, 1, kernel, stride=2, bias=False)
    with torch.inference_mode():
        conv.weight.copy_(torch.arange(kernel * kernel).view(1, 1, kernel, kernel))
        x = torch.zeros(1, 1, side, side)
        x[..., 0, 0] = 1
        # the first pixel meets the weight that lies `before` rows and columns into the kernel
        assert conv(x)[0, 0, 0, 0] == before * kernel + before
