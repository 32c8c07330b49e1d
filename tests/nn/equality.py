"""Our networks beside others: lively weights, lively images, logits at tolerance 0."""

from itertools import pairwise

import pytest
import torch
from torch import nn

LayerScale2d = pytest.importorskip("timm.layers").LayerScale2d

SIDES = (64, 96)


def multiply_accumulates(model, side):
    """Counted on the modules of `model` as it runs, by nobody's arithmetic but this."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        each = module.weight[0].numel()  # multiplications per entry of the output
        total += each * output[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.inference_mode():
        model(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return total


def enliven(model, seed=0):
    """Weights and batch norm statistics as a trained network might have them: nothing 0, nothing 1.

    The statistics are those of random images, disturbed, so that activations stay alive to the end.
    """
    noise = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        return torch.rand(tensor.shape, generator=noise) * (high - low) + low

    with torch.inference_mode():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(torch.randn(module.weight.shape, generator=noise))
                module.weight.mul_((2 / module.weight[0].numel()) ** 0.5)
                if module.bias is not None:
                    module.bias.copy_(uniform(module.bias, -0.2, 0.2))
            elif isinstance(module, LayerScale2d):
                module.gamma.copy_(uniform(module.gamma, 0.4, 1.2))
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(uniform(module.weight, 0.7, 1.6))
                module.bias.copy_(uniform(module.bias, -0.3, 0.5))
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        model.eval()
        for norm in norms:
            norm.momentum = 1.0
            norm.train()
        model(images(8, 64, seed))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.running_mean += uniform(norm.running_mean, -0.1, 0.1)
            norm.running_var *= uniform(norm.running_var, 0.6, 1.5)
    return model.eval()


def images(batch, side, seed=1):
    """Random images of random contrast and tint: the means of plain noise would all look the same."""
    noise = torch.Generator().manual_seed(seed)
    coarse = torch.randn(batch, 3, 6, 6, generator=noise) * torch.rand(batch, 1, 1, 1, generator=noise) * 2
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return smooth + 0.3 * torch.randn(batch, 3, side, side, generator=noise)


def assert_alive(logits):
    """Logits must depend on the image, by more than 1 % of their spread, or equality would mean nothing."""
    spread = logits.max() - logits.min()
    for first, second in pairwise(logits):
        assert (first - second).abs().max() > 0.01 * spread > 0


def assert_equal_logits(ours, theirs, memory_format=torch.contiguous_format):
    for side in SIDES:
        x = images(4, side).to(memory_format=memory_format)
        with torch.inference_mode():
            assert_alive(theirs(x))
            for batch in (x[:1], x):
                torch.testing.assert_close(ours(batch), theirs(batch), rtol=0, atol=0)
