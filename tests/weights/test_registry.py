"""The registry's facts against those that the installed torchvision and timm state."""

from dataclasses import replace

import pytest
from torchvision import models

from mobilenets.arch import cost, edit
from mobilenets.arch.zoo import ALIASES, find
from mobilenets.weights import PUBLISHED, published_for
from mobilenets.weights.registry import fitted

TORCHVISION = {
    f"torchvision/{family}.{weights.name.lower()}": weights
    for family, published in (
        ("mobilenet_v2", models.MobileNet_V2_Weights),
        ("mobilenet_v3_large", models.MobileNet_V3_Large_Weights),
        ("mobilenet_v3_small", models.MobileNet_V3_Small_Weights),
    )
    for weights in published
}


def test_all_of_torchvision_is_there():
    assert {name for name in PUBLISHED if name.startswith("torchvision/")} == set(TORCHVISION)


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_facts(name):
    entry, theirs = PUBLISHED[name], TORCHVISION[name]
    measured, shown = theirs.meta["_metrics"]["ImageNet-1K"], theirs.transforms()
    assert entry.url == theirs.url
    assert (entry.top1, entry.top5) == (measured["acc@1"], measured["acc@5"])
    assert cost(entry.arch).params == theirs.meta["num_params"]
    record = entry.preprocess
    assert ([record.crop], [record.resize]) == (shown.crop_size, shown.resize_size)
    assert record.interpolation == shown.interpolation.value
    assert (list(record.mean), list(record.std)) == (shown.mean, shown.std)


def timm_names():
    return [name for name in PUBLISHED if name.startswith("timm/")]


@pytest.mark.parametrize("name", timm_names())
def test_timms_facts(name):
    timm = pytest.importorskip("timm")
    entry, theirs = PUBLISHED[name], timm.get_pretrained_cfg(name.removeprefix("timm/"))
    assert entry.url == theirs.url
    record = entry.preprocess
    assert theirs.input_size == (3, record.crop, record.crop)
    assert record.resize == int(record.crop / theirs.crop_pct)
    assert (record.interpolation, record.mean, record.std) == (theirs.interpolation, theirs.mean, theirs.std)
    assert entry.licence.lower() == theirs.license
    assert published_for(find(theirs.architecture)).top1 >= entry.top1


def test_all_of_timm_that_has_an_address_is_there():
    timm = pytest.importorskip("timm")
    listed = {f"timm/{name}" for alias in ALIASES for name in timm.list_pretrained(f"{alias}.*")}
    usable = {name for name in listed if timm.get_pretrained_cfg(name.removeprefix("timm/")).url}
    assert set(timm_names()) == usable - {"timm/mobilenetv3_large_100.miil_in21k"}  # not ImageNet-1k


def test_hashes_are_hexadecimal_and_stand_in_the_address():
    for entry in PUBLISHED.values():
        assert len(entry.sha256) >= 8
        assert int(entry.sha256, 16)
        assert entry.sha256 in entry.url


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (find("mobilenet_v2"), "torchvision/mobilenet_v2.imagenet1k_v2"),
        (find("mobilenet_v2", resolution=96, classes=10), "torchvision/mobilenet_v2.imagenet1k_v2"),
        (find("mobilenet_v2", width=0.5), "timm/mobilenetv2_050.lamb_in1k"),  # both dialects compute the same
        (find("mobilenet_v3_large"), "torchvision/mobilenet_v3_large.imagenet1k_v2"),
        (find("mobilenet_v3_large", dialect="timm"), "timm/mobilenetv3_large_100.miil_in21k_ft_in1k"),
        (find("tf_mobilenetv3_small_075"), "timm/tf_mobilenetv3_small_075.in1k"),
    ],
)
def test_the_best_published_weights_of_a_network(asked, name):
    assert published_for(asked).name == name


@pytest.mark.parametrize(
    "asked",
    [
        find("mobilenet_v1"),
        find("mobilenet_v3_small", width=0.5),  # timm's has wider hidden layers
        edit.narrow(find("mobilenet_v2"), 3, hidden=80),
        replace(find("mobilenet_v2"), dialect=replace(find("mobilenet_v2").dialect, norm_eps=1e-4)),
    ],
)
def test_no_published_weights_for_another_network(asked):
    assert published_for(asked) is None


def test_preprocessing_at_another_side_sees_the_same_share():
    record = fitted(PUBLISHED["torchvision/mobilenet_v2.imagenet1k_v1"].preprocess, 96)
    assert (record.crop, record.resize) == (96, 110)
