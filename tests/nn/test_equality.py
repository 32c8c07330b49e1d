"""Our networks against torchvision's and timm's: counts as integers, logits at tolerance 0."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models import mobilenetv3

from mobilenets.arch import cost
from mobilenets.arch.zoo import ALIASES, find
from mobilenets.nn import build
from mobilenets.weights.load import load_weights

timm = pytest.importorskip("timm")

WIDTHS = (0.35, 0.5, 0.75, 1.0)
SIDES = (64, 96)


def torchvision_v3(kind, width):
    rows, last = mobilenetv3._mobilenet_v3_conf(f"mobilenet_v3_{kind}", width_mult=width)
    return models.MobileNetV3(rows, last)


TORCHVISION = {
    "mobilenet_v2": lambda width: models.mobilenet_v2(width_mult=width),
    "mobilenet_v3_large": partial(torchvision_v3, "large"),
    "mobilenet_v3_small": partial(torchvision_v3, "small"),
}
# timm names these networks at some widths; the builders behind the names make them at any
TIMM = {
    "mobilenet_v1": "mobilenetv1_100",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
}


def timm_at(family, width):
    from timm.models import efficientnet
    from timm.models import mobilenetv3 as timm_v3

    generators = {
        "mobilenet_v1": efficientnet._gen_mobilenet_v1,
        "mobilenet_v2": efficientnet._gen_mobilenet_v2,
        "mobilenet_v3_large": timm_v3._gen_mobilenet_v3,
        "mobilenet_v3_small": timm_v3._gen_mobilenet_v3,
    }
    return generators[family](TIMM[family], channel_multiplier=width)


CASES = [
    *((family, width, "torchvision") for family in TORCHVISION for width in WIDTHS),
    ("mobilenet_v2", 1.4, "torchvision"),
    *(("mobilenet_v1", width, "timm") for width in WIDTHS),  # torchvision has no V1
    *(
        pytest.param(family, width, "timm", marks=pytest.mark.slow)  # those with a name are tested under it
        for family in ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
        for width in WIDTHS
    ),
]


def theirs_for(family, width, dialect):
    return TORCHVISION[family](width) if dialect == "torchvision" else timm_at(family, width)


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


def copied(theirs, arch, folder):
    """Our network of `arch` with the weights of `theirs`, through a file as a user would have it."""
    torch.save(theirs.state_dict(), folder / "theirs.pth")
    ours = build(arch).eval()
    origin = load_weights(ours, folder / "theirs.pth")
    assert not origin.new_head
    return ours


@pytest.mark.parametrize(("family", "width", "dialect"), CASES)
def test_counts_and_logits_equal_the_library_of_the_dialect(family, width, dialect, tmp_path):
    theirs = theirs_for(family, width, dialect)
    ours = copied(enliven(theirs), find(family, width=width, dialect=dialect), tmp_path)
    counted = cost(replace(ours.arch, resolution=128))
    assert counted.params == sum(p.numel() for p in theirs.parameters())
    assert counted.params == sum(p.numel() for p in ours.parameters())
    assert counted.macs == multiply_accumulates(theirs, 128)
    assert counted.macs == multiply_accumulates(ours, 128)
    assert_equal_logits(ours, theirs)


@pytest.mark.parametrize("name", ALIASES)
def test_a_name_of_timm_gives_timms_network(name, tmp_path):
    theirs = enliven(timm.create_model(name))
    arch = find(name, resolution=96)
    ours = copied(theirs, arch, tmp_path)
    counted = cost(arch)
    assert counted.params == sum(p.numel() for p in theirs.parameters())
    assert counted.macs == multiply_accumulates(theirs, 96)
    assert_equal_logits(ours, theirs)


@pytest.mark.parametrize("family", TORCHVISION)
def test_logits_are_equal_in_channels_last_too(family, tmp_path):
    theirs = enliven(theirs_for(family, 1.0, "torchvision"))
    ours = copied(theirs, find(family), tmp_path)
    layout = torch.channels_last
    assert_equal_logits(ours.to(memory_format=layout), theirs.to(memory_format=layout), layout)


def test_v2_of_torchvision_and_timm_is_one_network(tmp_path):
    """Which is why timm's weights may stand in where torchvision published none."""
    theirs = enliven(theirs_for("mobilenet_v2", 0.5, "timm"))
    ours = copied(theirs, find("mobilenet_v2", width=0.5, dialect="torchvision"), tmp_path)
    assert_equal_logits(ours, theirs)


def test_these_tests_would_notice_another_epsilon(tmp_path):
    theirs = enliven(theirs_for("mobilenet_v3_small", 0.35, "torchvision"))
    ours = copied(theirs, find("mobilenet_v3_small", width=0.35), tmp_path)
    assert_equal_logits(ours, theirs)
    ours.blocks[-2].project.norm.eps = 1e-5
    with pytest.raises(AssertionError, match="not equal"):
        assert_equal_logits(ours, theirs)
