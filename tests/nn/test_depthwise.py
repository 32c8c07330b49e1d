"""Depthwise convolutions against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mobilenets.arch.zoo import find
from mobilenets.nn import build
from mobilenets.nn.depthwise import Depthwise, _Convolved

SHAPES = st.tuples(
    st.sampled_from((3, 5, 7)), st.sampled_from((1, 2)), st.sampled_from((1, 2, 3)), st.integers(1, 9),
    st.integers(1, 9), st.booleans(),
)  # fmt: skip


@settings(deadline=None)
@given(SHAPES)
def test_gradients_are_those_of_torch(shape):
    kernel, stride, dilation, height, width, bias = shape
    torch.manual_seed(0)
    terms = (4, 4, kernel, stride, kernel // 2 * dilation, dilation, 4, bias)
    ours, theirs = Depthwise(*terms).double(), nn.Conv2d(*terms).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, height, width, dtype=torch.float64)
    both = []
    for module in (ours, theirs):
        seen = x.clone().requires_grad_()
        y = module(seen)
        weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        (y * weights).sum().backward()
        both.append([y.detach(), seen.grad, *(one.grad for one in module.parameters())])
    assert torch.equal(both[0][0], both[1][0])
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("side", "dilation", "ours"), [(2, 1, True), (4, 1, True), (5, 1, False), (9, 1, False), (9, 2, True)]
)
def test_only_what_is_slow_goes_its_own_way(side, dilation, ours, monkeypatch):
    calls = []
    apply = _Convolved.apply
    monkeypatch.setattr(_Convolved, "apply", lambda *given: (calls.append(1), apply(*given))[1])
    module = Depthwise(4, 4, 5, padding=2 * dilation, dilation=dilation, groups=4)
    module(torch.randn(1, 4, side, side))
    assert bool(calls) == ours
    module.eval()(torch.randn(1, 4, side, side))
    module.train().requires_grad_(False)(torch.randn(1, 4, side, side))
    with torch.no_grad():
        module.requires_grad_()(torch.randn(1, 4, side, side))
    assert len(calls) == ours


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_under_autocast_have_the_type_of_the_weights(dtype, stride):
    """Behind another layer the map comes in bfloat16."""
    module = Depthwise(8, 8, 5, stride, 2, groups=8)
    x = torch.randn(2, 8, 3, 3, dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(x)
    assert y.dtype == torch.bfloat16
    y.float().square().sum().backward()
    known = x.detach().float().requires_grad_()
    exact = nn.functional.conv2d(known, module.weight, module.bias, stride, 2, groups=8)
    expected = torch.autograd.grad(exact.square().sum(), [known, *module.parameters()])
    for one, other in zip((x, *module.parameters()), expected, strict=True):
        assert one.grad.dtype == one.dtype
        torch.testing.assert_close(one.grad.float(), other, rtol=0.1, atol=0.2)


def test_networks_are_built_of_them():
    network = build(find("mobilenet_v3_small", 1.0, 64))
    depthwise = [one for one in network.modules() if isinstance(one, nn.Conv2d) and one.groups > 1]
    assert depthwise
    assert all(isinstance(one, Depthwise) for one in depthwise)
