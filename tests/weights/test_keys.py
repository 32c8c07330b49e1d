"""Whose names a state dict has, how many blocks it holds, and what our modules are called there."""

from dataclasses import replace

import pytest
import torch
from torchvision import models

from mobilenets.arch.zoo import FAMILIES, find
from mobilenets.nn import build
from mobilenets.weights.keys import block_count, module_names, naming_of

timm = pytest.importorskip("timm")


def state_of(make, *given, **options):
    """The names in a network's state dict; nothing is computed."""
    with torch.device("meta"):
        return list(make(*given, **options).state_dict())


CASES = [
    ("mobilenetv1_100", "timm"), ("mobilenetv1_100h", "timm"), ("mobilenetv2_035", "timm"),
    ("mobilenetv3_small_050", "timm"), ("mobilenetv4_conv_small", "timm"),
    ("mobilenetv4_hybrid_medium", "timm"), ("mobilenet_edgetpu_v2_xs", "timm"), ("semnasnet_050", "timm"),
    ("efficientnet_lite0", "timm"), ("mobilenet_v2", "torchvision"), ("mobilenet_v3_small", "torchvision"),
    ("mnasnet0_5", "torchvision"), ("mobilenet_v4_hybrid_medium", "ours"), ("mnasnet_a1", "ours"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "naming"), CASES)
def test_every_tensor_has_one_name_in_either_naming(name, naming):
    arch = find(name)
    match naming:
        case "timm":
            theirs = state_of(timm.create_model, name)
        case "torchvision":
            theirs = state_of(models.get_model, name)
        case "ours":
            theirs = state_of(build, arch)
    assert naming_of(theirs) == naming
    assert block_count(theirs, naming) == len(arch.blocks)
    modules = module_names(arch, naming, theirs)
    mapped = []
    for key in state_of(build, arch):
        module, _, tail = key.rpartition(".")
        mapped.append(f"{modules[module]}.{tail}")
    assert sorted(mapped) == sorted(theirs)


@pytest.mark.parametrize("listed", [[], ["conv1.weight", "fc.weight"], ["layers.0.weight", "head.weight"]])
def test_what_is_no_mobilenet_has_no_naming(listed):
    assert naming_of(listed) is None


@pytest.mark.parametrize(
    ("name", "naming"),
    [("mobilenetv4_conv_small_035", "timm"), ("mobilenetv2_035", "timm"), ("mnasnet0_5", "torchvision"),
     ("mobilenet_v2", "torchvision"), ("mobilenet_v3_small", "torchvision")],
)  # fmt: skip
def test_asking_for_another_networks_names_raises_nothing(name, naming):
    """An error message asks of every network of as many blocks whether a state dict could be its."""
    state = state_of(timm.create_model if naming == "timm" else models.get_model, name)
    count, asked = block_count(state, naming), 0
    for family in FAMILIES:
        arch = find(family)
        if len(arch.blocks) >= count:
            arch = replace(arch, blocks=arch.blocks[:count])
            assert set(module_names(arch, naming, state)) >= set(module_names(arch, "ours", ()))
            asked += 1
    assert asked > 5
