"""`list_weights`, `fetch_weights`, `convert_weights`."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UnknownName, UsageError, WeightsError
from mobilenets.jobs.weights import convert_weights, fetch_weights, list_weights
from mobilenets.nn import build, load_model, save_model
from mobilenets.weights import PUBLISHED, download


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files without an --out land in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "cache"))


def timm_file(name, **options):
    timm = pytest.importorskip("timm")
    path = Path(f"{name}.pth")
    torch.save(timm.create_model(name, **options).state_dict(), path)
    return path


def test_every_published_file_has_its_facts():
    rows = list_weights()["weights"]
    assert len(rows) == len(PUBLISHED) >= 67
    for row in rows:
        assert row["licence"] in ("Apache-2.0", "BSD-3-Clause")
        assert row["url"] or row["hub"]
        assert row["sha256"] or not row["url"]
        assert row["params"] > 500_000
        assert row["preprocess"]["crop"] == row["resolution"]
        assert not row["here"]
        assert row["top1"] is None or 0.5 < row["top1"] < (row["top5"] or 1)


def test_the_list_can_be_narrowed():
    rows = list_weights(filter="mnasnet1_0")["weights"]
    assert [row["name"] for row in rows] == ["torchvision/mnasnet1_0.imagenet1k_v1"]
    assert list_weights(filter="resnet") == {"weights": []}


def test_fetch_takes_a_published_name_or_a_networks(monkeypatch):
    path = Path("cache/weights/mobilenet_v2-7ebf99e0.pth").absolute()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    monkeypatch.setattr(download.files, "sha256", lambda _: "7ebf99e0" + 56 * "0")
    for name in ("torchvision/mobilenet_v2.imagenet1k_v2", "mobilenet_v2"):
        done = fetch_weights(name)
        assert (done["name"], done["file"], done["bytes"]) == (
            "torchvision/mobilenet_v2.imagenet1k_v2",
            str(path),
            7,
        )
        assert done["licence"] == "BSD-3-Clause"
    assert sum(row["here"] for row in list_weights()["weights"]) == 1


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("mobilenet_v9", UnknownName, "no published weights 'mobilenet_v9'; did you mean"),
        (
            "mobilenetv2_035",
            WeightsError,
            "no published weights of mobilenetv2_035; see: mobilenets weights list",
        ),
    ],
)
def test_what_nobody_published_is_one_line(name, kind, message):
    with pytest.raises(kind, match=message):
        fetch_weights(name)


@pytest.mark.parametrize(
    ("name", "model", "width"),
    [
        ("mobilenetv2_050", "mobilenet_v2", 0.5),
        ("mobilenetv3_small_075", "mobilenet_v3_small", 0.75),
        ("mobilenetv4_conv_small_035", "mobilenet_v4_conv_small", 0.35),
        ("mnasnet_050", "mnasnet_b1", 0.5),
    ],
)
def test_a_file_of_timm_becomes_ours_and_computes_the_same(name, model, width):
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    theirs = timm.create_model(name, num_classes=11).eval()
    torch.save(theirs.state_dict(), "theirs.pth")
    asked = {"model": name} if name == "mobilenetv3_small_075" else {}
    done = convert_weights("theirs.pth", resolution=64, **asked)
    assert (done["model"], done["classes"], done["resolution"]) == (model, 11, 64)
    network, card = load_model(Path(done["file"]))
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(x), theirs(x))
    assert card.labels == tuple(f"class {index}" for index in range(11))
    assert (card.weights, card.arch.name) == ("theirs.pth", model)


def test_a_segmenter_of_torchvision_becomes_ours():
    theirs = models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    torch.save(theirs.state_dict(), "lraspp.v1.pth")
    done = convert_weights("lraspp.v1.pth", model="lraspp_mobilenet_v3_large", resolution=64)
    assert done["file"] == "lraspp.v1.safetensors"
    network, card = load_model(Path(done["file"]))
    assert (card.task, card.labels[15]) == ("segment", "person")
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(x), theirs(x)["out"])
    again = convert_weights(done["file"], out="copy.safetensors")
    assert load_model(Path(again["file"]))[1].task == "segment"


def test_weights_that_fit_two_readings_ask_which():
    path = timm_file("mobilenetv3_small_075")
    with pytest.raises(
        UsageError, match=r"fits mobilenetv3_small_075 and tf_mobilenetv3_small_075, which compute"
    ):
        convert_weights(path)
    for name, eps in (("mobilenetv3_small_075", 1e-5), ("tf_mobilenetv3_small_075", 1e-3)):
        done = convert_weights(path, model=name, out=Path(f"{name}.safetensors"))
        assert done["arch"]["dialect"]["norm_eps"] == eps


def test_imagenets_classes_get_their_names_and_a_file_its_published_manner():
    torch.save(models.mobilenet_v2(width_mult=0.35).state_dict(), "v2.pth")
    card = load_model(Path(convert_weights("v2.pth")["file"]))[1]
    assert card.labels[:2] == ("tench", "goldfish")
    assert card.preprocess == Preprocess(224, 256)


def test_our_own_file_is_taken_by_its_card(tmp_path):
    arch = find("mobilenet_v2", width=0.35, resolution=64, classes=2)
    save_model(
        tmp_path / "ours.safetensors", build(arch), Card("classify", arch, ("cat", "dog"), Preprocess(64, 64))
    )
    done = convert_weights("ours.safetensors", resolution=96, out=Path("other.safetensors"))
    card = load_model(Path("other.safetensors"))[1]
    assert (done["resolution"], card.labels, card.arch.resolution) == (96, ("cat", "dog"), 96)
    with pytest.raises(UsageError, match=r"ours\.safetensors is there already"):
        convert_weights("ours.safetensors")


def test_a_file_without_a_classifier_is_refused():
    state = models.mobilenet_v2(width_mult=0.35).state_dict()
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("classifier")}
    save_file(headless, "headless.safetensors")
    with pytest.raises(WeightsError, match=r"headless\.safetensors has no classifier for 1000 classes"):
        convert_weights("headless.safetensors", out=Path("x.safetensors"))
    assert not Path("x.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("other.pth", {"fc.weight": torch.ones(2, 2)}, "fits no network of the zoo"),
        ("resnet.pth", {"conv1.weight": torch.ones(64, 3, 7, 7)}, "fits no network of the zoo"),
    ],
)
def test_weights_of_another_kind_are_one_line(name, content, message):
    torch.save(content, name)
    with pytest.raises(WeightsError, match=message) as caught:
        convert_weights(name)
    assert "\n" not in str(caught.value)
    assert not Path(name).with_suffix(".safetensors").exists()


class Evil:
    """Unpickling this writes a file."""

    def __reduce__(self):
        return (open, ("canary", "w"))


@pytest.mark.parametrize("name", ["evil.pth", "evil.h5", "evil.keras", "evil.tflite", "evil.safetensors"])
def test_no_file_executes_anything(name):
    torch.save({"state_dict": Evil()}, name)
    with pytest.raises(WeightsError) as caught:
        convert_weights(name, out=Path("out.safetensors"))
    assert "\n" not in str(caught.value)
    assert not Path("canary").exists()
    assert not Path("out.safetensors").exists()
