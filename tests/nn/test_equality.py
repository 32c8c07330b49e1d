"""Our networks against torchvision's and timm's: counts as integers, logits at tolerance 0."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from equality import assert_equal_logits, enliven, multiply_accumulates
from torchvision import models
from torchvision.models import mobilenetv3

from mobilenets.arch import cost
from mobilenets.arch.zoo import find
from mobilenets.nn import build
from mobilenets.weights.load import load_weights

timm = pytest.importorskip("timm")

WIDTHS = (0.35, 0.5, 0.75, 1.0)


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


# Each kind of name through a file, as a user has it; test_registry_equality.py takes every name there is.
@pytest.mark.parametrize(
    "name", ["mobilenetv1_100h", "mobilenetv2_050", "tf_mobilenetv3_small_075", "semnasnet_050",
             "mobilenetv4_conv_small_035"]
)  # fmt: skip
def test_a_name_of_timm_gives_timms_network(name, tmp_path):
    theirs = enliven(timm.create_model(name))
    ours = copied(theirs, find(name, resolution=96), tmp_path)
    assert_equal_logits(ours, theirs)


def test_torchvisions_mnasnet_is_loaded_from_its_file(tmp_path):
    theirs = enliven(models.mnasnet0_5())
    assert_equal_logits(copied(theirs, find("mnasnet0_5"), tmp_path), theirs)


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
