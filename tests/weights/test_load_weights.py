"""Files of every origin into our networks, and one line for everything that does not fit."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from mobilenets.arch import Preprocess
from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import IMAGENET_MEAN
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UnknownName, WeightsError
from mobilenets.jobs.subject import blank_card
from mobilenets.nn import build, save_model
from mobilenets.weights import PUBLISHED, download, load, load_weights, read_state, with_backbone

SMALL = find("mobilenet_v3_small", resolution=96)
TINY = find("mobilenet_v2", width=0.35, resolution=96)


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(3)
    return models.mobilenet_v3_small()


@pytest.fixture
def written(tmp_path):
    """Writes a state dict (or anything) as a file and gives its path."""

    def write(content, name="weights.pth"):
        path = tmp_path / name
        save_file(content, path) if path.suffix == ".safetensors" else torch.save(content, path)
        return path

    return write


def loads_all(network, path):
    torch.manual_seed(9)
    return load_weights(network, path)


def same_logits(ours, theirs):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return torch.equal(ours.eval()(x), theirs.eval()(x))


WRAPPED = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "averaged": lambda state: {
        "model": {name: torch.zeros_like(tensor) for name, tensor in state.items()},
        "model_ema": {f"module.{name}": t for name, t in state.items()} | {"n_averaged": torch.tensor(5)},
    },
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled": lambda state: {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()},
    "old": lambda state: {name: t for name, t in state.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_checkpoints_of_training_scripts(theirs, written, wrapping):
    ours = build(SMALL)
    origin = load_weights(ours, written(WRAPPED[wrapping](theirs.state_dict())))
    assert same_logits(ours, theirs)
    assert (origin.new_head, origin.top1, origin.description) == (False, None, "weights.pth")


def test_safetensors_of_torchvisions_names(theirs, written):
    ours = build(SMALL)
    load_weights(ours, written(theirs.state_dict(), "weights.safetensors"))
    assert same_logits(ours, theirs)


def test_half_precision_becomes_float32(theirs, written):
    half = {name: t.half() if t.is_floating_point() else t for name, t in theirs.state_dict().items()}
    ours = build(SMALL)
    load_weights(ours, written(half))
    assert {p.dtype for p in ours.parameters()} == {torch.float32}


def test_a_plain_file_of_torchvision_is_fed_as_torchvision_feeds_it(theirs, written):
    origin = load_weights(build(SMALL), written(theirs.state_dict()))
    assert origin.preprocess == Preprocess(crop=96, resize=110, interpolation="bilinear")
    assert origin.labels[:2] == ("tench", "goldfish")
    assert len(origin.labels) == 1000


@pytest.mark.parametrize(
    ("name", "interpolation", "mean"),
    [
        ("mobilenetv2_050", "bicubic", IMAGENET_MEAN),
        ("mobilenetv3_small_075", "bicubic", IMAGENET_MEAN),
        ("tf_mobilenetv3_small_100", "bilinear", (0.5, 0.5, 0.5)),
        ("mobilenetv1_100", "bicubic", (0.5, 0.5, 0.5)),
        ("mobilenetv2_035", "bicubic", IMAGENET_MEAN),
    ],
)
def test_a_plain_file_of_timm_is_fed_as_timm_feeds_it(name, interpolation, mean, written):
    timm = pytest.importorskip("timm")
    path = written(timm.create_model(name).state_dict())
    record = load_weights(build(find(name)), path).preprocess
    assert (record.crop, record.resize) == (224, 256)
    assert (record.interpolation, record.mean) == (interpolation, mean)


def test_other_classes_keep_a_fresh_classifier(theirs, written):
    torch.manual_seed(1)
    ours = build(find("mobilenet_v3_small", classes=7))
    fresh = ours.head.classifier.weight.clone()
    origin = load_weights(ours, written(theirs.state_dict()))
    assert origin.new_head
    assert origin.labels is None
    assert torch.equal(ours.head.classifier.weight, fresh)
    assert torch.equal(ours.head.hidden.weight, theirs.classifier[0].weight)
    assert torch.equal(ours.blocks[4].squeeze.expand.bias, theirs.features[4].block[2].fc2.bias)


def test_our_own_file_brings_its_card(written, tmp_path):
    torch.manual_seed(4)
    arch = find("mobilenet_v2", width=0.35, resolution=64, classes=2)
    network, record = build(arch), Preprocess(crop=64, resize=64, mean=(0.5, 0.5, 0.5))
    save_model(tmp_path / "model.safetensors", network, Card("classify", arch, ("cat", "dog"), record))
    ours = build(find("mobilenet_v2", width=0.35, resolution=128, classes=2))
    origin = load_weights(ours, tmp_path / "model.safetensors")
    assert same_logits(ours, network)
    assert origin.labels == ("cat", "dog")
    assert origin.preprocess == Preprocess(crop=128, resize=128, mean=(0.5, 0.5, 0.5))
    fewer = load_weights(build(TINY), tmp_path / "model.safetensors")
    assert (fewer.new_head, fewer.labels) == (True, None)


def test_our_own_file_of_another_dialect_is_refused(written, tmp_path):
    timm = find("mobilenet_v3_small", resolution=64, dialect="timm")
    save_model(tmp_path / "timm.safetensors", build(timm), blank_card(timm))
    network = build(find("mobilenet_v3_small", resolution=64))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=r"trained in the timm dialect, .*use --dialect timm$"):
        load_weights(network, tmp_path / "timm.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    load_weights(build(timm), tmp_path / "timm.safetensors")


@pytest.mark.parametrize("head", ["deeplab", "raspp", "lraspp"])
def test_our_own_classifier_begins_a_segmenter(head, tmp_path):
    backbone = find("mobilenet_v2", 0.35, 64)
    classifier = build(backbone)
    save_model(tmp_path / "own.safetensors", classifier, blank_card(backbone))
    arch = with_head(backbone, "segment", 3, head=head)
    network, origin = with_backbone(arch, backbone, tmp_path / "own.safetensors")
    assert origin.new_head
    assert torch.equal(network.blocks[0].conv.weight, classifier.blocks[0].conv.weight)
    save_model(tmp_path / "head.safetensors", network, blank_card(arch))
    again, origin = with_backbone(arch, backbone, tmp_path / "head.safetensors")
    assert not origin.new_head
    kept = network.state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in again.state_dict().items())


def test_our_own_names_without_a_card(written):
    network, ours = build(TINY), build(TINY)
    origin = load_weights(ours, written(network.state_dict()))
    assert same_logits(ours, network)
    assert (origin.preprocess, origin.labels) == (None, None)


def test_published_weights_by_name_and_by_imagenet(theirs, written, monkeypatch):
    path, fetched = written(theirs.state_dict()), []
    monkeypatch.setattr(load, "fetch", lambda entry: fetched.append(entry.name) or path)
    for source in ("imagenet", "torchvision/mobilenet_v3_small.imagenet1k_v1"):
        ours = build(SMALL)
        origin = load_weights(ours, source)
        assert same_logits(ours, theirs)
        assert origin.description == "torchvision/mobilenet_v3_small.imagenet1k_v1"
        assert origin.top1 == 67.668
        assert origin.preprocess.resize == round(96 * 256 / 224)
    assert fetched == ["torchvision/mobilenet_v3_small.imagenet1k_v1"] * 2


def test_offline_leaves_the_network_as_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))

    def refuse(*args, **kwargs):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(download, "urlopen", refuse)
    with pytest.raises(WeightsError, match=r"imagenet1k_v2 cannot be downloaded \(Network is unreachable\)"):
        load_weights(build(find("mobilenet_v2")), "imagenet")


def test_published_weights_of_another_network_are_refused_before_the_download(monkeypatch):
    monkeypatch.setattr(load, "fetch", lambda entry: pytest.fail("downloaded"))
    same_shapes = build(find("mobilenetv3_small_100"))
    with pytest.raises(WeightsError, match=r"belongs to .*; use tf_mobilenetv3_small_100$"):
        load_weights(same_shapes, "timm/tf_mobilenetv3_small_100.in1k")


def test_a_run_folder_stands_for_its_weights(tmp_path):
    arch = find("mobilenet_v2", width=0.35, resolution=64, classes=2)
    network, ours = build(arch), build(arch)
    card = Card("classify", arch, ("cat", "dog"), Preprocess(64, 64))
    save_model(tmp_path / "model.safetensors", network, card)
    assert load_weights(ours, tmp_path).labels == ("cat", "dog")
    assert same_logits(ours, network)


# What does not fit: a line for each, and the network untouched


def v3_with(change):
    def state(theirs):
        changed = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
        change(changed)
        return changed

    return state


MISFITS = {
    "wrong network": (
        TINY,
        lambda theirs: theirs.state_dict(),
        r"holds a network of 13 blocks, not mobilenet_v2 \(19 blocks.* --width 1.0 --dialect torchvision$",
    ),
    "wrong width": (
        find("mobilenet_v2", width=0.75),
        lambda _: models.mobilenet_v2(width_mult=0.35).state_dict(),
        r"has features.0.0.weight of shape \(16, 3, .* needs \(24, .*it fits mobilenet_v2 --width 0.35",
    ),
    "another dialect": (
        find("mobilenet_v3_small", dialect="timm"),
        lambda theirs: theirs.state_dict(),
        "timm reads with another batch norm epsilon or padding; use --dialect torchvision",
    ),
    "a tensor lost": (
        SMALL,
        v3_with(lambda state: state.pop("features.3.block.1.0.weight")),
        r"lacks features.3.block.1.0.weight, so it is not mobilenet_v3_small",
    ),
    "a tensor too many": (
        SMALL,
        v3_with(lambda state: state.update({"features.3.block.9.0.weight": torch.ones(1)})),
        "has features.3.block.9.0.weight, which mobilenet_v3_small .* lacks",
    ),
    "diverged": (
        SMALL,
        v3_with(lambda state: state["features.5.block.0.0.weight"].fill_(float("nan"))),
        "has NaN or infinity in features.5.block.0.0.weight",
    ),
    "integers": (
        SMALL,
        v3_with(lambda state: state.update({"features.0.0.weight": torch.ones(16, 3, 3, 3).char()})),
        "has features.0.0.weight of torch.int8",
    ),
    "another family altogether": (
        SMALL,
        lambda _: torch.nn.Linear(2, 2).state_dict(),
        "holds no MobileNet .*: its first tensor is 'weight'",
    ),
    "no tensors": (SMALL, lambda _: {"epoch": 3}, "holds no weights by name"),
    "a list": (SMALL, lambda _: [torch.ones(3)], "holds no weights by name"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_named_in_one_line(case, theirs, written):
    arch, content, message = MISFITS[case]
    network, path = build(arch), written(content(theirs))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(network, path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_off_anywhere_is_one_line(name, share, theirs, written):
    path = written(theirs.state_dict(), name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WeightsError) as caught:
        load_weights(build(SMALL), path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"\x80\x04garbage", b"PK\x03\x04", bytes(5000)])
@pytest.mark.parametrize("name", ["odd.pth", "odd.safetensors"])
def test_what_is_no_file_of_weights_is_one_line(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_state(tmp_path / name)
    assert "\n" not in str(caught.value)


class Evil:
    """Unpickling this would call `print`; weights files are never unpickled so far."""

    def __reduce__(self):
        return (print, ("unpickled!",))


@pytest.mark.parametrize("dump", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))])
def test_program_objects_are_never_unpickled(dump, tmp_path, capfd):
    dump({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError):
        read_state(tmp_path / "evil.pth")
    assert "unpickled!" not in "".join(capfd.readouterr())


def test_whole_models_are_refused_with_the_remedy(theirs, written):
    with pytest.raises(WeightsError, match=r"program objects.*state_dict\(\)"):
        read_state(written(theirs))


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("imagenett", UnknownName, "did you mean imagenet"),
        ("torchvision/mobilenet_v2.imagenet1k_v3", UnknownName, "did you mean torchvision/mobilenet_v2"),
        ("nowhere/weights.pth", WeightsError, "nowhere/weights.pth does not exist"),
        (".", WeightsError, "is a folder"),
    ],
)
def test_sources_that_are_none(source, kind, message):
    with pytest.raises(kind, match=message):
        load_weights(build(TINY), source)


def test_no_published_weights_is_said_with_the_networks_name():
    with pytest.raises(WeightsError, match="no published ImageNet weights of mobilenet_v2 "):
        load_weights(build(TINY), "imagenet")


def test_there_are_enough_published_weights_to_speak_of():
    assert len(PUBLISHED) >= 17


def test_the_early_v3_of_timm_brings_its_own_epsilon(written):
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("mobilenetv3_rw").eval()
    ours = build(find("mobilenetv3_rw")).eval()
    load_weights(ours, str(written(theirs.state_dict())))
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))
    with pytest.raises(WeightsError, match="another batch norm epsilon"):
        load_weights(
            build(find("mobilenet_v3_large", dialect="torchvision")), str(written(theirs.state_dict()))
        )
