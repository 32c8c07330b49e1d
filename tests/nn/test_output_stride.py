"""Backbones at output strides 16 and 8, and maps by stride: against torchvision's and timm's."""

from dataclasses import replace

import pytest
import torch
from equality import enliven, images
from torchvision import models
from torchvision.models import mobilenetv3

from mobilenets.arch import Conv, Inverted, lower
from mobilenets.arch.heads import ssdlite, with_head
from mobilenets.arch.zoo import at_output_stride, find
from mobilenets.base.errors import ArchError
from mobilenets.nn import build
from mobilenets.weights.keys import module_names, naming_of

timm = pytest.importorskip("timm")

# timm builds these at an output stride
TIMM = {
    "mobilenetv2_050": (16, 8), "mobilenetv3_small_100": (16, 8), "tf_mobilenetv3_small_minimal_100": (16,),
    "semnasnet_050": (8,), "mobilenetv1_100": (16, 8), "mobilenetv4_conv_small": (16, 8),
}  # fmt: skip


def ours_like(theirs, arch):
    """Our network with the weights of theirs, none of which may be left over; a backbone has no head."""
    ours = build(arch).eval()
    given = theirs.state_dict()
    modules = module_names(arch, naming_of(given), given)
    state = ours.state_dict()
    for key, tensor in state.items():
        module, _, tail = key.rpartition(".")
        if (found := f"{modules[module]}.{tail}") in given:
            state[key] = given.pop(found).reshape(tensor.shape)
    assert not given
    ours.load_state_dict(state)
    return ours


@pytest.mark.parametrize("kind", ["large", "small"])
def test_dilated_networks_of_torchvision(kind):
    rows, last = mobilenetv3._mobilenet_v3_conf(f"mobilenet_v3_{kind}", dilated=True)
    theirs = enliven(models.MobileNetV3(rows, last))
    ours = ours_like(theirs, find(f"mobilenet_v3_{kind}", output_stride=16))
    for side in (64, 100):
        x = images(2, side)
        with torch.inference_mode():
            maps = ours.features(x)
            assert max(maps) == 16
            assert torch.equal(maps[16], theirs.features(x))
            assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(("name", "stride"), [(name, stride) for name in TIMM for stride in TIMM[name]])
def test_backbones_of_timm_at_an_output_stride(name, stride):
    theirs = enliven(timm.create_model(name, features_only=True, output_stride=stride))
    ours = ours_like(theirs, find(name, output_stride=stride))
    # timm's backbones of V2 and MnasNet end before the last 1x1 convolution, which stands outside the stages
    body = ours.blocks[:-1] if name in ("mobilenetv2_050", "semnasnet_050") else ours.blocks
    for side in (64, 96):
        x = last = images(2, side)
        with torch.inference_mode():
            for block in body:
                last = block(last)
            assert last.shape[-1] == side // stride
            assert torch.equal(last, theirs(x)[-1])


@pytest.mark.parametrize("family", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet_a1"])
@pytest.mark.parametrize("stride", [32, 16, 8])
def test_the_last_map_has_the_stride_that_was_asked_for(family, stride):
    arch = find(family, resolution=128, output_stride=stride)
    assert lower(arch)[len(arch.blocks) - 1].side == 128 // stride
    assert build(arch).strides[-1] == stride
    assert (find(family, resolution=128) == arch) is (stride == 32)
    given = [name for name, _ in lower(find(family)).named_ops()]
    assert [name for name, _ in lower(arch).named_ops()] == given  # the weights fit


def test_the_rule_of_slim_keeps_the_spread_of_the_block_that_gave_up_its_stride():
    spreads = {
        dialect: [b.dilation for b in find("mobilenet_v3_large", dialect=dialect, output_stride=8).blocks
                  if isinstance(b, Inverted)]
        for dialect in ("tensorflow", "torchvision")
    }  # fmt: skip
    assert spreads["tensorflow"] == [1] * 7 + [2] * 6 + [4] * 2
    assert spreads["torchvision"] == [1] * 6 + [2] * 6 + [4] * 3


def test_a_plain_convolution_cannot_be_spread():
    arch = find("mobilenet_v2")
    plain = replace(arch, blocks=(*arch.blocks, Conv(3, 64, stride=2), Conv(3, 64)))
    with pytest.raises(ArchError, match="use output_stride 32"):
        at_output_stride(plain, 32)


def test_features_are_the_last_map_of_every_stride():
    theirs = enliven(models.mobilenet_v3_large())
    ours = ours_like(theirs, find("mobilenet_v3_large"))
    x = images(2, 96)
    with torch.inference_mode():
        maps = ours.features(x)
        for stride, stop in {2: 2, 4: 4, 8: 7, 16: 13, 32: 17}.items():
            assert torch.equal(maps[stride], theirs.features[:stop](x))


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "embed"])
def test_one_pass_gives_outputs_and_features(task):
    arch = with_head(find("mobilenet_v2", width=0.35, resolution=96), task, 0 if task == "embed" else 3)
    ours, x = build(arch).eval(), images(2, 96)
    with torch.inference_mode():
        outputs, maps = ours.watched(x)
        torch.testing.assert_close(outputs, ours(x), rtol=0, atol=0)
        torch.testing.assert_close(maps, ours.features(x), rtol=0, atol=0)
    assert [*maps] == ([2, 4, 8, 16] if task == "segment" else [2, 4, 8, 16, 32])  # spread from 16 on


def test_a_detector_reads_the_expansion_before_the_last_halving():
    """Stride 16 is the expansion of the first block of the next stage (672 channels), as in torchvision."""
    theirs = enliven(models.mobilenet_v3_large())
    arch = find("mobilenet_v3_large")
    ours = build(ssdlite(arch, 3)).eval()
    body = ours_like(theirs, arch).state_dict()
    ours.load_state_dict({key: body[key] if key.startswith("blocks.") else value
                          for key, value in ours.state_dict().items()})  # fmt: skip
    x = images(2, 96)
    with torch.inference_mode():
        fine, coarse = ours.tapped(x)
        assert fine.shape[1] == 672
        assert torch.equal(fine, theirs.features[13].block[0](theirs.features[:13](x)))
        assert torch.equal(coarse, theirs.features(x))
