"""The registry's facts against those that the installed torchvision and timm state."""

import re
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from torchvision import models

from mobilenets.arch import cost, edit
from mobilenets.arch.zoo import find
from mobilenets.weights import PUBLISHED, published_for, registry
from mobilenets.weights.registry import fitted

COLLECT = Path(__file__).parents[2] / "docs" / "weights" / "collect.py"
TORCHVISION = {
    f"torchvision/{model}.{weights.name.lower()}": weights
    for model in models.list_models(module=models)
    if re.match("mobilenet|mnasnet", model)
    for weights in models.get_model_weights(model)
}


def test_the_file_is_what_the_installed_packages_state():
    pytest.importorskip("timm")
    spec = spec_from_file_location("collect", COLLECT)
    collect = module_from_spec(spec)
    spec.loader.exec_module(collect)
    stored = collect.TARGET.read_text(encoding="utf-8")
    assert stored == collect.text(), "published.json is old; run python docs/weights/collect.py"
    assert collect.left_out() == []


def test_all_of_torchvision_is_there():
    assert len(TORCHVISION) == 9
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
    assert (entry.url, entry.hub) == (theirs.url or None, theirs.hf_hub_id)
    record = entry.preprocess
    assert theirs.input_size == (3, record.crop, record.crop)
    assert record.resize == int(record.crop / theirs.crop_pct)
    assert (record.interpolation, record.mean, record.std) == (theirs.interpolation, theirs.mean, theirs.std)
    assert entry.licence.lower() == theirs.license
    assert (entry.classes, entry.arch.head.classes) == (theirs.num_classes,) * 2
    best = published_for(find(theirs.architecture))
    assert (best.top1 or 0) >= (entry.top1 or 0) or entry.classes != 1000


def test_every_tag_of_timm_is_there():
    timm = pytest.importorskip("timm")
    listed = {f"timm/{name}" for name in timm.list_pretrained() if re.match(PATTERNS, name)}
    assert len(listed) >= 58
    assert set(timm_names()) == listed


PATTERNS = r"mobilenet(?!v5)|mnasnet|semnasnet|tf_mobilenetv3|(tf_)?efficientnet_lite"


def test_hashes_are_hexadecimal_and_stand_in_the_address():
    for entry in PUBLISHED.values():
        if entry.url is None:  # on the hub, which names files by their hash when they are fetched
            assert (entry.sha256, entry.hub) == (None, entry.name)
            continue
        assert len(entry.sha256) >= 8
        assert int(entry.sha256, 16)
        assert entry.sha256 in entry.url


def test_figures_have_a_source_and_are_those_of_imagenet():
    known = [entry for entry in PUBLISHED.values() if entry.top1]
    assert len(known) > 50
    for entry in PUBLISHED.values():
        assert bool(entry.source) == bool(entry.top1)
        assert entry.classes == 1000 or entry.top1 is None
        assert entry.top1 is None or 50 < entry.top1 < 90
        assert entry.top5 is None or entry.top1 < entry.top5 < 100


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (find("mobilenet_v2"), "torchvision/mobilenet_v2.imagenet1k_v2"),
        (find("mobilenet_v2", resolution=96, classes=10), "torchvision/mobilenet_v2.imagenet1k_v2"),
        (find("mobilenet_v2", width=0.5), "timm/mobilenetv2_050.lamb_in1k"),  # both dialects compute the same
        (find("mobilenet_v3_large"), "torchvision/mobilenet_v3_large.imagenet1k_v2"),
        (find("mobilenet_v3_large", dialect="timm"), "timm/mobilenetv3_large_100.miil_in21k_ft_in1k"),
        (find("tf_mobilenetv3_small_075"), "timm/tf_mobilenetv3_small_075.in1k"),
        (find("mobilenet_v1"), "timm/mobilenetv1_100.ra4_e3600_r224_in1k"),
        (find("mobilenetv4_conv_small"), "timm/mobilenetv4_conv_small.e3600_r256_in1k"),
        (find("tf_efficientnet_lite0"), "timm/tf_efficientnet_lite0.in1k"),  # no figure, the only one
    ],
)
def test_the_best_published_weights_of_a_network(asked, name):
    assert published_for(asked).name == name


@pytest.mark.parametrize(
    "asked",
    [
        find("mobilenet_v1", dialect="tensorflow"),
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


def test_what_lies_on_the_hub_alone_counts_with_the_extra_only(monkeypatch):
    monkeypatch.setattr(registry, "hub_is_here", lambda: False)
    assert published_for(find("mobilenetv4_conv_small")) is None
    best = published_for(find("mobilenetv3_large_100"))
    assert best.name == "timm/mobilenetv3_large_100.miil_in21k_ft_in1k"
